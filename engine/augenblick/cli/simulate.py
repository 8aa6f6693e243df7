"""`augenblick simulate PLAN EVENTS`: try a plan on a file of events, without a server."""

import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer

from augenblick import limits
from augenblick.errors import UsageError, unknown_name
from augenblick.examples import PREFIX, events_path, plan_path
from augenblick.ingest.transports.replay import open_events
from augenblick.plan import compile_plan, load_plan
from augenblick.runtime.local import KINDS, Record, Simulation, blocks_of_lines

app = typer.Typer()


@app.command()
def simulate(
    plan: Annotated[str, typer.Argument(help="The plan: a YAML file or example:NAME.")],
    events: Annotated[
        str | None,
        typer.Argument(
            help="NDJSON, plain or .gz; - is standard input. Of an example its own events."
        ),
    ] = None,
    emit: Annotated[
        str, typer.Option(help=f"Kinds of records, by commas: {', '.join(KINDS)}.")
    ] = "firing",
    drain: Annotated[
        bool, typer.Option("--drain/--no-drain", help="At the end of the file, go on in time.")
    ] = True,
    now: Annotated[
        str | None,
        typer.Option(help="Refuse events that lie in the future of this instant (ISO 8601 or ms)."),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Counts on standard error when it is done.")
    ] = False,
) -> None:
    """Run a file of events through a plan and print what comes of it, one JSON object per line.

    Only the events move time, and no action is carried out. Two runs print the same bytes.
    """
    program = compile_plan(load_plan(plan_path(plan)))
    run = Simulation(
        program, emit=_kinds(emit), now_limit_ms=None if now is None else parse_instant_ms(now)
    )
    began = time.monotonic()
    printed: Counter[str] = Counter()
    with open_events(str(events_path(_events(plan, events)))) as lines:
        for block in blocks_of_lines(lines, limits.simulate_block_bytes):
            _print(run.feed(block), printed)
    _print(run.end(drain=drain), printed)
    sys.stdout.flush()
    if summary:
        print(_summary(run, printed, time.monotonic() - began), file=sys.stderr)


def parse_instant_ms(text: str) -> int:
    """Epoch ms of a number of ms or an ISO 8601 instant (without an offset: UTC)."""
    if text.lstrip("-").isdecimal():
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--now wants an instant like 2026-01-31T12:00:00, not {text!r}") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(unknown_name("kind of record", kind, KINDS))
    return kinds


def _events(plan: str, events: str | None) -> str:
    if events is not None:
        return events
    if not plan.startswith(PREFIX):
        raise UsageError("name a file of events; only an example brings its own")
    return plan


def _print(records: list[Record], printed: Counter[str]) -> None:
    for record in records:
        printed[record.get("trigger") or record["kind"]] += 1
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")


def _summary(run: Simulation, printed: Counter[str], seconds: float) -> str:
    counters = run.kernel.counters()
    lines = [
        f"events in   {counters['events']:,} in {seconds:.2f} s",
        f"sessions    {counters['sessions_started']:,}",
        f"firings     {counters['firings']:,}",
        f"late        {counters['late']:,}",
        f"duplicates  {counters['duplicates']:,}",
        f"refused     {_counts(run.refused)}",
        f"printed     {_counts(printed)}",
    ]
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
