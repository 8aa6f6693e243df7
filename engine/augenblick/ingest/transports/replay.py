"""Replay a file of events over Forward, at full speed or at a pace."""

import gzip
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from augenblick.errors import ScanError, UsageError
from augenblick.ingest.dialects._forward_client import encode_line
from augenblick.ingest.transports.forward_client import ForwardSender
from augenblick.limits import (
    client_chunk_bytes_max,
    client_chunk_events_max,
    event_bytes_max,
    replay_bad_lines_shown_max,
)

_PATIENCE_SECONDS: Final = 0.005  # events due within that leave in one chunk
_PROGRESS_SECONDS: Final = 0.5
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast: events per second, or by the events' own times at `speed` times real time.

    Both None: as fast as the engine confirms.
    """

    events_per_second: float | None = None
    speed: float | None = None


@dataclass(slots=True)
class ReplaySummary:
    """What a replay did; `bad_lines` has the first lines that are no JSON, with the reason."""

    sent_events: int = 0
    acked_events: int = 0
    resent_chunks: int = 0
    bad_count: int = 0
    seconds: float = 0.0
    bad_lines: list[tuple[int, str]] = field(default_factory=list)


@contextmanager
def open_events(path: str) -> Iterator[BinaryIO]:
    """Lines of NDJSON: a file, plain or gzip, or "-" for standard input. Raises UsageError."""
    try:
        raw: Any = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with raw:
        try:
            if raw.peek(2)[:2] == _GZIP_MAGIC:
                yield cast(BinaryIO, gzip.GzipFile(fileobj=raw))
            else:
                yield raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UsageError(f"{path} is a damaged gzip file: {error}") from None


class Replay:
    """One replay; `sender` is connected by it and closed by the caller."""

    def __init__(
        self,
        sender: ForwardSender,
        *,
        pace: Pace,
        is_end: bool = False,
        is_warm: bool = False,
        on_progress: Callable[[ReplaySummary], None] | None = None,
    ) -> None:
        self.summary = ReplaySummary()
        self._sender = sender
        self._pace = pace
        self._is_end = is_end
        self._is_warm = is_warm
        self._on_progress = on_progress
        self._entries: list[bytes] = []
        self._entries_bytes = 0
        self._first_time_ms: int | None = None
        self._started = 0.0
        self._shown = 0.0

    def run(self, lines: Iterator[bytes] | BinaryIO, *, confirm_seconds: float) -> ReplaySummary:
        """Send all lines and wait for the engine to confirm them.

        Raises EngineUnavailable or AuthenticationFailed; `summary` tells how far it came.
        """
        self._sender.connect()
        self._started = self._shown = time.monotonic()
        try:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    self._take(number, line)
            self._send(is_last=True)
            self._sender.flush(confirm_seconds)
        finally:
            self._note_progress()
        return self.summary

    def _take(self, number: int, line: bytes) -> None:
        if len(line) > event_bytes_max * 4:
            self._refuse(number, "too_large")
            return
        try:
            entry = encode_line(line, int(time.time()))
        except ScanError as error:
            self._refuse(number, error.reason)
            return
        self._wait_for_turn(line)
        self._entries.append(entry)
        self._entries_bytes += len(entry)
        self.summary.sent_events += 1
        if (
            len(self._entries) >= client_chunk_events_max
            or self._entries_bytes >= client_chunk_bytes_max
        ):
            self._send()

    def _refuse(self, number: int, reason: str) -> None:
        self.summary.bad_count += 1
        if len(self.summary.bad_lines) < replay_bad_lines_shown_max:
            self.summary.bad_lines.append((number, reason))

    def _wait_for_turn(self, line: bytes) -> None:
        due = self._due(line)
        if due is None or due - time.monotonic() < _PATIENCE_SECONDS:
            return
        self._send()
        while (left := due - time.monotonic()) > 0:
            if self._sender.unacked_events:
                self._sender.poll(min(left, _PROGRESS_SECONDS))
            else:
                time.sleep(min(left, _PROGRESS_SECONDS))
            self._show()

    def _due(self, line: bytes) -> float | None:
        if self._pace.events_per_second is not None:
            return self._started + self.summary.sent_events / self._pace.events_per_second
        if self._pace.speed is None:
            return None
        event = json.loads(line)
        time_ms = event.get("time") if isinstance(event, dict) else None
        if not isinstance(time_ms, int | float):
            return None
        if self._first_time_ms is None:
            self._first_time_ms = int(time_ms)
        return self._started + (time_ms - self._first_time_ms) / 1000 / self._pace.speed

    def _send(self, *, is_last: bool = False) -> None:
        is_end = is_last and self._is_end
        if self._entries or is_end:
            self._sender.send(self._entries, is_end=is_end, is_warm=self._is_warm)
            self._entries, self._entries_bytes = [], 0
        self._show()

    def _show(self) -> None:
        if time.monotonic() - self._shown >= _PROGRESS_SECONDS:
            self._note_progress()

    def _note_progress(self) -> None:
        self._shown = time.monotonic()
        self.summary.seconds = self._shown - self._started
        self.summary.acked_events = self._sender.acked_events
        self.summary.resent_chunks = self._sender.resent_chunks
        if self._on_progress is not None:
            self._on_progress(self.summary)
