"""The engine gives what the oracle gives: random plans, random streams, any batch size."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tests import engine_under_test
from tests.oracle.simulate import Record, simulate
from tests.unit.kernel_properties.areas import AREAS
from tests.unit.kernel_properties.streams import streams

KINDS = ("firing", "session", "window", "metric", "dead_letter")
BATCHES = st.sampled_from((None, 1, 2, 7))
EXAMPLES = int(os.environ.get("AUGENBLICK_EXAMPLES", "40"))  # fewer where each one is slow
QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=5_000)


def text(record: Record, digits: int = 17) -> str:
    """A record as comparable text; 1 and 1.0 differ."""
    if record["kind"] == "dead_letter":
        record = {"kind": "dead_letter", "reason": record["reason"], "time": record["time"]}
    return json.dumps(rounded(record, digits), sort_keys=True)


def rounded(value: Any, digits: int) -> Any:
    """With every float to so many digits: decay is exact but for rounding."""
    match value:
        case float():
            return float(f"{value:.{digits}g}")
        case dict():
            return {key: rounded(one, digits) for key, one in value.items()}
        case list():
            return [rounded(one, digits) for one in value]
    return value


def firings(records: list[Record], digits: int) -> list[str]:
    """Firings in order; of equal ids, which are one firing, the first."""
    once: dict[str, str] = {}
    for record in records:
        if record["kind"] == "firing":
            once.setdefault(record["id"], text(record, digits))
    return list(once.values())


def others(records: list[Record], digits: int) -> list[str]:
    """Everything else, in no order."""
    return sorted(text(record, digits) for record in records if record["kind"] != "firing")


def assert_same(plan: dict[str, Any], events: list[Any], drain: bool, batch: int | None) -> None:
    plan_text = json.dumps(plan, indent=1)
    lines = [json.dumps(event).encode() for event in events]
    note(plan_text)
    note(b"\n".join(lines).decode())
    version_of = engine_under_test.version_of(plan_text)
    expected = simulate(plan, events, emit=KINDS, drain=drain, version_of=version_of)
    found = engine_under_test.run(plan_text, lines, emit=KINDS, drain=drain, batch_events=batch)
    digits = 9 if '"decay"' in plan_text else 17
    assert firings(found, digits) == firings(expected, digits)
    assert others(found, digits) == others(expected, digits)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("area", AREAS)
def test_engine_equals_oracle(area: str) -> None:
    @QUICK
    @given(AREAS[area], streams(), st.booleans(), BATCHES)
    def check(plan: dict[str, Any], events: list[Any], drain: bool, batch: int | None) -> None:
        assert_same(plan, events, drain, batch)

    check()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("area", AREAS)
def test_engine_equals_oracle_for_long(area: str) -> None:
    @LONG
    @given(AREAS[area], streams(events_max=60), st.booleans(), BATCHES)
    def check(plan: dict[str, Any], events: list[Any], drain: bool, batch: int | None) -> None:
        assert_same(plan, events, drain, batch)

    check()
