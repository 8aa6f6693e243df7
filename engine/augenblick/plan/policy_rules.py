"""A trigger's policies as the engine reads them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cap:
    """At most ``firings`` in any stretch of ``per_ms``; 0 firings: no cap."""

    firings: int = 0
    per_ms: int = 0


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day on and before another, in ms since midnight; ``holds``: until then."""

    from_ms: int
    to_ms: int
    holds: bool


NO_CAP = Cap()


@dataclass(frozen=True, slots=True)
class TriggerPolicies:
    """What holds a trigger's firings back, its cooldown aside.

    ``is_contact``: it does something, so that the contact cap counts it. ``slot`` -1: none, else
    the number of the slot's name. ``contends``: it is decided with the others of its event or
    instant, the highest ``priority`` first. Shares are hundredths of a percent; ``variants`` are
    names with the first share that is no longer theirs. ``expires_ms`` 0: at no age.
    """

    cap: Cap = NO_CAP
    is_contact: bool = False
    priority: int = 0
    slot: int = -1
    contends: bool = False
    control: int = 0
    variants: tuple[tuple[str, int], ...] = ()
    expires_ms: int = 0
    quiet: QuietHours | None = None


NO_POLICIES = TriggerPolicies()
