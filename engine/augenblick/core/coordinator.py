"""The coordinator core: who is there, who owns which key groups, metrics, status, the orderly stop.

Driven by `actors.coordinator` or the simulation. It holds nothing that it cannot ask for again: a
new coordinator learns the members from their registrations and the open metric panes from the
shards. It is on the way of no event and of no per-user firing. Guarantees:

- Table epochs rise over all incarnations of the coordinator (they begin with its incarnation).
- A shard that has gone is asked for anew, under a higher incarnation, until one registers.
- The stop runs in the order in which events run: gateways, shards, trigger hosts, delivery; a phase
  that takes too long is left behind.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgpack

from augenblick.binding.releases import pack
from augenblick.core.coordinator_members import Members
from augenblick.core.coordinator_savepoint import SAVEPOINTS_PATH, Savepoints, savepoint_request
from augenblick.core.coordinator_status import StatusBook
from augenblick.core.coordinator_stop import StopPlan
from augenblick.core.effects import Effect, Log, Send, StartShard, StartSpare, Stopped
from augenblick.core.metrics import MetricMerger
from augenblick.core.outbox import Outbox
from augenblick.core.routing import even_ranges, shard_name
from augenblick.core.shard_panes import parts_of
from augenblick.link.messages import Kind
from augenblick.plan.program import Program


@dataclass(frozen=True, slots=True)
class Layout:
    """What the engine is to consist of; `store` names where state is kept ("none": nowhere),
    `spares` how many each machine of shards has: none or one.
    """

    shards: int
    gateways: int
    hosts: tuple[str, ...] = ()
    is_event_clock: bool = False
    store: str = "none"
    spares: int = 0


class CoordinatorCore:
    """One per engine, on one thread."""

    def __init__(
        self, program: Program, layout: Layout, *, incarnation: int, plan_text: str = ""
    ) -> None:
        self.name = "coordinator"
        self.incarnation = incarnation
        self._program = program
        self._layout = layout
        self._plan_text = plan_text
        self._members = Members(
            layout.shards, layout.gateways, layout.hosts, incarnation, layout.spares
        )
        self._merger = MetricMerger(program)
        self._merger.assign(dict(enumerate(even_ranges(layout.shards))))
        self._records = Outbox("delivery", Kind.RECORDS, incarnation)
        self._letters = Outbox("delivery", Kind.DEAD_LETTERS, incarnation)
        self._book = StatusBook(program, layout.store)
        facts = {"plan": program.plan_name, "plan_text": plan_text}
        self._savepoints = Savepoints(self._members, facts)
        self._launchers: set[str] = set()
        self._closings: deque[tuple[int, dict[int, int], bytes]] = deque()
        self._stop: StopPlan | None = None
        self._stop_asked_by: set[str] = set()
        self._started_ms = 0.0
        self._is_stopped = False

    # ---- peers -------------------------------------------------------------------------------

    def on_peer_connected(self, peer: str, hello: dict[str, Any], now_ms: float) -> list[Effect]:
        """A member is there (again): it gets the table and, if it is delivery, what it owes."""
        self._members.on_connected(peer)
        if hello["role"] == "control":
            self._launchers.add(peer)
        effects: list[Effect] = []
        table = self._members.table
        if table is not None:
            effects.append(Send(peer, Kind.TABLE, table.to_header()))
        if peer == "delivery":
            effects += [*self._records.resend(), *self._letters.resend()]
        return effects

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """A member has gone; a shard is replaced if it does not come back at once."""
        self._stop_asked_by.discard(peer)
        self._launchers.discard(peer)
        effects = self._savepoints.on_lost(peer)
        if not self._members.on_lost(peer, now_ms):
            return effects
        if self._stop is None:
            effects.append(self._log("warning", f"{peer} has gone", now_ms))
        return [*effects, *self._go_on_stopping(peer, now_ms)]

    def on_message(
        self,
        peer: str,
        kind: int,
        header: dict[str, Any],
        payload: bytes | memoryview,
        now_ms: float,
    ) -> list[Effect]:
        """A message of a member or of the command line."""
        if kind == Kind.PANES:
            return self._on_panes(peer, header, payload, now_ms)
        if kind == Kind.HEARTBEAT:
            self._members.on_status(peer, msgpack.unpackb(payload, strict_map_key=False))
            return []
        if kind == Kind.REGISTER:
            return self._on_register(peer, header, now_ms)
        if kind == Kind.REQUEST:
            return self._on_request(peer, header, payload, now_ms)
        if kind == Kind.SAVED:
            return self._savepoints.on_saved(peer, header)
        if kind == Kind.STOPPED:
            return self._go_on_stopping(peer, now_ms)
        if kind == Kind.RECORDS_DONE:
            self._records.on_done(header["seq"], header.get("outcomes"))
            return [*self._confirm(), *self._go_on_stopping("", now_ms)]
        if kind == Kind.DEAD_LETTERS_DONE:
            self._letters.on_done(header["seq"])
            return self._go_on_stopping("", now_ms)
        return [self._log("warning", f"an unexpected message {kind} of {peer}", now_ms)]

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Ask for shards and spares that stay away; leave a phase of the stop that takes too
        long.
        """
        if not self._started_ms:
            self._started_ms = now_ms
        if self._stop is not None:
            return self._go_on_stopping("", now_ms)
        effects: list[Effect] = []
        for index, incarnation in self._members.shards_to_start(now_ms, self._started_ms):
            effects.append(StartShard(index, incarnation, self._members.shard_hosts))
            text = f"{shard_name(index)} is started anew"
            if self._layout.store == "none":
                text += "; the state of its users is lost (no durable store)"
            else:
                text += "; it recovers the state of its users from its directory"
            effects.append(self._log("warning", text, now_ms))
        for index, incarnation, host in self._members.spares_to_start(now_ms):
            effects.append(StartSpare(index, incarnation, host))
        return effects

    def on_shard_not_started(
        self, shard: int, incarnation: int, why: str, now_ms: float
    ) -> list[Effect]:
        """What `StartShard` asked for has failed; it is asked for again after a pause."""
        self._members.on_not_started(shard, incarnation, now_ms)
        if self._stop is not None:
            return []
        text = f"{shard_name(shard)} could not be started: {why}"
        return [self._log("warning", text, now_ms)]

    def on_stop(self, now_ms: float) -> list[Effect]:
        """Begin the orderly stop; `Stopped` follows."""
        if self._stop is None:
            self._stop = StopPlan(self._members, now_ms)
        self._stop.go_on()
        return self._go_on_stopping("", now_ms)

    def on_savepoint_prepared(self, name: str, url: str, error: str, now_ms: float) -> list[Effect]:
        """A savepoint's folder is there, or why not."""
        return self._savepoints.on_prepared(name, url, error)

    def on_savepoint_finished(self, name: str, error: str, now_ms: float) -> list[Effect]:
        """A savepoint is whole, or why not."""
        return self._savepoints.on_finished(name, error)

    # ---- inside ------------------------------------------------------------------------------

    def _on_register(self, peer: str, header: dict[str, Any], now_ms: float) -> list[Effect]:
        before = self._members.table
        ended = self._members.on_register(peer, header)
        if ended is not None:
            self._book.on_ended(ended)
        table = self._members.table
        if table is None or table is before:
            return []
        return [Send(member, Kind.TABLE, table.to_header()) for member in self._members.up]

    def _on_panes(
        self, peer: str, header: dict[str, Any], payload: bytes | memoryview, now_ms: float
    ) -> list[Effect]:
        shard = self._members.shard_index(peer, header["epoch"])
        if shard is None:
            return []
        clock_ms = header["clock_ms"]
        fired_ms = clock_ms + self._program.lateness_ms if self._layout.is_event_clock else now_ms
        closed, rows = parts_of(payload)
        if closed is not None:
            self._merger.restore(closed)
        releases = self._merger.panes(
            shard,
            clock_ms,
            rows,
            origin_ms=header["origin_ms"],
            now_ms=int(fired_ms),
            away=header["away"],
        )
        if not releases:
            return []
        self._book.on_releases(releases)
        sends, left = self._records.add([pack(one) for one in releases])
        effects: list[Effect] = [*sends]
        if left:
            text = f"{len(left)} metric records had to leave the outbox"
            effects.append(self._log("error", text, now_ms))
        closing = (self._records.last_seq, self._merger.open_from(), self._merger.snapshot())
        self._closings.append(closing)
        return [*effects, *self._confirm()]

    def _confirm(self) -> list[Effect]:
        """Tell the shards which windows are closed and delivered: those they may forget."""
        confirmed = None
        while self._closings and self._records.is_answered(self._closings[0][0]):
            confirmed = self._closings.popleft()
        if confirmed is None:
            return []
        _, open_from, snapshot = confirmed
        header = {"open_from": open_from}
        return [
            Send(member.name, Kind.PANES_DONE, header, snapshot)
            for member in self._members.of_role("shard")
            if member.is_up
        ]

    def _on_request(
        self, peer: str, header: dict[str, Any], body: bytes | memoryview, now_ms: float
    ) -> list[Effect]:
        method, path = header["method"], header["path"]
        if path.startswith(SAVEPOINTS_PATH):
            return self._on_savepoint_request(peer, header, body, now_ms)
        if (method, path) == ("GET", "/v1/status"):
            status = self._book.document(self._members, self._merger, now_ms, self._started_ms)
            return [_response(peer, header, 200, status)]
        if (method, path) == ("GET", "/v1/plan"):
            plan = {"plan": self._program.plan_name, "text": self._plan_text}
            return [_response(peer, header, 200, plan)]
        if (method, path) == ("POST", "/v1/stop"):
            self._stop_asked_by.add(peer)
            return [_response(peer, header, 202, {"stopping": True}), *self.on_stop(now_ms)]
        return [_response(peer, header, 404, {"error": f"nothing is at {method} {path}"})]

    def _on_savepoint_request(
        self, peer: str, header: dict[str, Any], body: bytes | memoryview, now_ms: float
    ) -> list[Effect]:
        name = header["path"].removeprefix(SAVEPOINTS_PATH).strip("/")
        if header["method"] == "GET" and name:
            document = self._savepoints.document(name)
            if document is None:
                error = f"nothing is known of savepoint {name}: the coordinator was started anew"
                return [_response(peer, header, 404, {"error": error})]
            return [_response(peer, header, 200, document)]
        if header["method"] != "POST" or name:
            return [_response(peer, header, 404, {"error": "POST begins a savepoint"})]
        request = savepoint_request(body)
        if request is None:
            return [_response(peer, header, 400, {"error": "the body is no savepoint's request"})]
        if self._stop is not None or self._savepoints.is_running:
            error = "the engine stops" if self._stop is not None else "one is being taken"
            return [_response(peer, header, 409, {"error": error})]
        to, is_stop = request
        name, effects = self._savepoints.begin(to, now_ms, is_stop=is_stop)
        answer = _response(peer, header, 202, {"name": name})
        if is_stop:
            self._stop = StopPlan(self._members, now_ms, pauses=True)
            return [answer, *self._go_on_stopping("", now_ms)]
        return [answer, *effects]

    def _go_on_stopping(self, done: str, now_ms: float) -> list[Effect]:
        if self._stop is None or self._is_stopped:
            return []
        own = len(self._records) + len(self._letters)
        effects: list[Effect] = list(self._stop.advance(done, own, now_ms))
        if self._stop.is_paused:
            effects += self._savepoints.on_quiet(self._stop.late_gateways)
            if self._savepoints.is_told(now_ms):
                self._stop.go_on()
                self._stop_asked_by |= self._launchers
                effects += [Send(one, Kind.STOP) for one in sorted(self._launchers)]
        if self._stop.is_complete:
            self._is_stopped = True
            effects += [Send(one, Kind.STOPPED, {}) for one in sorted(self._stop_asked_by)]
            effects.append(Stopped())
        return effects

    def _log(self, level: str, text: str, now_ms: float) -> Log:
        self._book.on_log(level, text, now_ms)
        return Log(level, text)


def _response(peer: str, header: dict[str, Any], status: int, body: dict[str, Any]) -> Send:
    answer = {"id": header["id"], "status": status, "content_type": "application/json"}
    return Send(peer, Kind.RESPONSE, answer, json.dumps(body, default=str).encode())
