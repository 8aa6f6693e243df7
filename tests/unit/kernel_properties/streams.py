"""Random streams of events in order of arrival.

Few users, so that their states are full; times with ties, disorder within and beyond lateness,
silences, either side of the epoch; duplicates by id; properties absent, null, of another type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]
BASES_ms = (0, -35, -2_208_988_799_000, 1_700_000_000_000)
STEPS_ms = (0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 9, 10, 11, 20, 31, 500)
BACK_ms = (0, 0, 0, 0, 0, 1, 2, 5, 8, 10, 11, 20, 26, 40)
# On a grid of 5 ms, as all durations of the plans are, deadlines and edges are met exactly.
GRID_STEPS_ms = (0, 0, 5, 5, 5, 10, 10, 15, 20)
GRID_BACK_ms = (0, 0, 0, 0, 0, 0, 5, 10, 20)
NUMBERS = (0, 1, 2, 3, -1, 0.5, 2.25)


@st.composite
def properties(draw: Draw) -> dict[str, Any]:
    """`v` a number as a rule, `g` one of few groups as a rule."""
    found: dict[str, Any] = {}
    kind = draw(st.integers(0, 9))
    if kind < 8:
        found["v"] = draw(st.sampled_from(NUMBERS))
    elif kind == 8:
        found["v"] = draw(st.sampled_from(("1", True)))
    kind = draw(st.integers(0, 9))
    if kind < 8:
        found["g"] = draw(st.sampled_from(("x", "x", "y", "z", 1)))
    elif kind == 8:
        found["g"] = None
    return found


@st.composite
def events(
    draw: Draw, steps: tuple[int, ...] = STEPS_ms, back: tuple[int, ...] = BACK_ms
) -> tuple[int, int, dict[str, Any]]:
    """The step of time before it, how far it lies back, and an event without its time."""
    event: dict[str, Any] = {
        "user": draw(st.sampled_from(("u1", "u1", "u1", "u2", "u3"))),
        "event": draw(st.sampled_from(("a", "a", "a", "b", "b", "b", "c", "d"))),
    }
    props = draw(properties())
    if props:
        event["props"] = props
    extra = draw(st.integers(0, 15))
    if extra < 4:
        event["id"] = f"i{extra}"
    elif extra < 6:
        event["context"] = {"app": ("web", "phone")[extra - 4]}
    return draw(st.sampled_from(steps)), draw(st.sampled_from(back)), event


def streams(events_max: int = 40) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Events as dicts, in order of arrival; a few, or many."""
    few = st.lists(events(), min_size=1, max_size=8)
    many = st.lists(events(), min_size=15, max_size=events_max)
    grid = st.lists(events(GRID_STEPS_ms, GRID_BACK_ms), min_size=15, max_size=events_max)
    return st.builds(timed, st.sampled_from(BASES_ms), st.one_of(few, many, grid, grid))


def timed(base: int, entries: list[tuple[int, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The events with their times; none lies before the base, which is near 1900 at times."""
    now, found = base, []
    for step, back, event in entries:
        now += step
        found.append({**event, "time": max(base, now - back)})
    return found


@st.composite
def disordered(draw: Draw, lateness_ms: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One stream sorted by time, and shuffled so that no event is late; no two times are equal."""
    now, ordered = 0, []
    for _ in range(draw(st.integers(1, 25))):
        now += draw(st.integers(1, 8))
        props = draw(properties())
        name = draw(st.sampled_from(("a", "b", "c")))
        ordered.append({"user": "u1", "event": name, "time": now, "props": props})
    delays = [draw(st.integers(0, lateness_ms)) for _ in ordered]
    arrivals = sorted(
        range(len(ordered)), key=lambda index: (ordered[index]["time"] + delays[index], index)
    )
    return ordered, [ordered[index] for index in arrivals]
