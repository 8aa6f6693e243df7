"""Laws that hold whatever the definitions say in detail; each for the oracle and for the engine."""

from __future__ import annotations

import json
import os
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import engine_under_test
from tests.oracle.simulate import Record, simulate
from tests.unit.kernel_properties.areas import AREAS
from tests.unit.kernel_properties.plans import frames, sequences
from tests.unit.kernel_properties.streams import disordered, streams

LATENESS_ms = 15
EXAMPLES = settings(
    max_examples=int(os.environ.get("AUGENBLICK_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Runs(Protocol):
    def __call__(
        self, plan: dict[str, Any], events: list[Any], *, drain: bool = True
    ) -> list[Record]: ...


def by_oracle(plan: dict[str, Any], events: list[Any], *, drain: bool = True) -> list[Record]:
    return simulate(plan, events, drain=drain)


def by_engine(plan: dict[str, Any], events: list[Any], *, drain: bool = True) -> list[Record]:
    lines = [json.dumps(event).encode() for event in events]
    return engine_under_test.run(json.dumps(plan, indent=1), lines, drain=drain)


def ids(records: list[Record]) -> set[str]:
    return {record["id"] for record in records if record["kind"] == "firing"}


pytestmark = pytest.mark.timeout(600)
runners = pytest.mark.parametrize("runs", [by_oracle, by_engine], ids=["oracle", "engine"])


@runners
def test_event_time_sequences_do_not_depend_on_the_order_of_arrival(runs: Runs) -> None:
    @EXAMPLES
    @given(frames(), sequences(trailing=True), disordered(LATENESS_ms))
    def check(
        plan: dict[str, Any], entry: dict[str, Any], pair: tuple[list[Any], list[Any]]
    ) -> None:
        plan["time"]["lateness"] = f"{LATENESS_ms}ms"
        entry.pop("cooldown", None)
        plan["triggers"] = {"t": entry}
        ordered, shuffled = pair
        assert ids(runs(plan, ordered)) == ids(runs(plan, shuffled))

    check()


@runners
def test_other_users_change_no_firing_while_the_clock_is_the_same(runs: Runs) -> None:
    """Leaving a user's events out changes nothing for the others if another keeps the clock."""

    @EXAMPLES
    @given(AREAS["everything"], streams(events_max=20))
    def check(plan: dict[str, Any], events: list[Any]) -> None:
        doubled = []
        for event in events:
            doubled += [{"user": "clock", "event": "tick", "time": event["time"]}, event]
        alone = [event for event in doubled if event["user"] in {"clock", "u1"}]
        of_u1 = [
            {record["id"] for record in runs(plan, stream) if record.get("user") == "u1"
             and record["kind"] == "firing"}
            for stream in (doubled, [
                event if event in alone else {**event, "user": "clock", "event": "tick"}
                for event in doubled
            ])
        ]  # fmt: skip
        assert of_u1[0] == of_u1[1]

    check()


@runners
def test_every_real_event_is_in_one_session_or_refused(runs: Runs) -> None:
    @EXAMPLES
    @given(AREAS["sessions"], streams())
    def check(plan: dict[str, Any], events: list[Any]) -> None:
        events = [{key: event[key] for key in event if key != "id"} for event in events]
        del plan["features"], plan["triggers"]
        records = runs(plan, events)
        sessions = [record for record in records if record["kind"] == "session"]
        refused = [record for record in records if record["kind"] == "dead_letter"]
        assert sum(session["events"] for session in sessions) + len(refused) == len(events)
        assert all(session["start"] <= session["end"] for session in sessions)

    check()


@runners
def test_the_drain_only_adds_to_the_end(runs: Runs) -> None:
    @EXAMPLES
    @given(AREAS["everything"], streams())
    def check(plan: dict[str, Any], events: list[Any]) -> None:
        before = runs(plan, events, drain=False)
        assert runs(plan, events)[: len(before)] == before

    check()


@pytest.mark.parametrize("area", AREAS)
def test_batches_change_no_byte(area: str) -> None:
    """However many lines a call of the kernel takes, the same is printed in the same order."""

    @settings(EXAMPLES, max_examples=max(1, EXAMPLES.max_examples // 4))
    @given(AREAS[area], streams(), st.booleans())
    def check(plan: dict[str, Any], events: list[Any], drain: bool) -> None:
        text = json.dumps(plan, indent=1)
        lines = [json.dumps(event).encode() for event in events]
        printed = [
            json.dumps(engine_under_test.run(text, lines, drain=drain, batch_events=size))
            for size in (None, 1, 2, 7)
        ]
        assert printed[1:] == printed[:1] * 3

    check()
