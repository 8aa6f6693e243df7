"""A shard's side of custom triggers: matching events out as columns, firings back in.

A batch waits until its host has answered. A host that is slow, hangs or dies holds up nothing else:
its oldest batches leave, counted, when too many wait, and a batch that several starts of a host
have not survived is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack

from augenblick import limits
from augenblick.binding.records import firing_id
from augenblick.binding.releases import CONTROL, Release
from augenblick.core.effects import Effect, Log, Send
from augenblick.core.outbox import SEQ_BITS
from augenblick.core.routing import host_name
from augenblick.core.suppressed import Suppressed
from augenblick.link.messages import Kind
from augenblick.plan.program import Program, Trigger


@dataclass(slots=True)
class _Batch:
    """Matches sent to a host and not yet answered."""

    header: dict[str, Any]
    payload: bytes
    matches: list[dict[str, Any]]
    starts: set[int] = field(default_factory=set)  # incarnations of the host that had it


@dataclass(frozen=True, slots=True)
class Answer:
    """A batch is done with: `first` is the id of its first match, which names it in the journal;
    `fired` is what the cooldown has learned: user, key, time.
    """

    trigger: str
    first: str
    received_us: int = 0
    releases: list[Release] = field(default_factory=list)
    fired: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Host:
    """One custom trigger as this shard sees it."""

    trigger: Trigger
    batches: OrderedDict[int, _Batch] = field(default_factory=OrderedDict)
    incarnation: int = 0
    waiting: int = 0
    dropped: int = 0
    failed: int = 0
    cooled: int = 0  # firings that its cooldown held back
    fired: OrderedDict[Any, int] = field(default_factory=OrderedDict)


class ShardActors:
    """The unanswered batches of every custom trigger of the plan."""

    def __init__(self, program: Program, incarnation: int) -> None:
        self._seq = incarnation << SEQ_BITS
        self._hosts = {
            host_name(trigger.name): _Host(trigger)
            for trigger in program.triggers
            if trigger.kind == "actor"
        }

    def __len__(self) -> int:
        """Batches without an answer."""
        return sum(len(host.batches) for host in self._hosts.values())

    def add(
        self, trigger: str, matches: list[dict[str, Any]], received_us: int
    ) -> tuple[list[Send], list[Answer]]:
        """Send a trigger's matching events; returns also the old batches that had to leave."""
        peer = host_name(trigger)
        host = self._hosts[peer]
        sends = [
            self._send(
                peer, host, matches[start : start + limits.actor_batch_events_max], received_us
            )
            for start in range(0, len(matches), limits.actor_batch_events_max)
        ]
        dropped = []
        while host.waiting > limits.actor_waiting_events_max:
            batch = self._drop(host, next(iter(host.batches)))
            host.dropped += len(batch.matches)
            dropped.append(_dropped(host, batch))
        return sends, dropped

    def on_connected(self, peer: str, incarnation: int) -> tuple[list[Effect], list[Answer]]:
        """A host is there (again): send what it has not answered, except what it never survives.

        Returns also the batches that were dropped for that.
        """
        host = self._hosts.get(peer)
        if host is None:
            return [], []
        host.incarnation = incarnation
        effects: list[Effect] = []
        dropped = []
        for seq, batch in list(host.batches.items()):
            batch.starts.add(incarnation)
            if len(batch.starts) > limits.actor_batch_starts_max:
                self._drop(host, seq)
                events = len(batch.matches)
                host.failed += events
                dropped.append(_dropped(host, batch))
                text = "a custom trigger did not survive a batch; the batch was dropped"
                effects.append(Log("error", text, {"host": peer, "events": events}))
            else:
                effects.append(Send(peer, Kind.ACTOR_BATCH, batch.header, batch.payload))
        return effects, dropped

    def on_firings(
        self, peer: str, header: dict[str, Any], payload: bytes | memoryview, now_ms: int
    ) -> Answer | None:
        """A host's answer to a batch; None: to one that is not waited for. `header` may have
        `error`.

        The payload is a list of (row, key, values) in the batch's rows.
        """
        host = self._hosts.get(peer)
        batch = host.batches.pop(header["seq"], None) if host is not None else None
        if host is None or batch is None:
            return None
        host.waiting -= len(batch.matches)
        answer = _dropped(host, batch)
        if header.get("error"):
            host.failed += len(batch.matches)
            return answer
        for row, key, values in msgpack.unpackb(payload, strict_map_key=False):
            match = batch.matches[row]
            if self._may_fire(host, match, key):
                answer.releases.append(_firing(host.trigger, match, key, values, now_ms))
                if host.trigger.cooldown_ms:
                    answer.fired.append([match["user"], key, match["time"]])
        return answer

    def replay_matches(self, trigger: str, matches: list[dict[str, Any]]) -> None:
        """Matching events of the journal: none leaves, what had to leave the journal says."""
        peer = host_name(trigger)
        for start in range(0, len(matches), limits.actor_batch_events_max):
            part = matches[start : start + limits.actor_batch_events_max]
            self._send(peer, self._hosts[peer], part, 0)

    def replay(self, trigger: str, first: str, fired: list[list[Any]]) -> None:
        """An answer of the journal: its batch is done with."""
        host = self._hosts.get(host_name(trigger))
        if host is None:
            return
        for seq, batch in host.batches.items():
            if batch.matches[0]["id"] == first:
                self._drop(host, seq)
                break
        for user, key, time_ms in fired:
            self._note_fired(host, (user, key), time_ms)

    def erase(self, is_user: Callable[[Any], bool]) -> list[Effect]:
        """Forget a user: a batch that has matches of his goes again, as a new one without them."""
        sends: list[Effect] = []
        for peer, host in self._hosts.items():
            for seq, batch in list(host.batches.items()):
                kept = [one for one in batch.matches if not is_user(one["user"])]
                if len(kept) < len(batch.matches):
                    self._drop(host, seq)
                    if kept:
                        sends.append(self._send(peer, host, kept, batch.header["received_us"]))
            for who in [one for one in host.fired if is_user(one[0])]:
                del host.fired[who]
        return sends

    def waiting_of(self, is_user: Callable[[Any], bool]) -> list[dict[str, Any]]:
        """The matches of a user that wait for their host."""
        return [
            match
            for host in self._hosts.values()
            for batch in host.batches.values()
            for match in batch.matches
            if is_user(match["user"])
        ]

    def snapshot(self) -> list[Any]:
        """What is to be known after a crash, as plain values."""
        return [
            [
                host.trigger.name,
                [batch.matches for batch in host.batches.values()],
                [[*who, time_ms] for who, time_ms in host.fired.items()],
            ]
            for host in self._hosts.values()
        ]

    def restore(self, plain: list[Any]) -> None:
        """Take over what `snapshot` gave; a trigger that the plan no longer has is left out."""
        for trigger, batches, fired in plain:
            peer = host_name(trigger)
            host = self._hosts.get(peer)
            if host is not None:
                for matches in batches:
                    self._send(peer, host, matches, 0)
                for user, key, time_ms in fired:
                    self._note_fired(host, (user, key), time_ms)

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Nothing is due by time here."""
        return []

    def status(self) -> dict[str, Any]:
        """Per custom trigger: events waiting, dropped and failed."""
        return {
            host.trigger.name: {
                "waiting": host.waiting,
                "dropped": host.dropped,
                "failed": host.failed,
            }
            for host in self._hosts.values()
        }

    def suppressed(self) -> Suppressed:
        """Firings that a cooldown held back, by trigger."""
        return {host.trigger.name: {"cooldown": host.cooled} for host in self._hosts.values()}

    def _send(self, peer: str, host: _Host, part: list[dict[str, Any]], received_us: int) -> Send:
        self._seq += 1
        header = {"seq": self._seq, "trigger": host.trigger.name, "received_us": received_us}
        batch = _Batch(header, msgpack.packb(columns_of(part)), part, {host.incarnation})
        host.batches[self._seq] = batch
        host.waiting += len(part)
        return Send(peer, Kind.ACTOR_BATCH, header, batch.payload)

    def _drop(self, host: _Host, seq: int) -> _Batch:
        batch = host.batches.pop(seq)
        host.waiting -= len(batch.matches)
        return batch

    def _may_fire(self, host: _Host, match: dict[str, Any], key: str) -> bool:
        """Cooldown per user and key, kept for the latest users only."""
        if not host.trigger.cooldown_ms:
            return True
        who = (match["user"], key)
        before_ms = host.fired.get(who)
        if before_ms is not None and match["time"] - before_ms < host.trigger.cooldown_ms:
            host.cooled += 1
            return False
        self._note_fired(host, who, match["time"])
        return True

    def _note_fired(self, host: _Host, who: tuple[str, str], time_ms: int) -> None:
        host.fired[who] = time_ms
        host.fired.move_to_end(who)
        if len(host.fired) > limits.actor_cooldown_users_max:
            host.fired.popitem(last=False)


def _dropped(host: _Host, batch: _Batch) -> Answer:
    """The answer of a batch from which nothing came (yet)."""
    return Answer(host.trigger.name, batch.matches[0]["id"], batch.header["received_us"])


def columns_of(matches: list[dict[str, Any]]) -> dict[str, Any]:
    """The matching events as columns: user, time, event, id, the event's own properties' map, and
    each named value.
    """
    names = list(dict.fromkeys(name for match in matches for name in match["values"]))
    return {
        "user": [match["user"] for match in matches],
        "time": [match["time"] for match in matches],
        "event": [match["cause"]["event"] for match in matches],
        "id": [match["cause"].get("id") for match in matches],
        "props": [match["cause"].get("props") for match in matches],
        "values": {name: [match["values"].get(name) for match in matches] for name in names},
    }


def _firing(
    trigger: Trigger, match: dict[str, Any], key: str, values: dict[str, Any], now_ms: int
) -> Release:
    record = {
        **match,
        "id": firing_id((trigger.name, trigger.version, match["user"], key)),
        "fired_at": now_ms,
        "values": {**match["values"], **values},
    }
    actions = () if record["variant"] == CONTROL else trigger.actions
    return Release.of(record, actions, is_shadow=trigger.mode == "shadow")
