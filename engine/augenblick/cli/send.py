"""`augenblick send EVENTS --to HOST:PORT`: replay a file of events over Fluent Forward."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from augenblick.client import tls_context
from augenblick.errors import AugenblickError, EngineUnavailable, UsageError
from augenblick.examples import events_path
from augenblick.ingest.transports.forward_client import (
    ForwardSender,
    ForwardTarget,
    parse_address,
)
from augenblick.ingest.transports.replay import Pace, Replay, ReplaySummary, open_events

app = typer.Typer()


@app.command()
def send(
    events: Annotated[str, typer.Argument(help="NDJSON, plain or .gz; - is standard input.")],
    to: Annotated[
        str, typer.Option(envvar="AUGENBLICK_TO", help="The engine's Forward port, HOST:PORT.")
    ] = "127.0.0.1:24224",
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Events per second; default: all speed.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Times real time, by the events' own times.")
    ] = None,
    end: Annotated[
        bool, typer.Option("--end", help="Say that this was the end: time moves past the last.")
    ] = False,
    warm: Annotated[bool, typer.Option("--warm", help="Build state and fire nothing.")] = False,
    tag: Annotated[str, typer.Option(help="Arrives as context.stream.")] = "send",
    shared_key_file: Annotated[
        Path | None,
        typer.Option(envvar="AUGENBLICK_SHARED_KEY_FILE", help="A file with the shared key."),
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(envvar="AUGENBLICK_TLS_CA", help="Use TLS and trust these certificates."),
    ] = None,
    retry_seconds: Annotated[
        float, typer.Option(min=0, help="How long the engine may be away before this gives up.")
    ] = 10.0,
) -> None:
    """Send a file of events and wait until the engine has confirmed all of them."""
    if rate is not None and speed is not None:
        raise UsageError("--rate and --speed exclude each other")
    host, port = parse_address(to)
    key = _read_key(shared_key_file) if shared_key_file is not None else None
    tls = tls_context(str(tls_ca)) if tls_ca is not None else None
    sender = ForwardSender(
        ForwardTarget(host, port, key, tls), tag=tag, retry_seconds=retry_seconds
    )
    progress = _show_progress if sys.stderr.isatty() else None
    replay = Replay(sender, pace=Pace(rate, speed), is_end=end, is_warm=warm, on_progress=progress)
    try:
        with open_events(str(events_path(events))) as lines:
            summary = replay.run(lines, confirm_seconds=max(retry_seconds, 1.0))
    except AugenblickError:
        if replay.summary.sent_events:
            _show_summary(replay.summary)
        raise
    finally:
        sender.close()
    _show_summary(summary)
    if summary.acked_events < summary.sent_events:
        raise EngineUnavailable(
            f"{summary.sent_events - summary.acked_events} events were not confirmed"
        )
    if summary.bad_count:
        raise typer.Exit(1)


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if not key:
        raise UsageError(f"{path} is empty")
    return key


def _show_progress(summary: ReplaySummary) -> None:
    rate = summary.acked_events / summary.seconds if summary.seconds else 0.0
    line = f"\r{summary.sent_events:,} sent, {summary.acked_events:,} confirmed, {rate:,.0f}/s "
    print(line, end="", file=sys.stderr, flush=True)


def _show_summary(summary: ReplaySummary) -> None:
    for number, reason in summary.bad_lines:
        print(f"line {number} is not sent: {reason}", file=sys.stderr)
    if summary.bad_count > len(summary.bad_lines):
        rest = summary.bad_count - len(summary.bad_lines)
        print(f"and {rest} more lines that are not sent", file=sys.stderr)
    rate = summary.acked_events / summary.seconds if summary.seconds else 0.0
    start = "\r" if sys.stderr.isatty() else ""
    print(
        f"{start}{summary.acked_events:,} of {summary.sent_events:,} events confirmed in "
        f"{summary.seconds:.1f} s ({rate:,.0f}/s), {summary.bad_count} bad lines, "
        f"{summary.resent_chunks} chunks sent again",
        file=sys.stderr,
    )
