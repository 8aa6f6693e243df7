"""The law of equal ids: one file gives the same firings through `simulate` and through `serve`."""

import json
from pathlib import Path

import pytest
from tests.integration.serve_process import run, serving

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("shards", [1, 4])
def test_otto_fires_the_same_through_simulate_and_serve(shards: int, tmp_path: Path) -> None:
    plain = run("simulate", "example:otto", "--no-drain")
    expected = {json.loads(line)["id"] for line in plain.splitlines()}
    assert len(expected) > 40
    flags = ("--clock", "event", "--shards", str(shards))
    with serving("example:otto", tmp_path / "data", *flags) as serve:
        serve.send("example:otto", "--end")
        serve.wait_for(lambda: len(serve.tail("firing")) >= len(expected))
        found = {record["id"] for record in serve.tail("firing")}
        assert serve.stop() == 0
    assert found == expected
