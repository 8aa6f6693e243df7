"""The engine on three Ray nodes: shards on nodes of their own, one of which loses power."""

import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.system.nodes import Nodes

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PROGRAM = "import sys; from augenblick.cli import main; sys.exit(main())"
AUGENBLICK = (sys.executable, "-c", PROGRAM)
FIRINGS = {"busy_clicker": 29, "cart_left": 10, "quick_order": 4, "only_looking": 1}


@pytest.fixture
def nodes(tmp_path: Path):
    made = Nodes(tmp_path, 3)
    try:
        made.start_ray(0)
        for index in (1, 2):
            made.start_ray(index, '--resources={"augenblick_shard":1000}')
        yield made
    finally:
        made.close()


def wait_for(what, seconds: float):
    """What the function returns, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.2)
    return found


def test_shards_on_other_nodes(nodes, tmp_path):
    data = nodes.common / "data"
    log = tmp_path / "serve.log"
    serve = nodes.run(
        0,
        *(*AUGENBLICK, "serve", "example:otto", "--clock=event", f"--data={data}", "--insecure"),
        *(f"--ray={nodes.address(0)}:6379", "--shard-resource=augenblick_shard", "--shards=4"),
        *(f"--forward={nodes.address(0)}:24224", f"--http={nodes.address(0)}:8080"),
        log=log,
    )
    wait_for(lambda: serve.poll() is not None or "is ready" in log.read_text(), 90)
    assert serve.poll() is None, log.read_text()

    def status() -> dict:
        return json.loads(
            nodes.command(
                0,
                *(*AUGENBLICK, "status", "--json", f"--engine=http://{nodes.address(0)}:8080"),
                *("--data", str(data)),
            )
        )

    def shard_hosts() -> set[str]:
        return {shard["address"].rpartition(":")[0] for shard in status()["shards"].values()}

    assert shard_hosts() == {nodes.address(1), nodes.address(2)}
    nodes.command(
        0, *AUGENBLICK, "send", "example:otto", "--to", f"{nodes.address(0)}:24224", "--end"
    )
    out = nodes.private(0) / "data" / "out" / "otto-firings.ndjson"

    def firings() -> Counter[str]:
        lines = out.read_text().splitlines() if out.exists() else []
        found = map(json.loads, lines)
        return Counter(record["trigger"] for record in found if record["kind"] == "firing")

    expected = Counter(FIRINGS) - Counter(only_looking=1)  # that one goes to the log
    wait_for(lambda: firings() == expected, 20)

    nodes.kill(2)
    wait_for(lambda: shard_hosts() == {nodes.address(1)} and status()["ready"], 60)
    nodes.command(0, *AUGENBLICK, "send", "example:otto", "--to", f"{nodes.address(0)}:24224")
    assert status()["ready"]
