"""What the plan's policies mean for each trigger, and what is wrong with them.

A trigger's own policy wins over the default of the same name; ``off`` says that there is none.
Shadow triggers take no part in slots and in the contact cap, so that trying one out changes nothing
for the others. What a metric trigger or a custom one cannot have is refused where it is written,
and a default passes them by.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from augenblick.plan.calendars import Runs, zone_offsets
from augenblick.plan.checking import Checking
from augenblick.plan.document import Path
from augenblick.plan.durations import format_duration
from augenblick.plan.model import policies as model
from augenblick.plan.model.plan import Plan
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.outlets import action_names
from augenblick.plan.policy_rules import Cap, QuietHours, TriggerPolicies
from augenblick.plan.triggers import ResolvedTrigger

T = TypeVar("T")

_PER_USER = ("cap", "priority", "slot", "control", "variants")
_AT_SHARDS = ("expires", "quiet_hours")
_IN_KERNEL = ("cap", "priority", "slot")


def check_policies(checking: Checking, triggers: list[ResolvedTrigger]) -> None:
    """Notes what the policies of the plan and of its triggers say wrongly."""
    plan = checking.plan
    for name in ("cap", "contact_cap"):
        _check_cap(checking, getattr(plan.policies, name), ("policies", name))
    for trigger in triggers:
        path: Path = ("triggers", trigger.name)
        _check_cap(checking, trigger.spec.cap, (*path, "cap"))
        _check_kind(checking, trigger, path)
    _warn_of_lonely_slots(checking)
    _warn_of_idle_priorities(checking)


def trigger_policies(plan: Plan, trigger: ResolvedTrigger) -> TriggerPolicies:
    """The policies of one trigger on a user."""
    spec = trigger.spec
    control = plan.policies.control if spec.control is None else spec.control
    variants = _own_or_default(spec.variants, plan.policies.variants)
    shares = dict(variants or {})
    expires_ms = plan.policies.expires if spec.expires is None else spec.expires
    found = TriggerPolicies(
        control=control or 0,
        variants=tuple(zip(shares, accumulate(shares.values()), strict=True)),
        expires_ms=expires_ms or 0,
        quiet=_quiet(_own_or_default(spec.quiet_hours, plan.policies.quiet_hours)),
    )
    if trigger.rule.kind == "actor":
        return found
    cap = _own_or_default(spec.cap, plan.policies.cap)
    contends = _contends(plan, spec)
    return replace(
        found,
        cap=contact_cap(cap),
        is_contact=_is_contact(spec),
        priority=_priority(plan, spec),
        slot=_slots(plan).index(spec.slot) if spec.slot and spec.mode == "live" else -1,
        contends=contends,
    )


def quiet_offsets(plan: Plan, policies: Iterable[TriggerPolicies]) -> Runs:
    """What the clocks of the plan's zone show, if a trigger has quiet hours."""
    is_asked = any(one.quiet is not None for one in policies)
    return zone_offsets(plan.zone or "UTC") if is_asked else ()


def _quiet(hours: model.QuietHours | None) -> QuietHours | None:
    return None if hours is None else QuietHours(hours.from_, hours.to, hours.then == "hold")


def contact_cap(cap: model.Cap | None) -> Cap:
    """A cap as the engine reads it."""
    return Cap() if cap is None else Cap(cap.n, cap.per)


def _own_or_default(own: T | str | None, default: T | str | None) -> T | None:
    found = default if own is None else own
    return None if isinstance(found, str) else found


def _priority(plan: Plan, spec: Trigger) -> int:
    own = plan.policies.priority if spec.priority is None else spec.priority
    return own or 0


def _slots(plan: Plan) -> list[str]:
    return sorted({one.slot for one in plan.triggers.values() if one.slot})


def _is_contact(spec: Trigger) -> bool:
    return spec.mode == "live" and bool(action_names(spec.then))


def _contends(plan: Plan, spec: Trigger) -> bool:
    """In a slot, or at a contact cap for which not all of its triggers are alike."""
    if spec.mode != "live":
        return False
    if spec.slot is not None:
        return True
    if plan.policies.contact_cap is None or not _is_contact(spec):
        return False
    contacts = [one for one in plan.triggers.values() if _is_contact(one)]
    ranks = {_priority(plan, one) for one in contacts}
    return len(ranks) > 1 or any(one.slot is not None for one in contacts)


def _check_cap(checking: Checking, cap: model.Cap | str | None, path: Path) -> None:
    ttl_ms = checking.plan.time.ttl
    if isinstance(cap, model.Cap) and cap.per > ttl_ms:
        checking.problems.add(
            (*path, "per"),
            f"a user is forgotten after {format_duration(ttl_ms)} without an event, so a cap over "
            f"{format_duration(cap.per)} cannot hold; raise `ttl` in `time:` or shorten `per`",
        )


def _check_kind(checking: Checking, trigger: ResolvedTrigger, path: Path) -> None:
    given = trigger.spec.model_fields_set
    if trigger.across_users:
        for name in _PER_USER:
            if name in given:
                checking.problems.add(
                    (*path, name),
                    f"`{name}` is about a user, and a trigger over metrics has none; leave it out",
                )
        for name in _AT_SHARDS:
            if name in given:
                checking.problems.not_built((*path, name), f"`{name}` of a trigger over metrics")
    elif trigger.rule.kind == "actor":
        for name in _IN_KERNEL:
            if name in given:
                checking.problems.not_built((*path, name), f"`{name}` of a custom trigger")
        if checking.plan.policies.contact_cap is not None and _is_contact(trigger.spec):
            checking.problems.warn(
                (*path, "then"), "the contact cap does not count what a custom trigger fires"
            )


def _warn_of_lonely_slots(checking: Checking) -> None:
    triggers = checking.plan.triggers
    for name, trigger in triggers.items():
        others = [one for one in triggers if one != name and triggers[one].slot == trigger.slot]
        if trigger.slot is not None and not others:
            checking.problems.warn(
                ("triggers", name, "slot"),
                f"no other trigger has the slot {trigger.slot!r}, so there is nobody to compete",
            )


def _warn_of_idle_priorities(checking: Checking) -> None:
    plan = checking.plan
    for name, trigger in plan.triggers.items():
        matters = trigger.slot is not None or plan.policies.contact_cap is not None
        if trigger.priority is not None and not matters:
            checking.problems.warn(
                ("triggers", name, "priority"),
                "`priority` decides in a `slot` and at the `contact_cap` of `policies:`, and this "
                "trigger has neither",
            )
