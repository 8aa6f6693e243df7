"""The law of equal ids: one file gives the same firings through `simulate` and through `serve`."""

from pathlib import Path

import pytest
from tests.integration.serve_process import serving

from augenblick.examples import events_path, plan_path
from augenblick.ingest.transports.replay import open_events
from augenblick.runtime.local import simulate

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("shards", [1, 4])
def test_otto_fires_the_same_through_simulate_and_serve(shards: int, tmp_path: Path) -> None:
    text = plan_path("example:otto").read_text()
    with open_events(str(events_path("example:otto"))) as lines:
        expected = {one["id"] for one in simulate(text, lines, emit=["firing"], drain=False)}
    assert len(expected) > 40
    flags = ("--clock", "event", "--shards", str(shards))
    with serving("example:otto", tmp_path / "data", *flags) as serve:
        serve.send("example:otto", "--end")
        serve.wait_for(lambda: len(serve.tail("firing")) >= len(expected))
        found = {record["id"] for record in serve.tail("firing")}
        assert serve.stop() == 0
    assert found == expected
