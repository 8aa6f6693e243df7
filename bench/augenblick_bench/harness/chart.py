"""The results of one scenario as a picture. Needs matplotlib, of the extra `bench`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augenblick_bench.harness.report import Result

WIDE = 10  # a curve that rises so many times is drawn over a logarithm


def draw(results: Sequence[Result], path: Path) -> bool:
    """Write the chart as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if results[0].moments:
        return _draw_moments(plt, results[0], path)
    if "curve" in results[0].facts:
        return _draw_costs(plt, results, path)
    with_curve = [result for result in results if result.curve_ms]
    columns = 2 if with_curve else 1
    figure, axes = plt.subplots(1, columns, figsize=(6 * columns, 4.5), squeeze=False)
    _draw_rates(axes[0][0], results)
    if with_curve:
        _draw_latencies(axes[0][1], with_curve)
    figure.suptitle(results[0].scenario)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True


def _draw_moments(plt: Any, result: Result, path: Path) -> bool:
    """Throughput and latency over the time of the run; the instant 0 is what it is about."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True)
    at_s = [one.at_s for one in result.moments]
    above.step(at_s, [one.events_per_s for one in result.moments], where="post")
    above.set_ylabel("events/s acknowledged")
    due = [one for one in result.moments if one.p50_ms is not None]
    below.plot([one.at_s for one in due], [one.p50_ms for one in due], label="p50")
    below.plot([one.at_s for one in due], [one.max_ms for one in due], label="max")
    below.set_yscale("log")
    below.set_ylabel("ms from due to acknowledged")
    below.set_xlabel("seconds from the crash")
    below.legend(fontsize=8)
    for axis in (above, below):
        axis.axvline(0, color="red", linewidth=1)
        axis.grid(visible=True, alpha=0.3)
    figure.suptitle(f"{result.scenario}: {result.variant}")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True


def _draw_costs(plt: Any, results: Sequence[Result], path: Path) -> bool:
    """A small chart for each curve: ns per event over what grows."""
    names = list(dict.fromkeys(result.facts["curve"] for result in results))
    rows = -(-len(names) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(13, 4 * rows), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        own = [result.facts for result in results if result.facts["curve"] == name]
        at = [facts["x"] for facts in own]
        axis.plot(at, [facts["ns_per_event"] for facts in own], "o-", label="all batches")
        axis.plot(at, [facts["ns_per_event_best"] for facts in own], ".--", label="best fifth")
        axis.set_xscale("symlog", linthresh=1)
        if max(facts["ns_per_event"] for facts in own) > WIDE * own[0]["ns_per_event"]:
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.set_xlabel(own[0]["axis"])
        axis.set_ylabel("ns per event")
        axis.grid(visible=True, alpha=0.3)
    axes[0][0].legend(fontsize=8)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    figure.suptitle(results[0].scenario)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True


def _draw_rates(axis: Any, results: Sequence[Result]) -> None:
    """Two bars for each run: by the wall clock and by all CPU; one of seconds without events."""
    if not any(result.events for result in results):
        names = [result.variant or result.scenario for result in results]
        axis.bar_label(axis.bar(names, [result.seconds for result in results]), fmt="%.2f")
        axis.set_ylabel("seconds")
        return
    results = [result for result in results if result.events]
    places = range(len(results))
    bars = {
        "events/s": [result.events_per_s / 1e6 for result in results],
        "events/s per core used": [result.events_per_s_per_core / 1e6 for result in results],
    }
    for index, (name, heights) in enumerate(bars.items()):
        drawn = axis.bar([at + 0.4 * index for at in places], heights, 0.38, label=name)
        axis.bar_label(drawn, fmt="%.2f", fontsize=8)
    names = [result.variant or result.scenario for result in results]
    axis.set_xticks([at + 0.2 for at in places], names, rotation=15, ha="right", fontsize=8)
    axis.set_ylabel("million events per second")
    axis.legend(fontsize=8)


def _draw_latencies(axis: Any, results: Sequence[Result]) -> None:
    """Latency over the percentile, in nines."""
    for result in results:
        shares = [1 / (1 - percentile / 100) for percentile, _ in result.curve_ms]
        values = [latency for _, latency in result.curve_ms]
        axis.plot(shares, values, label=f"{result.variant} {result.facts.get('latency_of', '')}")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks([1, 10, 100, 1000, 10_000], ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"])
    axis.set_xlabel("share of the firings or frames")
    axis.set_ylabel("ms")
    axis.grid(visible=True, which="both", alpha=0.3)
    axis.legend(fontsize=8)
