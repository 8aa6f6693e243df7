"""What the demo sends and prints."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from augenblick.cli._control import ControlClient
from augenblick.examples import events_path
from augenblick.ingest.transports.forward_client import (
    ForwardSender,
    ForwardTarget,
    parse_address,
)
from augenblick.ingest.transports.replay import Pace, Replay, ReplaySummary, open_events
from augenblick.runtime.cluster import Engine

_REPLAY_EVENTS_PER_SECOND = 200  # 862 events: long enough to watch
_QUIET_SECONDS = 0.3  # nothing new for so long after the end: everything has been shown
_POLL_SECONDS = 0.05
_VALUES_SHOWN = 60  # characters


class DemoShow:
    """Replays and prints; runs on a thread beside the engine's launcher."""

    def __init__(self, engine: Engine) -> None:
        forward, http = engine.addresses[0]
        self._target = ForwardTarget(*parse_address(forward))
        self._client = ControlClient(f"http://{http}", engine.options.data)
        self._last = 0
        self._sent = 0
        self._volume: ReplaySummary | None = None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def replay_otto(self) -> None:
        """The real data, at a pace to watch; each firing is printed as it happens."""
        print("Replaying four weeks of 20 real shoppers (862 events), one line per firing:\n")
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watcher.start()
        summary = self._replay("example:otto", Pace(events_per_second=_REPLAY_EVENTS_PER_SECOND))
        done.set()
        watcher.join()
        self._sent += summary.acked_events
        print(f"\n{summary.acked_events:,} events confirmed, the file's end sent as a mark.\n")

    def replay_volume(self) -> None:
        """More events at full speed."""
        print("Now 31,106 events of a synthetic shop at full speed, one connection ...", flush=True)
        began = time.monotonic()
        self._volume = self._replay("example:ecom", Pace())
        self._volume.seconds = time.monotonic() - began
        self._sent += self._volume.acked_events

    def summary(self, status: dict[str, Any]) -> str:
        """The end of the demo."""
        counters = status["counters"]
        letters = status["delivery"].get("dead_letters", {}).get("by_reason", {})
        lines = [
            "",
            f"  events in            {self._sent:,}",
            f"  sessions             {counters.get('sessions_started', 0):,}",
            "  firings per trigger",
        ]
        for name, one in status["triggers"].items():
            lines.append(f"    {name:<18} {one['firings']:,}")
        dead = ", ".join(f"{reason} {count}" for reason, count in sorted(letters.items()))
        lines.append(f"  dead letters         {dead or 'none'}")
        if self._volume is not None and self._volume.seconds:
            rate = self._volume.acked_events / self._volume.seconds
            lines.append(f"  events/s             {rate:,.0f} (one Python client, confirmed)")
        latency = status["latency_ms"]
        if latency["p50"] is not None:
            text = f"p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms"
            lines.append(f"  event to firing      {text}")
        lines += [
            "",
            "What to try next:",
            "  augenblick simulate example:otto --emit session   the same data without a server",
            "  augenblick init shop                              a plan of your own to start from",
            "  augenblick serve shop.yaml                        the engine, until Ctrl-C",
            "  augenblick status / augenblick tail firing        look inside while it runs",
        ]
        return "\n".join(lines)

    def _replay(self, events: str, pace: Pace) -> ReplaySummary:
        sender = ForwardSender(self._target, tag="demo", retry_seconds=10.0)
        replay = Replay(sender, pace=pace, is_end=True, on_progress=self._progress)
        try:
            with open_events(str(events_path(events))) as lines:
                return replay.run(lines, confirm_seconds=10.0)
        finally:
            sender.close()

    def _progress(self, summary: ReplaySummary) -> None:
        if sys.stdout.isatty():
            with self._lock:
                text = f"  {summary.sent_events:,} sent, {summary.acked_events:,} confirmed"
                print(f"\r\x1b[K{text}", end="\r", flush=True)

    def _watch(self, done: threading.Event) -> None:
        """Print firings until the replay is done and nothing new comes."""
        quiet_since = time.monotonic()
        while not done.is_set() or time.monotonic() - quiet_since < _QUIET_SECONDS:
            answer = self._client.get("/v1/tail", kind="firing", after=self._last)
            self._last = answer["last"]
            for item in answer["records"]:
                quiet_since = time.monotonic()
                self._print_firing(item["record"])
            if not answer["records"]:
                time.sleep(_POLL_SECONDS)
            if not done.is_set():
                quiet_since = time.monotonic()

    def _print_firing(self, firing: dict[str, Any]) -> None:
        self._counts[firing["trigger"]] += 1
        when = datetime.fromtimestamp(firing["time"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        values = json.dumps(firing["values"], ensure_ascii=False) if firing["values"] else ""
        if len(values) > _VALUES_SHOWN:
            values = values[: _VALUES_SHOWN - 3] + "..."
        clear = "\r\x1b[K" if sys.stdout.isatty() else ""
        with self._lock:
            user = firing["user"] or "-"
            print(f"{clear}  {when}  {firing['trigger']:<13} {user:<9} {values}", flush=True)
