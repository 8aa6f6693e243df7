"""`augenblick simulate PLAN EVENTS`: a plan over a file of events, in this process."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from augenblick.cli._options import AsJson
from augenblick.config.secret import pseudonym_key
from augenblick.errors import UsageError, unknown_name
from augenblick.examples import PREFIX, events_path, plan_path
from augenblick.ingest.transports.replay import open_events
from augenblick.limits import simulate_block_bytes
from augenblick.plan import compile_plan, load_plan
from augenblick.runtime.local import KINDS, Record, Simulation, blocks_of_file

app = typer.Typer()

_PROGRESS_SECONDS: Final = 0.5


@app.command()
def simulate(
    plan: Annotated[str, typer.Argument(help="The plan, a YAML file or example:NAME.")],
    events: Annotated[
        str | None,
        typer.Argument(
            help="NDJSON, plain or .gz; - is standard input. Of an example its own events."
        ),
    ] = None,
    emit: Annotated[
        str,
        typer.Option(envvar="AUGENBLICK_EMIT", help=f"Kinds, comma between: {', '.join(KINDS)}."),
    ] = "firing",
    summary: Annotated[
        bool, typer.Option("--summary", envvar="AUGENBLICK_SUMMARY", help="Counts, at the end.")
    ] = False,
    drain: Annotated[
        bool,
        typer.Option(
            "--drain/--no-drain", envvar="AUGENBLICK_DRAIN", help="At the end, go on in time."
        ),
    ] = True,
    now: Annotated[
        str | None,
        typer.Option(
            envvar="AUGENBLICK_NOW",
            help="Refuse events later than this by more than `future`: epoch ms or ISO 8601.",
        ),
    ] = None,
    pseudonym_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AUGENBLICK_PSEUDONYM_KEY_FILE",
            help="Where the plan says pseudonymise: an engine's pseudonym.key, for the same"
            " pseudonyms and firing ids. Without it a key of zeros.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a plan makes of a file of events: one record a line, nothing else.

    No action is carried out. --summary goes to standard error, with --json as one JSON object.
    """
    kinds = _kinds(emit)
    now_ms = None if now is None else parse_instant_ms(now)
    program = compile_plan(load_plan(plan_path(plan)))
    key = {} if pseudonym_key_file is None else {"pseudonym_key": pseudonym_key(pseudonym_key_file)}
    run = _Run(Simulation(program, emit=kinds, now_limit_ms=now_ms, **key))
    try:
        with open_events(str(events_path(_events(plan, events)))) as file:
            run.over(file, drain=drain)
    except BrokenPipeError:  # the reader has gone, as `head` does: what is buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if summary:
        _show_summary(run.summary(), as_json)


@dataclass
class _Run:
    """One simulation, and what was printed of it."""

    simulation: Simulation
    records: Counter[str] = field(default_factory=Counter)
    firings: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    shown: float = field(default_factory=time.monotonic)

    def over(self, file: BinaryIO, *, drain: bool) -> None:
        has_progress = sys.stderr.isatty() and not sys.stdout.isatty()
        for block in blocks_of_file(file, simulate_block_bytes):
            self._print(self.simulation.feed(block))
            if has_progress and time.monotonic() - self.shown >= _PROGRESS_SECONDS:
                self.shown = time.monotonic()
                self._show_progress()
        self._print(self.simulation.end(drain=drain))
        if has_progress and self.shown > self.started + _PROGRESS_SECONDS:
            self._show_progress()
            print(file=sys.stderr)

    def _print(self, records: Iterable[Record]) -> None:
        lines = []
        for record in records:
            if record["kind"] == "firing":
                self.firings[record["trigger"]] += 1
            else:
                self.records[record["kind"]] += 1
            lines.append(_text(record))
        if lines:
            lines.append("")
            sys.stdout.buffer.write("\n".join(lines).encode())
            sys.stdout.buffer.flush()

    def _show_progress(self) -> None:
        seconds = time.monotonic() - self.started
        line = f"\r{self.simulation.lines:,} lines, {self.simulation.lines / seconds:,.0f}/s, "
        print(f"{line}{self.firings.total():,} firings ", end="", file=sys.stderr, flush=True)

    def summary(self) -> dict[str, Any]:
        """Everything that was counted, for a person and for programs."""
        kernel = self.simulation.kernel
        return {
            "lines": self.simulation.lines,
            "seconds": round(time.monotonic() - self.started, 3),
            "refused": dict(sorted(self.simulation.refused.items())),
            "records": dict(self.records),
            "firings": dict(sorted(self.firings.items())),
            "users_left": kernel.users,
            "counters": kernel.counters(),
            "held_back": self.simulation.suppressed(),
            "quiet_held": self.simulation.held,
        }


def _text(record: Record) -> str:
    """A record as one line of strict JSON; a number that is not finite is null there."""
    try:
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(record), separators=(",", ":"), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(kind.strip() for kind in text.split(",") if kind.strip())
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(unknown_name("kind of record", kind, KINDS))
    if not kinds:
        raise UsageError(f"--emit names no kind; known: {', '.join(KINDS)}")
    return kinds


def parse_instant_ms(text: str) -> int:
    """Epoch ms, or ISO 8601 (UTC where it names no zone)."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--now wants an instant like 2026-01-31T12:00:00, not {text!r}") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def _events(plan: str, events: str | None) -> str:
    if events is not None:
        return events
    if not plan.startswith(PREFIX):
        raise UsageError("name a file of events; only an example brings its own")
    return plan


def _show_summary(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary), file=sys.stderr)
        return
    counters, seconds = summary["counters"], summary["seconds"]
    lines = {
        "lines": f"{summary['lines']:,} ({summary['lines'] / max(seconds, 0.001):,.0f}/s)",
        "events in": f"{counters['events']:,} in {seconds:.2f} s",
        "sessions": f"{counters['sessions_started']:,}",
        "firings": f"{counters['firings']:,}",
        "late": f"{counters['late']:,}",
        "duplicates": f"{counters['duplicates']:,}",
        "refused": _counts(summary["refused"]),
        "printed": _counts(summary["firings"] | summary["records"]),
    }
    if summary["held_back"]:
        lines["held back"] = "; ".join(
            f"{trigger}: {_counts(reasons)}" for trigger, reasons in summary["held_back"].items()
        )
    if summary["quiet_held"]:
        lines["still held"] = f"{summary['quiet_held']:,} wait for the end of quiet hours"
    for name in ("groups_evicted", "sliding_folded", "partials_dropped"):
        if counters[name]:
            lines[name] = f"{counters[name]:,}"
    for name, text in lines.items():
        print(f"{name:11} {text}", file=sys.stderr)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
