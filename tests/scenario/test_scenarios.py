"""Every scenario through the oracle and through the engine, in several batch sizes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from tests import engine_under_test
from tests.oracle.simulate import simulate
from tests.scenario.cases import Case, load_cases

from augenblick.errors import AugenblickError

CASES = list(load_cases())
IDS = [f"{case.file}: {case.name}" for case in CASES]


def shown(record: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The record cut down to what the scenario names."""
    cut = {key: record.get(key, "absent") for key in wanted}
    if isinstance(wanted.get("cause"), dict) and isinstance(cut["cause"], dict):
        cut["cause"] = {key: cut["cause"].get(key, "absent") for key in wanted["cause"]}
    return cut


def assert_expected(case: Case, records: list[dict[str, Any]]) -> None:
    nothing: dict[str, Any] = {"kind": "no record expected"}
    expected = [*case.expect, *[nothing] * (len(records) - len(case.expect))]
    assert [shown(*pair) for pair in zip(records, expected, strict=False)] == case.expect


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_oracle(case: Case) -> None:
    assert_expected(case, simulate(case.plan, case.events, emit=case.emit, drain=case.drain))


@pytest.mark.parametrize("batch_events", [None, 1])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_engine(case: Case, batch_events: int | None) -> None:
    expects_refusal = pytest.raises(AugenblickError, match=str(case.refused))
    with expects_refusal if case.refused else nullcontext():
        records = engine_under_test.run(
            case.plan_text, case.lines, emit=case.emit, drain=case.drain, batch_events=batch_events
        )
        assert_expected(case, records)


def test_names_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)
