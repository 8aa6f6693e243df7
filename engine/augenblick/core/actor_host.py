"""The core of a trigger host: batches of the shards in, one call of the custom class at a time.

Driven by `actors.trigger_host` or the simulation; the class itself runs elsewhere (a thread). A
call that hangs is noticed by time; the host then asks to end its process, and the batch is sent
again by its shard, a bounded number of times.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import msgpack

from augenblick import limits
from augenblick.core.effects import CallCustom, Effect, EndProcess, Log, Send, Stopped
from augenblick.core.routing import host_name
from augenblick.link.messages import Kind


@dataclass(frozen=True, slots=True)
class _Batch:
    """One batch of a shard."""

    peer: str
    seq: int
    columns: dict[str, Any]

    @property
    def rows(self) -> int:
        """How many events."""
        return len(self.columns["user"])


class ActorHostCore:
    """One custom trigger's host, on one thread."""

    def __init__(self, trigger: str, incarnation: int, *, address: str = "") -> None:
        self.name = host_name(trigger)
        self._trigger = trigger
        self._incarnation = incarnation
        self._address = address
        self._waiting: deque[_Batch] = deque()
        self._running: _Batch | None = None
        self._running_since_ms = 0.0
        self._token = 0
        self._counts = {"calls": 0, "events": 0, "firings": 0, "errors": 0}
        self._last_error: str | None = None
        self._heartbeat_ms = 0.0
        self._is_stopping = False
        self._is_stopped = False

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """The coordinator is told where to find this host."""
        if peer != "coordinator":
            return []
        facts = {
            "role": "host",
            "name": self.name,
            "incarnation": self._incarnation,
            "address": self._address,
        }
        return [Send(peer, Kind.REGISTER, facts)]

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """What a shard sent and was not called yet is forgotten: it comes again."""
        self._waiting = deque(batch for batch in self._waiting if batch.peer != peer)
        return []

    def on_message(
        self,
        peer: str,
        kind: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: float,
    ) -> list[Effect]:
        """A batch of a shard, or the stop."""
        if kind == Kind.ACTOR_BATCH:
            columns = msgpack.unpackb(payload, strict_map_key=False)
            self._waiting.append(_Batch(peer, header["seq"], columns))
            return self._next(now_ms)
        if kind == Kind.STOP:
            return self.on_stop(now_ms)
        return []

    def on_called(
        self, token: int, firings: list[tuple[int, str, dict[str, Any]]], error: str, now_ms: float
    ) -> list[Effect]:
        """The call has ended: its firings (row, key, values), or why it failed."""
        batch = self._running
        if batch is None or token != self._token:
            return []
        self._running = None
        self._counts["calls"] += 1
        self._counts["events"] += batch.rows
        header: dict[str, Any] = {"seq": batch.seq}
        effects: list[Effect] = []
        if error:
            self._counts["errors"] += 1
            self._last_error = header["error"] = error
            effects.append(Log("error", f"custom trigger {self._trigger} failed: {error}"))
            firings = []
        self._counts["firings"] += len(firings)
        effects.append(Send(batch.peer, Kind.ACTOR_FIRINGS, header, msgpack.packb(firings)))
        return [*effects, *self._next(now_ms)]

    def on_unusable(self, error: str, now_ms: float) -> list[Effect]:
        """The class cannot be imported or made; each batch will fail until that is mended."""
        self._last_error = error
        self._counts["errors"] += 1
        return [Log("error", f"custom trigger {self._trigger} cannot be used: {error}")]

    def on_tick(self, now_ms: float) -> list[Effect]:
        """A call that takes too long ends the process; status once a second."""
        effects: list[Effect] = []
        if now_ms - self._heartbeat_ms >= limits.heartbeat_ms:
            self._heartbeat_ms = now_ms
            effects.append(
                Send("coordinator", Kind.HEARTBEAT, {}, msgpack.packb(self.status(now_ms)))
            )
        if self._hangs(now_ms):
            text = f"custom trigger {self._trigger} hangs; its process is started anew"
            effects += [Log("error", text), EndProcess(text)]
        return effects

    def on_stop(self, now_ms: float) -> list[Effect]:
        """Finish what has come."""
        self._is_stopping = True
        return self._end_if_done()

    def status(self, now_ms: float) -> dict[str, Any]:
        """Plain values for `status`."""
        state = "hanging" if self._hangs(now_ms) else "calling" if self._running else "waiting"
        return {
            **self._counts,
            "state": state,
            "waiting_batches": len(self._waiting),
            "last_error": self._last_error,
        }

    def _hangs(self, now_ms: float) -> bool:
        since_ms = now_ms - self._running_since_ms
        return self._running is not None and since_ms > limits.actor_call_seconds_max * 1000

    def _next(self, now_ms: float) -> list[Effect]:
        if self._running is not None or not self._waiting:
            return self._end_if_done()
        self._running = self._waiting.popleft()
        self._running_since_ms = now_ms
        self._token += 1
        return [CallCustom(self._token, self._running.columns)]

    def _end_if_done(self) -> list[Effect]:
        if not self._is_stopping or self._is_stopped or self._running or self._waiting:
            return []
        self._is_stopped = True
        return [Send("coordinator", Kind.STOPPED, {"name": self.name}), Stopped()]
