"""What leaves a shard once its journal record is durable: records, dead letters, matches, panes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from augenblick.binding.kernel import Outputs
from augenblick.binding.releases import Release, pack, record_key
from augenblick.core.effects import Append, Effect, Log
from augenblick.core.routing import host_name
from augenblick.core.shard_actors import Answer
from augenblick.core.shard_kernel import ShardKernel
from augenblick.core.shard_records import answer_parts, left_parts, outcome_parts
from augenblick.core.shard_replay import outbox_full
from augenblick.core.shard_state import Pending, ShardState
from augenblick.core.shard_status import ShardCounters

AppendRecord = Callable[[Pending, tuple[bytes | memoryview, ...]], Append]


class ShardLeaving:
    """Used by the shard's core alone; `append` is the core's, for what is a record itself."""

    def __init__(
        self, state: ShardState, kernel: ShardKernel, counters: ShardCounters, append: AppendRecord
    ) -> None:
        self._state = state
        self._kernel = kernel
        self._counters = counters
        self._append = append

    def nothing(self) -> Pending:
        """For a record of which nothing comes."""
        return Pending(Outputs(), self._kernel.clock_ms)

    def release(self, pending: Pending, now_ms: float) -> list[Effect]:
        """Hand out what came of a call."""
        outputs, state = pending.outputs, self._state
        if outputs.panes:
            state.panes.add(outputs.panes)
        effects: list[Effect] = []
        if outputs.releases:
            self._counters.on_releases(outputs.releases, pending.received_us, now_ms)
            effects += self.hand_over(outputs.releases, pending.received_us, now_ms)
        if outputs.dead_letters:
            self._counters.on_dead_letters(outputs.dead_letters)
            effects += self.keep_letters(outputs.dead_letters)
        for trigger, matches in outputs.matches.items():
            sends, dropped = state.actors.add(trigger, matches, pending.received_us)
            effects += [*sends, *self.note_answers(dropped)]
            if dropped:
                text = "a custom trigger is too slow; its oldest batches were dropped"
                facts = {"host": host_name(trigger), "batches": len(dropped)}
                effects.append(Log("warning", text, facts))
        return effects

    def hand_over(self, releases: list[Release], received_us: int, now_ms: float) -> list[Effect]:
        """Give records to delivery; those that have to make room become dead letters."""
        keys = [one.key for one in releases]
        sends, left = self._state.records.add(
            [one.packed for one in releases], keys, received_us=received_us
        )
        if not left:
            return list(sends)
        pending = self.nothing()
        pending.outputs.dead_letters = [outbox_full(item, now_ms) for item in left]
        parts = left_parts([record_key(item["record"]) for item in left], int(now_ms))
        return [*sends, self._append(pending, parts)]

    def keep_letters(self, letters: list[dict[str, Any]]) -> list[Effect]:
        """Give dead letters to delivery; those that have to make room are lost, and counted."""
        ids = [letter["id"] for letter in letters]
        sends, left = self._state.letters.add([pack(letter) for letter in letters], ids)
        self._counters.letters_lost += len(left)
        if not left:
            return list(sends)
        parts = outcome_parts(letters=[one["id"] for one in left])
        return [*sends, self._append(self.nothing(), parts)]

    def note_answers(self, answers: list[Answer]) -> list[Effect]:
        """Answers of custom triggers: what they fired leaves once they are durable."""
        effects: list[Effect] = []
        for answer in answers:
            pending = self.nothing()
            pending.outputs.releases = self._state.leaving.sift(answer.releases)
            pending.received_us = answer.received_us
            parts = answer_parts(answer.trigger, answer.first, answer.releases, answer.fired)
            effects.append(self._append(pending, parts))
        return effects
