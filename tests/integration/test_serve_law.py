"""The law of equal ids: one file in one order over one connection gives the same firings through
`simulate --no-drain` and `serve --clock event`, for any number of shards and any batch size.
"""

import json
import random
from pathlib import Path

import pytest
from tests.integration.serve_process import serving

from augenblick.examples import events_path, plan_path
from augenblick.ingest.transports.replay import open_events
from augenblick.runtime.local import simulate

pytestmark = pytest.mark.timeout(240)
LATENESS_ms = 5_000


def otto() -> list[bytes]:
    with open_events(str(events_path("example:otto"))) as lines:
        return [line.strip() for line in lines]


def disordered(lines: list[bytes]) -> list[bytes]:
    """The same events, each up to the lateness later than its time says; a file of its own."""
    chance = random.Random(7)
    keyed = [(json.loads(line)["time"] + chance.randrange(LATENESS_ms), line) for line in lines]
    ordered = [line for _, line in sorted(keyed, key=lambda pair: pair[0])]
    assert ordered != lines
    return ordered


@pytest.mark.parametrize(
    ("shards", "is_ordered", "flags"),
    [
        (1, True, ()),
        (2, False, ("--rate", "1500")),  # small batches
        (4, True, ("--rate", "1500")),
        (4, False, ()),
    ],
)
def test_one_file_fires_the_same_through_simulate_and_serve(
    shards: int, is_ordered: bool, flags: tuple[str, ...], tmp_path: Path
) -> None:
    lines = otto() if is_ordered else disordered(otto())
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\n")
    text = plan_path("example:otto").read_text()
    expected = {one["id"] for one in simulate(text, lines, emit=["firing"], drain=False)}
    assert len(expected) > 40
    with serving(
        "example:otto", tmp_path / "data", "--clock", "event", "--shards", str(shards)
    ) as serve:
        serve.send(file, "--end", *flags)
        serve.wait_for(lambda: len(serve.tail("firing")) >= len(expected))
        found = {record["id"] for record in serve.tail("firing")}
        assert serve.stop() == 0
    assert found == expected
