"""Carries out what the delivery core asks for: attempts, timers, dead letters. No Ray in here."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from augenblick import limits
from augenblick.actors.dead_letter_writer import DeadLetterWriter
from augenblick.actors.delivery_requests import Response, handle_request
from augenblick.binding.releases import Arrival, arrivals
from augenblick.binding.user_marks import UserMarks
from augenblick.channels import Attempt, Channel, ChannelSettings, make_channel
from augenblick.core.delivery import DeliveryCore, Outcome
from augenblick.core.delivery_target import Capacity
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
from augenblick.durability.dead_letters import DeadLetterStore
from augenblick.durability.formats.sealing import KeyRing
from augenblick.durability.key_file import DEAD_LETTER_FOLDER
from augenblick.errors import DeliveryFailed
from augenblick.link.messages import Kind
from augenblick.plan.program import Program

LOG = logging.getLogger(__name__)


class DeliveryRunner:
    """The shell of the delivery core, on one running event loop; used by its actor and by tests.

    `carry_out` gets every effect that is not for this shell: `Send` to a sender of records or dead
    letters. `start` comes first, `stop` last; all other methods belong to the loop's thread.
    """

    core: DeliveryCore
    store: DeadLetterStore

    def __init__(self, carry_out: Callable[[Effect], None], marks: UserMarks | None = None) -> None:
        self.marks = marks or UserMarks()
        self.news = asyncio.Event()  # set when the tail has grown
        self._carry_out = carry_out
        self._channels: dict[str, Channel] = {}
        self._attempts: dict[asyncio.Task[None], float] = {}  # until when on the loop's clock
        self._overdue: set[asyncio.Task[None] | None] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._ended: list[tuple[int, Outcome]] = []
        self._held: list[tuple[str, int, bytes | memoryview, float]] = []
        self._held_bytes = 0
        self._release_timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None
        # The wall clock at the start plus what has passed since: it never steps back.
        self._epoch_ms = (time.time() - time.monotonic()) * 1000

    async def start(
        self, program: Program, settings: ChannelSettings, keys: KeyRing | None = None
    ) -> None:
        """Open a channel per action; raises PlanError, UsageError, PluginError or StorageError.

        With `keys` dead letters are encrypted.
        """
        self.store = DeadLetterStore(settings.data_dir / DEAD_LETTER_FOLDER, keys=keys)
        self._writer = DeadLetterWriter(self.store, self._on_stored, self._on_erased, self.marks)
        self._writer.prepare()
        self._channels = {
            name: make_channel(action.channel, name, action.parameters, settings)
            for name, action in program.actions.items()
        }
        try:
            for channel in self._channels.values():
                await channel.open()
        except BaseException:
            await self._close()
            raise
        capacities = {
            name: Capacity(channel.concurrency_max, channel.records_max, channel.apart_ms)
            for name, channel in self._channels.items()
        }
        self.core = DeliveryCore(capacities, random=random.Random().random)

    def on_records(self, sender: str, seq: int, items: Iterable[Arrival]) -> None:
        """A batch of RECORDS from a peer."""
        self.apply(self.core.on_records(sender, seq, items, self.now_ms()))

    def on_packed_records(self, sender: str, seq: int, payload: bytes | memoryview) -> None:
        """A RECORDS message as it came; it may be kept back for others to be handled with it."""
        now_ms = self.now_ms()
        self._held.append((sender, seq, payload, now_ms))
        self._held_bytes += len(payload)
        if self._held_bytes > limits.delivery_held_bytes_max:
            self._release()
        elif self._release_timer is not None:
            return
        elif (hold_ms := self.core.hold_ms(now_ms)) <= 0:
            self._release()
        else:
            loop = asyncio.get_running_loop()
            self._release_timer = loop.call_later((hold_ms + 1) / 1000, self._release)

    def _release(self) -> None:
        """Handle the messages that were kept back, before anything that came after them."""
        if self._release_timer is not None:
            self._release_timer.cancel()
            self._release_timer = None
        held, self._held, self._held_bytes = self._held, [], 0
        if held:
            batches = [(sender, seq, arrivals(payload), ms) for sender, seq, payload, ms in held]
            self.apply(self.core.on_batches(batches, self.now_ms()))

    def on_dead_letters(self, sender: str, seq: int, letters: Iterable[dict[str, Any]]) -> None:
        """A batch of DEAD_LETTERS from a peer."""
        self.apply(self.core.on_dead_letters(sender, seq, letters, self.now_ms()))

    def on_erase(self, sender: str, facts: dict[str, Any]) -> None:
        """A shard has erased a user."""
        self._release()
        eraser = Eraser(self.marks, facts["user"])
        self.apply(self.core.on_erase(sender, facts, eraser, self.now_ms()))

    def on_peer_lost(self, peer: str) -> None:
        """The connection to a sender broke."""
        self._release()
        self.apply(self.core.on_peer_lost(peer, self.now_ms()))

    async def stop(self, drain_seconds: float) -> None:
        """Deliver what has arrived, for at most this long; the rest becomes dead letters."""
        drained = self._drained = asyncio.Event()
        self._release()
        self.apply([])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(drained.wait(), drain_seconds)
        attempts = list(self._attempts)
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        self._release()
        self._report_ended()
        self.apply(self.core.on_stop(self.now_ms()))
        for timer in (self._timer, self._sweeper):
            if timer is not None:
                timer.cancel()
        await self._close()

    async def _close(self) -> None:
        await self._writer.close()
        for channel in self._channels.values():
            await channel.close()

    async def handle_request(self, method: str, path: str, query: str, body: bytes) -> Response:
        """Answer a control request: (status, content type, body)."""
        return await handle_request(self, method, path, query, body)

    def status(self) -> dict[str, Any]:
        """What the core counts, and how the disk does."""
        status = self.core.status()
        status["dead_letters"]["dropped"] = self.store.dropped
        status["dead_letters"]["error"] = self._writer.error or None
        return status

    def now_ms(self) -> float:
        """The wall clock in ms, with a fraction."""
        return self._epoch_ms + time.monotonic() * 1000

    def apply(self, effects: list[Effect]) -> None:
        """Carry out effects of the core."""
        for effect in effects:
            match effect:
                case Perform(number, action, packed, attempt, key):
                    self._begin(number, action, [Attempt(key, packed, attempt)])
                case PerformTogether(number, action, parts):
                    self._begin(number, action, list(map(Attempt._make, parts)))
                case StoreDeadLetters() | EraseLetters():
                    self._writer.add(effect)
                case WakeAt(at_ms=at_ms):
                    self._wake_at(at_ms)
                case _:
                    self._carry_out(effect)
        self.news.set()
        if self._drained is not None and not self._held and not self.core.outstanding:
            self._drained.set()

    def _on_stored(self, token: int, stored: bool) -> None:
        self.apply(self.core.on_dead_letters_stored(token, stored, self.now_ms()))

    def _on_erased(self, effect: EraseLetters, error: str) -> None:
        if not error:  # else the shard asks again
            self._carry_out(Send(effect.sender, Kind.LETTERS_ERASED, effect.facts))

    def _wake_at(self, at_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(at_ms - self.now_ms() + 1, 0) / 1000  # a loop's timers may be 1 ms early
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay, lambda: self.apply(self.core.on_tick(self.now_ms())))

    def _begin(self, number: int, action: str, attempts: list[Attempt]) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._perform(number, action, attempts))
        self._attempts[task] = loop.time() + limits.delivery_attempt_seconds_max
        task.add_done_callback(self._forget)
        if self._sweeper is None:
            self._sweeper = loop.call_later(limits.delivery_attempt_seconds_max, self._sweep)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._attempts.pop(task, None)

    def _sweep(self) -> None:
        """Cancel attempts that did not end in their time; one timer serves all of them."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        for task, deadline in list(self._attempts.items()):  # in order of their beginning
            if deadline > loop.time():
                self._sweeper = loop.call_at(deadline, self._sweep)
                return
            self._overdue.add(task)
            task.cancel()

    async def _perform(self, number: int, action: str, attempts: list[Attempt]) -> None:
        """One attempt, for as many records as the channel takes at once."""
        channel = self._channels[action]
        outcome: Outcome = None
        try:
            if channel.records_max == 1:
                await channel.deliver(attempts[0])
            else:
                outcomes = await channel.deliver_all(attempts)
                if len(outcomes) != len(attempts):
                    raise ValueError(f"{len(outcomes)} outcomes of {len(attempts)} records")
                outcome = outcomes if any(outcomes) else None
        except DeliveryFailed as error:
            outcome = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task not in self._overdue:
                raise
            self._overdue.discard(task)
            outcome = DeliveryFailed("the channel did not end the attempt", retryable=True)
        except Exception as error:  # a channel may be someone else's code
            LOG.exception("channel of action %s failed", action)
            outcome = DeliveryFailed(f"{type(error).__name__} in the channel", retryable=True)
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._report_ended)
        self._ended.append((number, outcome))

    def _report_ended(self) -> None:
        ended, self._ended = self._ended, []
        self.apply(self.core.on_performed(ended, self.now_ms()))
