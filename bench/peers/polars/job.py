"""Polars in batch: all events are there before it begins. A bound, not a stream processor."""

import json
import sys
import time

import polars as pl

GAP_MS, STEP_MS, STEPS = 1_800_000, 300_000, 12


def sessions(events: pl.LazyFrame) -> pl.LazyFrame:
    """Events of each session."""
    gap = pl.col("ms").diff().over("user")
    return (
        events.sort("user", "ms")
        .with_columns(is_first=(gap > GAP_MS).fill_null(value=True))
        .with_columns(n=pl.col("is_first").cum_sum())
        .group_by("n")
        .agg(value=pl.len())
    )


def windows(events: pl.LazyFrame) -> pl.LazyFrame:
    """Views of each hopping window, from panes."""
    steps = pl.LazyFrame({"step": range(STEPS)}, schema={"step": pl.Int64})
    return (
        events.filter(pl.col("kind") == "view")
        .group_by("user", pane=pl.col("ms") // STEP_MS)
        .agg(events=pl.len())
        .join(steps, how="cross")
        .group_by("user", start=pl.col("pane") - pl.col("step"))
        .agg(value=pl.col("events").sum())
    )


def carts(events: pl.LazyFrame) -> pl.LazyFrame:
    """Times of the carts that no purchase followed."""
    by_time = events.sort("ms")
    added = by_time.filter(pl.col("kind") == "add_to_cart").select("user", "ms")
    bought = by_time.filter(pl.col("kind") == "purchase").select("user", "ms", bought=pl.col("ms"))
    joined = added.join_asof(
        bought, on="ms", by="user", strategy="forward", allow_exact_matches=False,
        check_sortedness=False,
    )  # fmt: skip
    late = pl.col("bought").is_null() | (pl.col("bought") > pl.col("ms") + GAP_MS)
    return joined.filter(late).select(value=pl.col("ms"))


def main(job: str, path: str) -> None:
    """Print what it took and what came out."""
    run = {"sessions": sessions, "windows": windows, "carts": carts}[job]
    start_s, cpu_start_s = time.monotonic(), time.process_time()
    schema = {"user": pl.String, "ms": pl.Int64, "kind": pl.String}
    events = pl.scan_csv(path, has_header=False, schema=schema)
    value = pl.col("value").cast(pl.Int64)
    found = run(events).select(n=pl.len(), total=value.sum(), most=value.max()).collect()
    seconds, cpu_s = time.monotonic() - start_s, time.process_time() - cpu_start_s
    answer = [int(one) for one in found.row(0)]
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "answer": answer}))


main(*sys.argv[1:])
