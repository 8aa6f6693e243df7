"""What holds firings back, from its definitions: cooldown, caps, slots, the contact cap, shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.plan import Cap, Plan, Trigger
from tests.unit.native.siphash import siphash13


@dataclass
class Times:
    """Times of firings that left, for one cap."""

    left: list[int] = field(default_factory=list)

    def has_room(self, cap: Cap, time: int) -> bool:
        """Fewer than may leave lie less than the cap's length away, before or after."""
        return sum(abs(time - one) < cap.per_ms for one in self.left) < cap.firings

    def note(self, cap: Cap, time: int) -> None:
        """It leaves; what lies twice the length or more before the latest is forgotten."""
        self.left.append(time)
        self.left = [one for one in self.left if one > max(self.left) - 2 * cap.per_ms]


@dataclass
class Candidate:
    """A firing that leaves unless a policy holds it back."""

    trigger: Trigger
    time: int
    record: dict[str, Any]


@dataclass
class Policies:
    """What one user's firings have used up."""

    plan: Plan
    latest: dict[str, int] = field(default_factory=dict)
    capped: dict[str, Times] = field(default_factory=dict)
    contacts: Times = field(default_factory=Times)

    def leaving(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those of one event or instant that leave, as they came.

        They are decided the highest priority first, of equal ones as they came.
        """
        winners: list[Candidate] = []
        came = list(candidates)
        for one in sorted(came, key=lambda candidate: -candidate.trigger.priority):
            if self._leaves(one, winners):
                winners.append(one)
        return [one for one in came if any(one is winner for winner in winners)]

    def _leaves(self, one: Candidate, winners: list[Candidate]) -> bool:
        trigger, time = one.trigger, one.time
        latest = self.latest.get(trigger.name)
        if latest is not None and abs(time - latest) < trigger.cooldown_ms:
            return False
        times = self.capped.setdefault(trigger.name, Times())
        if trigger.cap is not None and not times.has_room(trigger.cap, time):
            return False
        is_live = trigger.mode == "live"
        if trigger.slot is not None and is_live:
            rivals = [winner.trigger for winner in winners if winner.trigger.mode == "live"]
            if any(rival.slot == trigger.slot for rival in rivals):
                return False
        cap = self.plan.contact_cap if is_live and trigger.has_action else None
        if cap is not None and not self.contacts.has_room(cap, time):
            return False
        self.latest[trigger.name] = time if latest is None else max(time, latest)
        if trigger.cap is not None:
            times.note(trigger.cap, time)
        if cap is not None and one.record["variant"] != "control":
            self.contacts.note(cap, time)
        return True


def variant_of(trigger: Trigger, user: str) -> str | None:
    """By two hashes over trigger name and user: who is control, and who gets which variant."""
    if _share(b"control\0", trigger.name, user) < trigger.control:
        return "control"
    if not trigger.variants:
        return None
    share, end = _share(b"variants", trigger.name, user), 0
    for name, size in trigger.variants.items():
        end += size
        if share < end:
            return name
    raise AssertionError("the shares are 100 % together")


def _share(domain: bytes, trigger: str, user: str) -> int:
    """Where the user lies, from 0 to 9,999."""
    key = siphash13(domain + bytes(8), trigger.encode()).to_bytes(8, "little") + domain
    return (siphash13(key, user.encode()) >> 32) * 10_000 >> 32
