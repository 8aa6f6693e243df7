"""The coordinator's part of a savepoint: ask every shard, and finish when all parts are durable.

One at a time. When one part fails, all shards are told and the folder is removed. It is held in
memory only: a coordinator that dies leaves a folder without its last file, which nobody takes for a
savepoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from augenblick import limits
from augenblick.core.coordinator_members import Members
from augenblick.core.effects import DropSavepoint, Effect, FinishSavepoint, PrepareSavepoint, Send
from augenblick.link.messages import Kind

SAVEPOINTS_PATH: Final = "/v1/savepoints"
WAITING: Final = "waiting"
PREPARING: Final = "preparing"
SAVING: Final = "saving"
FINISHING: Final = "finishing"
DONE: Final = "done"
FAILED: Final = "failed"


@dataclass(slots=True)
class Savepoint:
    """One savepoint: `parts` by shard, as the shards report them."""

    name: str
    to: str
    began_ms: float
    state: str
    url: str = ""
    error: str = ""
    ended_ms: float = 0.0
    is_seen: bool = False
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Is it neither done nor failed?"""
        return self.state not in (DONE, FAILED)

    def document(self) -> dict[str, Any]:
        """For the answer to a control request."""
        return {
            "name": self.name,
            "url": self.url,
            "state": self.state,
            "error": self.error,
            "groups": sum(one.get("groups", 0) for one in self.parts.values()),
            "done": sum(one.get("done", 0) for one in self.parts.values()),
            "bytes": sum(one.get("bytes", 0) for one in self.parts.values()),
            "held_ms": max((one.get("held_ms", 0.0) for one in self.parts.values()), default=0.0),
            "shards": self.parts,
        }


class Savepoints:
    """The latest savepoint asked for."""

    def __init__(self, members: Members, facts: dict[str, Any]) -> None:
        self._members = members
        self._facts = facts
        self._latest: Savepoint | None = None

    @property
    def is_running(self) -> bool:
        """Is one being taken?"""
        return self._latest is not None and self._latest.is_running

    def document(self, name: str) -> dict[str, Any] | None:
        """What is known of a savepoint; None: nothing (any more)."""
        latest = self._latest
        if latest is None or latest.name != name:
            return None
        latest.is_seen = not latest.is_running
        return latest.document()

    def begin(self, to: str, now_ms: float, *, is_stop: bool) -> tuple[str, list[Effect]]:
        """A new one in this place; returns its name. None may be running. `is_stop`: it waits for
        `on_quiet`.
        """
        began = datetime.fromtimestamp(now_ms / 1000, UTC)
        name = f"{began:%Y%m%dT%H%M%S}{began.microsecond // 1000:03d}Z"
        self._latest = Savepoint(name, to, now_ms, WAITING if is_stop else PREPARING)
        return name, [] if is_stop else [PrepareSavepoint(name, to)]

    def on_quiet(self, late_gateways: Iterable[str]) -> list[Effect]:
        """No events come any more, and what fired has left: the last savepoint may begin, unless
        these gateways still hold events that may yet be acknowledged.
        """
        latest = self._latest
        if latest is None or latest.state != WAITING:
            return []
        late = ", ".join(late_gateways)
        if late:
            text = f"{late} could not hand over all events in time: start the engine and try again"
            return self._fail(latest, text)
        latest.state = PREPARING
        return [PrepareSavepoint(latest.name, latest.to)]

    def is_told(self, now_ms: float) -> bool:
        """Has it come to an end, and has who asked for it seen that (or had the time to)?"""
        latest = self._latest
        if latest is None:
            return True
        if latest.is_running:
            return False
        latest.ended_ms = latest.ended_ms or now_ms
        return latest.is_seen or now_ms - latest.ended_ms > limits.savepoint_told_ms_max

    def on_prepared(self, name: str, url: str, error: str) -> list[Effect]:
        """Its folder is there: the shards may write."""
        latest = self._running(name)
        if latest is None:
            return []
        latest.url = "" if error else url
        table = self._members.table
        away = [one.name for one in self._members.of_role("shard") if not one.is_up]
        if error or table is None or away:
            return self._fail(latest, error or f"{', '.join(away) or 'the table'} is away")
        latest.state = SAVING
        for route in table.shards:
            fresh = {"epoch": route.epoch, "ranges": [], "is_done": False}
            part = latest.parts.setdefault(route.name, fresh)
            part["ranges"].append([route.first, route.last])
        return [
            Send(peer, Kind.SAVEPOINT, {"name": name, "url": url, "ranges": part["ranges"]})
            for peer, part in latest.parts.items()
        ]

    def on_saved(self, peer: str, header: dict[str, Any]) -> list[Effect]:
        """A shard is so far, has written its part, or cannot."""
        latest = self._running(header["name"])
        if latest is None or peer not in latest.parts:
            return []
        part = latest.parts[peer]
        part.update({key: value for key, value in header.items() if key != "name"})
        if header["error"]:
            return self._fail(latest, f"{peer}: {header['error']}")
        if not all(one["is_done"] for one in latest.parts.values()):
            return []
        latest.state = FINISHING
        shards = [(one, part["epoch"], part["ranges"]) for one, part in latest.parts.items()]
        facts = {**self._facts, "name": latest.name, "began": latest.began_ms, "shards": shards}
        return [FinishSavepoint(latest.name, latest.url, facts)]

    def on_finished(self, name: str, error: str) -> list[Effect]:
        """The last file is written."""
        latest = self._running(name)
        if latest is None:
            return []
        if error:
            return self._fail(latest, error)
        latest.state = DONE
        return []

    def on_lost(self, peer: str) -> list[Effect]:
        """A process has gone; a shard's part goes with it."""
        latest = self._latest
        if latest is None or latest.state != SAVING or latest.parts.get(peer, {}).get("is_done", 1):
            return []
        return self._fail(latest, f"{peer} has ended meanwhile: try again")

    def _running(self, name: str) -> Savepoint | None:
        latest = self._latest
        return latest if latest is not None and latest.name == name and latest.is_running else None

    def _fail(self, savepoint: Savepoint, error: str) -> list[Effect]:
        """Whoever still holds for it goes on, and what is written of it is removed."""
        savepoint.state, savepoint.error = FAILED, error
        effects: list[Effect] = [
            Send(peer, Kind.SAVEPOINT_DROPPED, {"name": savepoint.name}) for peer in savepoint.parts
        ]
        if savepoint.url:
            effects.append(DropSavepoint(savepoint.url, tuple(savepoint.parts)))
        return effects


def savepoint_request(body: bytes | memoryview) -> tuple[str, bool] | None:
    """The place ("": the usual one) and whether the engine is to end; None: it cannot be meant."""
    try:
        content = json.loads(bytes(body) or b"{}")
        to, is_stop = content.get("to") or "", content.get("stop", False)
    except (ValueError, AttributeError):
        return None
    is_place = isinstance(to, str) and len(to) <= limits.savepoint_place_bytes_max
    return (to, is_stop) if is_place and to.isprintable() and isinstance(is_stop, bool) else None
