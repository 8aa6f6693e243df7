"""The curves' plans are plans, their traffic reaches them, and a point says what it cost."""

from dataclasses import replace
from pathlib import Path

import pytest

from augenblick_bench.harness.chart import draw
from augenblick_bench.harness.cost import measure
from augenblick_bench.harness.report import Result
from augenblick_bench.scenarios.curves import CURVES

EVENTS = 2_000


@pytest.mark.parametrize("name", CURVES)
def test_points_can_be_measured(name: str) -> None:
    curve = CURVES[name]
    assert list(curve.points) == sorted(set(curve.points))
    for x in curve.points[1:3]:
        work = curve.make(x)
        traffic = replace(work.traffic, users=min(work.traffic.users, 100))
        cost = measure(replace(work, traffic=traffic, events=EVENTS))
        assert cost.events == EVENTS
        assert 0 < cost.ns_per_event_best <= cost.ns_per_event * 1.001
        assert cost.cpu_s > 0


def test_what_grows_is_in_the_plan_or_the_traffic() -> None:
    assert len(CURVES["features"].make(64).plan.features) == 64
    assert len(CURVES["triggers"].make(1_000).plan.triggers) == 1_000
    assert len(CURVES["idle_triggers"].make(1_000).plan.triggers) == 1_001
    assert CURVES["users"].make(7).traffic.users == 7
    assert CURVES["groups"].make(7).traffic.articles == 7
    assert CURVES["behind"].make(7).traffic.behind_share == pytest.approx(0.07)


def test_the_chart_has_every_curve(tmp_path: Path) -> None:
    results = [
        Result(
            "curves",
            f"{name} {x}",
            1,
            1.0,
            facts={
                "curve": name,
                "axis": name,
                "x": x,
                "ns_per_event": 100.0 + x,
                "ns_per_event_best": 90.0 + x,
            },
        )
        for name, curve in CURVES.items()
        for x in curve.points
    ]
    assert draw(results, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000
