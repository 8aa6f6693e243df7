"""A shell for the delivery core without clock, network or disk: the test decides what happens."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from augenblick.binding.releases import Arrival
from augenblick.core.delivery import DeliveryCore, Outcome
from augenblick.core.delivery_target import Capacity
from augenblick.core.effects import (
    Effect,
    Perform,
    PerformTogether,
    Send,
    StoreDeadLetters,
    WakeAt,
)
from augenblick.errors import DeliveryFailed
from augenblick.link.messages import Kind


def firing(key: str, trigger: str = "t") -> dict[str, Any]:
    return {"kind": "firing", "id": key, "trigger": trigger, "user": "u"}


def item(key: str, *actions: str, shadow: bool = False) -> Arrival:
    return Arrival.of(firing(key), actions, is_shadow=shadow)


def refusal() -> DeliveryFailed:
    return DeliveryFailed("HTTP 404", retryable=False)


def outage(retry_after_ms: int | None = None) -> DeliveryFailed:
    return DeliveryFailed("HTTP 503", retryable=True, retry_after_ms=retry_after_ms)


@dataclass
class Shell:
    """Keeps what the core asked for until the test answers it."""

    core: DeliveryCore
    performing: dict[int, Perform] = field(default_factory=dict)
    performed: list[Perform] = field(default_factory=list)
    together: dict[int, PerformTogether] = field(default_factory=dict)
    attempted: list[PerformTogether] = field(default_factory=list)
    writes: dict[int, StoreDeadLetters] = field(default_factory=dict)
    letters: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)
    letters_done: Counter[tuple[str, int]] = field(default_factory=Counter)
    wake_ms: float | None = None

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Perform():
                    assert effect.delivery not in self.performing
                    self.performing[effect.delivery] = effect
                    self.performed.append(effect)
                case PerformTogether():
                    assert effect.delivery not in self.together
                    self.together[effect.delivery] = effect
                    self.attempted.append(effect)
                case StoreDeadLetters():
                    self.writes[effect.token] = effect
                case WakeAt():
                    self.wake_ms = effect.at_ms
                case Send(kind=Kind.RECORDS_DONE):
                    known = self.outcomes.setdefault((effect.peer, effect.header["seq"]), {})
                    for index, outcome in effect.header["outcomes"]:
                        assert known.setdefault(index, outcome) == outcome
                case Send(kind=Kind.DEAD_LETTERS_DONE):
                    self.letters_done[effect.peer, effect.header["seq"]] += 1
                case _:
                    raise AssertionError(effect)

    def running(self, action: str) -> list[Perform]:
        return [effect for effect in self.performing.values() if effect.action == action]

    def end(self, effect: Perform, failure: DeliveryFailed | None, now_ms: float) -> None:
        del self.performing[effect.delivery]
        self.take(self.core.on_performed([(effect.delivery, failure)], now_ms))

    def end_together(self, effect: PerformTogether, outcome: Outcome, now_ms: float) -> None:
        del self.together[effect.delivery]
        self.take(self.core.on_performed([(effect.delivery, outcome)], now_ms))

    def end_all(self, failure: DeliveryFailed | None, now_ms: float) -> None:
        for attempt in list(self.together.values()):
            self.end_together(attempt, failure, now_ms)
        for effect in list(self.performing.values()):
            self.end(effect, failure, now_ms)

    def store(self, now_ms: float, *, stored: bool = True) -> None:
        while self.writes:
            token, write = next(iter(self.writes.items()))
            del self.writes[token]
            if stored:
                self.letters += write.letters
            self.take(self.core.on_dead_letters_stored(token, stored, now_ms))


def shell(waiting_max: int = 100, **capacities: int | Capacity) -> Shell:
    core = DeliveryCore(capacities or {"hook": 2}, random=lambda: 0.5, waiting_max=waiting_max)
    return Shell(core)
