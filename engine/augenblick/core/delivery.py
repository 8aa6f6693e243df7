"""The delivery core: every record that leaves goes through here, to its actions and to the tail.

Driven by a shell (`actors.delivery_runner`, or the simulation). Guarantees:

- A record's outcome is reported to its sender once each of its actions has a final outcome:
  accepted by the target, or written as a dead letter. Until then nothing is forgotten.
- A record whose key (a firing's id) is on its way, or became final not long ago, is not delivered
  again; its sender hears the outcome of the first.
- Each action has its own queue and its own limit of attempts at once, so that a slow target delays
  no other. When a queue is full its oldest delivery leaves as a dead letter.
- What is due for a target that takes many records leaves as one attempt; retries, outcomes and dead
  letters are each record's own all the same.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from math import ceil
from operator import attrgetter
from typing import Any

from augenblick import limits
from augenblick.binding.releases import Arrival, pack, record_key, unpack
from augenblick.core.delivery_counters import ActionCounters, DeliveryCounters
from augenblick.core.delivery_records import action_letter, settled_mark
from augenblick.core.delivery_retry import RetryPolicy
from augenblick.core.delivery_tail import Tail
from augenblick.core.delivery_target import Capacity, Delivery, Parcel, Target
from augenblick.core.delivery_turn import Turn, Write
from augenblick.core.effects import (
    Effect,
    EraseLetters,
    Perform,
    PerformTogether,
    Send,
    StoreDeadLetters,
    WakeAt,
)
from augenblick.core.erasure import Eraser
from augenblick.errors import DeliveryFailed
from augenblick.link.messages import Kind

RECORDED = "recorded"  # nothing was to be done: no action, or shadow
DELIVERED = "delivered"  # every action was accepted by its target
DEAD_LETTER = "dead_letter"  # at least one action ended as a dead letter
LOST = "lost"  # at least one dead letter could not be written, which is counted
GRAVITY = {RECORDED: 0, DELIVERED: 1, DEAD_LETTER: 2, LOST: 3}

Outcome = DeliveryFailed | Sequence[DeliveryFailed | None] | None
"""Of an attempt: accepted, failed, or either for each of its records."""


_RECEIVED_MS = attrgetter("received_ms")


class DeliveryCore:
    """Records in, attempts and outcomes out. One per engine, on one thread.

    `capacities` has what each action that can be performed takes (a number: attempts at once, of
    one record each); a record's action that is not in it becomes a dead letter. `random` draws from
    [0, 1) and spreads retries.
    """

    def __init__(
        self,
        capacities: Mapping[str, Capacity | int],
        *,
        random: Callable[[], float],
        policy: RetryPolicy | None = None,
        waiting_max: int = limits.delivery_outbox_max,
    ) -> None:
        self.tail = Tail()
        self._random = random
        self._policy = policy or RetryPolicy()
        self._targets = {
            name: Target(Capacity(given) if isinstance(given, int) else given, waiting_max)
            for name, given in capacities.items()
        }
        self._actions = {name: ActionCounters() for name in capacities}
        self._counters = DeliveryCounters()
        self._parcels: dict[str, Parcel] = {}
        self._finished: OrderedDict[str, str] = OrderedDict()
        self._performing: dict[int, list[Delivery]] = {}  # by the number of an attempt's first
        self._storing: dict[int, Write] = {}
        self._storing_letters = 0
        self._retrying: set[str] = set()
        self._last_delivery = 0
        self._last_token = 0
        self._wake_ms: float | None = None
        self._is_stopped = False
        self._gathers = bool(self._targets) and all(
            target.apart_ms for target in self._targets.values()
        )

    @property
    def outstanding(self) -> int:
        """Deliveries without a final outcome, and writes of dead letters not yet answered."""
        waiting = sum(target.waiting for target in self._targets.values())
        performing = sum(map(len, self._performing.values()))
        return waiting + performing + len(self._storing)

    def hold_ms(self, now_ms: float) -> float:
        """How long the shell may keep back records that arrive now, so that they come together:
        until each target may begin an attempt again; not at all if one of them needs no interval.
        """
        if not self._gathers:
            return 0.0
        return max(target.next_begin_ms for target in self._targets.values()) - now_ms

    def on_records(
        self, sender: str, seq: int, items: Iterable[Arrival], now_ms: float
    ) -> list[Effect]:
        """A batch of records from a shard or the coordinator."""
        return self.on_batches([(sender, seq, items, now_ms)], now_ms)

    def on_batches(
        self, batches: Iterable[tuple[str, int, Iterable[Arrival], float]], now_ms: float
    ) -> list[Effect]:
        """Batches of records (sender, its number, items, arrival in ms), in order of arrival."""
        turn = Turn(now_ms)
        accepted: dict[str, list[Delivery]] = {}
        for sender, seq, items, arrival_ms in batches:
            self._take_in(sender, seq, items, arrival_ms, accepted, turn)
        for action, deliveries in accepted.items():
            self._accept(action, deliveries, turn)
        return self._end(turn)

    def on_performed(self, outcomes: Iterable[tuple[int, Outcome]], now_ms: float) -> list[Effect]:
        """Attempts that ended: (delivery of the effect, the outcome, or one for each record)."""
        turn = Turn(now_ms)
        for number, outcome in outcomes:
            deliveries = self._performing.pop(number, None)
            if deliveries is None:  # it was given up when the engine stopped
                continue
            action = deliveries[0].action
            self._targets[action].end(len(deliveries))
            turn.touched[action] = None
            if outcome is None:
                self._on_accepted(action, deliveries, turn)
            elif isinstance(outcome, DeliveryFailed):
                for delivery in deliveries:
                    self._on_failed(delivery, outcome, turn)
            else:
                for delivery, failure in zip(deliveries, outcome, strict=True):
                    if failure is None:
                        self._on_accepted(action, [delivery], turn)
                    else:
                        self._on_failed(delivery, failure, turn)
        return self._end(turn)

    def on_dead_letters(
        self, sender: str, seq: int, letters: Iterable[dict[str, Any]], now_ms: float
    ) -> list[Effect]:
        """Refused events of a gateway or shard; answered when they are stored or counted as lost.

        A batch that is sent again, because the answer was lost, is stored again.
        """
        turn = Turn(now_ms)
        kept = tuple(letters)
        for letter in kept:
            self._counters.add_letter(str(letter.get("reason", "")))
            self.tail.append("dead_letter", letter)
        self._store(kept, [], (sender, seq), turn)
        return self._end(turn)

    def on_dead_letters_stored(self, token: int, stored: bool, now_ms: float) -> list[Effect]:
        """The answer to StoreDeadLetters; letters not stored are counted as lost."""
        turn = Turn(now_ms)
        write = self._storing.pop(token)
        self._storing_letters -= write.letters
        self._end_write(write, stored, turn)
        return self._end(turn)

    def on_peer_lost(self, peer: str, now_ms: float) -> list[Effect]:
        """A sender is gone: nothing is reported to it any more, its deliveries go on.

        A sender that comes back sends again what it has no outcome for, with numbers of its own.
        """
        for parcel in self._parcels.values():
            parcel.waiters = {key: None for key in parcel.waiters if key[0] != peer}
        for write in self._storing.values():
            if write.answer is not None and write.answer[0] == peer:
                write.answer = None
        return self._end(Turn(now_ms))

    def on_retry(
        self, letters: Iterable[dict[str, Any]], now_ms: float
    ) -> tuple[list[Effect], int, dict[str, str]]:
        """Dead letters that a person wants delivered again.

        Returns the effects, how many were taken, and why the others were not, by letter id. The
        letter leaves the list when its new delivery has come to an end, well or as a new letter.
        """
        turn = Turn(now_ms)
        taken = 0
        refused: dict[str, str] = {}
        for letter in letters:
            letter_id, action, record = letter["id"], letter.get("action"), letter.get("firing")
            target = self._targets.get(action) if isinstance(action, str) else None
            if not isinstance(record, dict):
                refused[letter_id] = "is a refused event; only actions can be delivered again"
            elif target is None:
                refused[letter_id] = f"the plan has no action {action!r}"
            elif letter_id in self._retrying:
                refused[letter_id] = "is being delivered again already"
            elif not target.has_room:
                refused[letter_id] = f"the queue of action {action!r} is full; try again later"
            else:
                self._retrying.add(letter_id)
                delivery = self._new_delivery(record_key(record), str(action), pack(record), now_ms)
                delivery.retry_of = letter_id
                target.add(delivery)
                turn.touched[str(action)] = None
                taken += 1
        return self._end(turn), taken, refused

    def on_erase(
        self, sender: str, facts: dict[str, Any], eraser: Eraser, now_ms: float
    ) -> list[Effect]:
        """A shard has erased a user: nothing more is attempted and no dead letter of it made."""
        for target in self._targets.values():
            for one in target.drop(lambda one: eraser.is_packed(one.packed)):
                self._parcels.pop(one.key, None)
                self._retrying.discard(one.retry_of)
        for delivery in [one for together in self._performing.values() for one in together]:
            if eraser.is_packed(delivery.packed):
                self._parcels.pop(delivery.key, None)
                delivery.parcel, delivery.is_erased = None, True
        self.tail.rewrite(eraser.record)
        return [EraseLetters(sender, facts), *self._end(Turn(now_ms))]

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Time has passed: start what is due. Called at the instant of WakeAt, or more often."""
        turn = Turn(now_ms)
        self._wake_ms = None
        turn.touched.update(dict.fromkeys(self._targets))
        return self._end(turn)

    def on_stop(self, now_ms: float) -> list[Effect]:
        """Give up everything that has no outcome yet, as dead letters that can be retried later.

        Called when the time for draining is over; results of attempts that come later are ignored.
        """
        turn = Turn(now_ms)
        self._is_stopped = True
        left = [delivery for target in self._targets.values() for delivery in target.clear()]
        performing = (one for together in self._performing.values() for one in together)
        left += [one for one in performing if not one.is_erased]
        self._performing.clear()
        for delivery in sorted(left, key=lambda one: one.number):
            self._give_up(
                delivery, "engine_stopped", delivery.last_error or "not delivered in time", turn
            )
        return self._end(turn)

    def status(self) -> dict[str, Any]:
        """Counters and queues as plain values, for `status`."""
        actions = {
            name: {
                **self._actions[name].status(),
                "waiting": target.waiting,
                "performing": target.performing,
            }
            for name, target in self._targets.items()
        }
        return {**self._counters.status(), "actions": actions}

    def _take_in(
        self,
        sender: str,
        seq: int,
        items: Iterable[Arrival],
        arrival_ms: float,
        accepted: dict[str, list[Delivery]],
        turn: Turn,
    ) -> None:
        """Note the records of a batch that are new here, with their deliveries by action."""
        counted: dict[tuple[str, str, bool], int] = {}
        finished, parcels = self._finished, self._parcels
        for index, item in enumerate(items):
            key = item.key
            if key in finished:
                self._counters.duplicates += 1
                turn.settled(sender, seq, index, finished[key])
            elif key in parcels:
                self._counters.duplicates += 1
                parcels[key].waiters[(sender, seq, index)] = None
            else:
                self.tail.append(item.kind, item.packed)
                counter = (item.kind, item.trigger, item.is_shadow)
                counted[counter] = counted.get(counter, 0) + 1
                actions = () if item.is_shadow else dict.fromkeys(item.actions)
                parcel = Parcel(key, len(actions), RECORDED, {(sender, seq, index): None})
                if actions:
                    parcels[key] = parcel
                    for action in actions:
                        delivery = self._new_delivery(key, action, item.packed, arrival_ms, parcel)
                        accepted.setdefault(action, []).append(delivery)
                else:
                    self._finish(parcel, turn)
        self._counters.add_records(counted)

    def _new_delivery(
        self,
        key: str,
        action: str,
        packed: bytes,
        now_ms: float,
        parcel: Parcel | None = None,
    ) -> Delivery:
        self._last_delivery += 1
        return Delivery(self._last_delivery, key, action, packed, now_ms, now_ms, parcel)

    def _accept(self, action: str, deliveries: list[Delivery], turn: Turn) -> None:
        target = self._targets.get(action)
        if target is None:
            for delivery in deliveries:
                self._give_up(delivery, "unknown_action", "the plan has no such action", turn)
        elif self._is_stopped:
            for delivery in deliveries:
                self._give_up(
                    delivery, "engine_stopped", "arrived after the engine had stopped", turn
                )
        else:
            turn.touched[action] = None
            if not target.add_new(deliveries):
                for delivery in deliveries:
                    if not target.has_room:
                        self._start_due(action, turn)
                    self._make_room(target.add(delivery), turn)

    def _make_room(self, oldest: Delivery | None, turn: Turn) -> None:
        if oldest is not None:
            self._give_up(
                oldest, "outbox_full", oldest.last_error or "its target is too slow", turn
            )

    def _on_accepted(self, action: str, deliveries: list[Delivery], turn: Turn) -> None:
        counters = self._actions[action]
        counters.delivered += len(deliveries)
        for received_ms, together in groupby(deliveries, key=_RECEIVED_MS):
            settled = list(together)
            for delivery in settled:
                self._settle(delivery, DELIVERED, turn)
            counters.latency_us.add(int((turn.now_ms - received_ms) * 1000), len(settled))

    def _on_failed(self, delivery: Delivery, failure: DeliveryFailed, turn: Turn) -> None:
        target = self._targets[delivery.action]
        counters = self._actions[delivery.action]
        counters.failed += 1
        counters.last_error = delivery.last_error = str(failure)
        if delivery.is_erased:
            return
        pause_ms = self._policy.pause_ms(failure)
        target.paused_until_ms = max(
            target.paused_until_ms, turn.now_ms + pause_ms if pause_ms else 0
        )
        due_ms = self._policy.next_attempt_ms(
            failure,
            attempts=delivery.attempts,
            received_ms=delivery.received_ms,
            now_ms=turn.now_ms,
            random=self._random,
        )
        if due_ms is None:
            reason = "action_failed" if failure.retryable else "action_refused"
            self._give_up(delivery, reason, str(failure), turn)
        else:
            counters.retried += 1
            delivery.due_ms = due_ms
            self._make_room(target.add(delivery), turn)

    def _give_up(self, delivery: Delivery, reason: str, detail: str, turn: Turn) -> None:
        letter = action_letter(
            unpack(delivery.packed),
            key=delivery.key,
            action=delivery.action,
            attempts=delivery.attempts,
            reason=reason,
            detail=detail,
            now_ms=turn.now_ms,
        )
        self._counters.add_letter(reason)
        self.tail.append("dead_letter", letter)
        if delivery.action in self._actions:
            self._actions[delivery.action].dead += 1
        turn.letters.append(letter)
        turn.given_up.append(delivery)

    def _settle(self, delivery: Delivery, outcome: str, turn: Turn) -> None:
        if delivery.retry_of and outcome != LOST:
            turn.letters.append(settled_mark(delivery.retry_of, turn.now_ms))
        parcel = delivery.parcel
        if parcel is None:
            self._retrying.discard(delivery.retry_of)
            return
        parcel.open -= 1
        if GRAVITY[outcome] > GRAVITY[parcel.outcome]:
            parcel.outcome = outcome
        if parcel.open == 0:
            del self._parcels[parcel.key]
            self._finish(parcel, turn)

    def _finish(self, parcel: Parcel, turn: Turn) -> None:
        outcome = self._finished[parcel.key] = parcel.outcome
        if len(self._finished) > limits.delivery_finished_keys_max:
            self._finished.popitem(last=False)
        for sender, seq, index in parcel.waiters:
            turn.settled(sender, seq, index, outcome)

    def _store(
        self,
        letters: tuple[dict[str, Any], ...],
        deliveries: list[Delivery],
        answer: tuple[str, int] | None,
        turn: Turn,
    ) -> None:
        count = sum(letter.get("kind") == "dead_letter" for letter in letters)
        write = Write(count, deliveries, answer)
        if count and self._storing_letters + count > limits.dead_letters_storing_max:
            self._end_write(write, False, turn)
            return
        self._last_token += 1
        self._storing[self._last_token] = write
        self._storing_letters += count
        turn.effects.append(StoreDeadLetters(self._last_token, letters))

    def _end_write(self, write: Write, stored: bool, turn: Turn) -> None:
        if stored:
            self._counters.letters_stored += write.letters
        else:
            self._counters.letters_lost += write.letters
        for delivery in write.deliveries:
            self._settle(delivery, DEAD_LETTER if stored else LOST, turn)
        if write.answer is not None:
            sender, seq = write.answer
            turn.effects.append(Send(sender, Kind.DEAD_LETTERS_DONE, {"seq": seq}))

    def _end(self, turn: Turn) -> list[Effect]:
        """Start what the turn made possible, and hand out everything that came of it."""
        if turn.letters:
            self._store(tuple(turn.letters), turn.given_up, None, turn)
        if not self._is_stopped:
            for action in turn.touched:
                self._start_due(action, turn)
            self._arm(turn)
        for (sender, seq), outcomes in turn.outcomes.items():
            for start in range(0, len(outcomes), limits.record_outcomes_max):
                part = outcomes[start : start + limits.record_outcomes_max]
                header = {"seq": seq, "outcomes": part}
                turn.effects.append(Send(sender, Kind.RECORDS_DONE, header))
        return turn.effects

    def _start_due(self, action: str, turn: Turn) -> None:
        target = self._targets[action]
        while deliveries := target.begin(turn.now_ms):
            for delivery in deliveries:
                delivery.attempts += 1
            first = deliveries[0]
            self._performing[first.number] = deliveries
            if target.records_max == 1:
                turn.effects.append(
                    Perform(first.number, action, first.packed, first.attempts, first.key)
                )
            else:
                parts = tuple([(one.key, one.packed, one.attempts) for one in deliveries])
                turn.effects.append(PerformTogether(first.number, action, parts))

    def _arm(self, turn: Turn) -> None:
        wakes = [target.wake_ms() for target in self._targets.values()]
        earliest = min((wake for wake in wakes if wake is not None), default=None)
        if earliest is not None and earliest != self._wake_ms:
            turn.effects.append(WakeAt(ceil(earliest)))
        self._wake_ms = earliest
