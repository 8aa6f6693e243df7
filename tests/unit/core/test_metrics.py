import random

import pytest
from tests.unit.core.programs import code, metric, metric_trigger, with_metrics

from augenblick.core.metrics import END_OF_TIME, FIXED_ONE, NO_CLOCK, MetricMerger
from augenblick.core.routing import even_ranges
from augenblick.plan.program import Op

VIEWS = with_metrics(metrics=(metric("views", 1000),), emit_metric={0: ("audit",)})
GROUPED = with_metrics(metrics=(metric("views", 1000, by="category"),))
QUIET = with_metrics(
    metrics=(metric("traffic", 1000),),
    metric_triggers=(metric_trigger("died", (0,)),),
    consts=(0,),
    codes=(code((Op.METRIC, 0), (Op.CONST, 0), Op.EQ), code((Op.METRIC, 0))),
)


def _metrics(releases: list) -> list[tuple]:
    records = [item["record"] for item in releases if item["record"]["kind"] == "metric"]
    return [(r["start"], r["by"] and r["by"]["category"], r["value"]) for r in records]


def _firings(releases: list) -> list[tuple]:
    records = [item["record"] for item in releases if item["record"]["kind"] == "firing"]
    return [(r["trigger"], r["by"], r["time"]) for r in records]


def test_a_window_closes_only_when_the_clock_is_strictly_past_its_end() -> None:
    merger = MetricMerger(VIEWS)
    assert merger.panes(0, 500, [(1, 0, 10_000, None, 2, 0), (2, 0, 10_000, None, 3, 0)]) == []
    assert merger.panes(0, 11_000, []) == []
    releases = merger.panes(0, 11_001, [])
    assert _metrics(releases) == [(10_000, None, 5)]
    assert releases[0]["actions"] == ["audit"]
    assert merger.panes(0, 12_002, []) == []


def test_reports_replace_and_never_add_and_late_ones_are_counted() -> None:
    merger = MetricMerger(VIEWS)
    merger.panes(0, 10_000, [(1, 0, 10_000, None, 2, 0)])
    merger.panes(0, 10_500, [(1, 0, 10_000, None, 7, 0)])
    assert _metrics(merger.panes(0, 12_000, [])) == [(10_000, None, 7)]
    assert merger.panes(0, 13_000, [(1, 0, 10_000, None, 9, 0)]) == []
    assert merger.late_rows == 1


def test_every_shard_has_to_be_past_the_end() -> None:
    merger = MetricMerger(VIEWS)
    merger.assign(dict(enumerate(even_ranges(2))))
    assert merger.panes(0, 20_000, [(1, 0, 10_000, None, 1, 0)]) == []
    assert merger.clock_ms == NO_CLOCK
    assert _metrics(merger.panes(1, 10_900, [(3000, 0, 10_000, None, 1, 0)])) == []
    assert _metrics(merger.panes(1, 11_500, [])) == [(10_000, None, 2)]


def test_sums_are_exact_whatever_the_order() -> None:
    program = with_metrics(metrics=(metric("revenue", 1000, aggregate="sum"),))
    rows = [(n, 0, 0, None, 1, n * FIXED_ONE // 10) for n in range(4096)]
    values = set()
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        merger = MetricMerger(program)
        merger.panes(0, 0, rows)
        values.add(merger.panes(0, 5000, [])[0]["record"]["value"])
    assert len(values) == 1
    assert values.pop() == pytest.approx(4095 * 4096 / 20)
    merger = MetricMerger(program)
    merger.panes(0, 0, [(0, 0, 0, None, 2, 3 * FIXED_ONE)])
    assert merger.panes(0, 5000, [])[0]["record"]["value"] == 3


def test_groups_of_any_type_come_in_one_order() -> None:
    merger = MetricMerger(GROUPED)
    rows = [(0, 0, 0, group, 1, 0) for group in ("b", "a", 3, None, True)]
    merger.panes(0, 0, rows)
    groups = [group for _, group, _ in _metrics(merger.panes(0, 5000, []))]
    assert groups == [None, True, 3, "a", "b"]


def test_an_empty_window_is_zero_for_a_metric_that_a_trigger_names() -> None:
    merger = MetricMerger(QUIET)
    # the first event at 10,200 with lateness 5,000: its window is the first that counts
    merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0)], origin_ms=5_200)
    releases = merger.panes(0, 14_500, [(0, 0, 13_000, None, 4, 0)])
    assert _metrics(releases) == [(10_000, None, 1), (13_000, None, 4)]  # none of empty windows
    assert _firings(releases) == [("died", None, 12_000)]


def test_rise_needs_a_false_window_before_and_each_does_not() -> None:
    releases = []
    for fire in ("rise", "each", "once"):
        program = with_metrics(QUIET, metric_triggers=(metric_trigger("died", (0,), fire),))
        merger = MetricMerger(program)
        merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0)])
        releases.append(len(_firings(merger.panes(0, 13_001, [(0, 0, 13_000, None, 1, 0)]))))
        releases.append(len(_firings(merger.panes(0, 15_001, []))))
    assert releases == [1, 1, 2, 1, 1, 0]


def test_cooldown_compares_the_firings_times() -> None:
    for cooldown_ms, firings in ((2001, 1), (2000, 2)):
        trigger = metric_trigger("died", (0,), cooldown_ms=cooldown_ms)
        merger = MetricMerger(with_metrics(QUIET, metric_triggers=(trigger,)))
        merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0), (0, 0, 12_000, None, 1, 0)])
        assert len(_firings(merger.panes(0, 14_001, []))) == firings


def test_what_was_due_while_the_engine_was_away_says_how_late_it_is() -> None:
    program = with_metrics(QUIET, metric_triggers=(metric_trigger("died", (0,), "each"),))
    merger = MetricMerger(program)
    merger.assign({0: (0, 2047), 1: (2048, 4095)})
    merger.panes(0, 5_200, [], away=None)
    merger.panes(1, 5_200, [], away=None)
    now_ms = 105_000  # the clocks went on at 14 and 14.5 s, when they stood at 5.2 s: 91 s behind
    merger.panes(0, 14_000, [], now_ms=now_ms, away=(-91_000, 14_000))
    releases = merger.panes(1, 14_500, [], now_ms=now_ms, away=(-90_500, 14_500))
    late = {one["record"]["end"]: one["record"] for one in releases if "end" in one["record"]}
    assert not any("late_by" in record for record in late.values())  # metrics say when they were
    fired = [one["record"] for one in releases if one["record"]["kind"] == "firing"]
    assert [(one["time"], one["late_by"]) for one in fired] == [
        (11_000, 3_000),
        (12_000, 2_000),
        (13_000, 1_000),
    ]
    merger.panes(0, 17_000, [], now_ms=now_ms + 3_000, away=(-91_000, 14_000))
    releases = merger.panes(1, 17_000, [], now_ms=now_ms + 3_000, away=(-90_500, 14_500))
    fired = [one["record"] for one in releases if one["record"]["kind"] == "firing"]
    assert [one["time"] for one in fired] == [15_000, 16_000]
    assert not any("late_by" in one for one in fired)


def test_a_group_counts_as_zero_for_twelve_windows() -> None:
    program = with_metrics(
        GROUPED,
        metric_triggers=(metric_trigger("gone", (0,), "each"),),
        consts=(0,),
        codes=QUIET.codes,
    )
    merger = MetricMerger(program)
    merger.panes(0, 0, [(0, 0, 5_000, "shoes", 1, 0)], origin_ms=0)
    firings = _firings(merger.panes(0, 60_000, []))
    assert firings == [("gone", {"category": "shoes"}, 7_000 + n * 1000) for n in range(11)]


def test_the_firing_id_depends_on_name_version_group_and_window_only() -> None:
    ids = []
    for step in (1, 7, 10_000):
        merger = MetricMerger(QUIET)
        merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0)])
        releases = []
        for clock_ms in range(5_201, 20_000 + step, step):
            releases += merger.panes(0, clock_ms, [], now_ms=clock_ms)
        ids.append([r["record"]["id"] for r in releases if r["record"]["kind"] == "firing"])
    assert len(ids[0]) == 1
    assert ids[0] == ids[1] == ids[2]
    assert len(ids[0][0]) == 32


def test_shadow_firings_say_so() -> None:
    program = with_metrics(QUIET, metric_triggers=(metric_trigger("died", (0,), mode="shadow"),))
    merger = MetricMerger(program)
    merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0)])
    items = [i for i in merger.panes(0, 13_001, []) if i["record"]["kind"] == "firing"]
    assert [(item["shadow"], item["record"]["mode"]) for item in items] == [(True, "shadow")]


def test_the_end_of_time_closes_what_holds_something_and_nothing_else() -> None:
    merger = MetricMerger(QUIET)
    merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0)])
    assert _metrics(merger.panes(0, END_OF_TIME, [])) == [(10_000, None, 1)]


def test_a_long_silence_is_bounded() -> None:
    merger = MetricMerger(QUIET)
    merger.panes(0, 5_200, [(0, 0, 10_000, None, 1, 0)])
    releases = merger.panes(0, 10**12, [])
    assert len(_metrics(releases)) < 100_010
    assert len(_firings(releases)) == 1
