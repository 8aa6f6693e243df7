"""Golden replay: every scenario as one shard, and on two shards with three checkpoints, restored
from each of them on three shards, gives the same.
"""

from itertools import pairwise

import pytest
from tests import engine_under_test
from tests.scenario.cases import Case, load_cases
from tests.scenario.golden import GoldenRun, compared, in_order

from augenblick import limits
from augenblick.plan.compiler import compile_plan
from augenblick.plan.load import load_plan

CASES = [case for case in load_cases() if not case.refused]
IDS = [f"{case.file}: {case.name}" for case in CASES]
PARTS = 4


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set of snapshots ends with the batch it began in."""
    monkeypatch.setattr(limits, "checkpoint_replay_events_max", 1)
    monkeypatch.setattr(limits, "checkpoint_set_ms_max", 0)


def parts_of(lines: list[bytes]) -> list[list[bytes]]:
    bounds = [len(lines) * part // PARTS for part in range(PARTS + 1)]
    return [lines[low:high] for low, high in pairwise(bounds)]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_shards_checkpoints_and_savepoints_change_nothing(case: Case) -> None:
    program = compile_plan(load_plan(case.plan_text))
    plain = engine_under_test.run(case.plan_text, case.lines, emit=case.emit, drain=case.drain)
    wanted = in_order(case, plain)
    parts = parts_of(case.lines)
    one = GoldenRun(case, program, 1)
    for part in parts:
        one.feed(part)
    one.end(drain=case.drain)
    assert compared(case, one) == wanted
    for cut in range(1, PARTS):
        two = GoldenRun(case, program, 2)
        for part in parts[:cut]:
            two.feed(part)
            two.crash()
        three = GoldenRun(case, program, 3, two)
        for part in parts[cut:]:
            three.feed(part)
        three.end(drain=case.drain)
        assert compared(case, two, three) == wanted, f"restored after {cut} of {PARTS} parts"
