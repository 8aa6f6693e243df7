"""Estimates the memory that one user takes under a plan.

The sizes are those of the kernel's records, rounded up to their size classes; what the allocator
and the index add is in ``USER_BYTES``. An estimate: ``status`` shows what users really take.
"""

from dataclasses import dataclass

from augenblick.plan.aggregates import AGGREGATES, DISTINCT_EXACT_MAX, QUANTILE_BINS_MAX
from augenblick.plan.policy_rules import Cap
from augenblick.plan.program import Feature, Program, Trigger

USER_BYTES = 96  # id of 16 bytes, header, place in the index, timer entry
SESSION_BYTES = 40  # start, last, count, identity
FEATURE_BYTES = 16  # head of a feature that the user has touched
GROUP_BYTES = 24  # key and recency of one group
KEPT_EVENT_BYTES = 16  # time and value of one event in a sliding window
ITEM_BYTES = 24  # one text or number of a list, and of first and last
ENTRY_BYTES = 32  # one value with its time or count, where whole values are kept
SKETCH_HEAD_BYTES = 16  # of one pane of distinct, quantile or top
PARTIAL_BYTES = 48  # one unfinished match or timer with its event
SEGMENT_BYTES = 8
COOLDOWN_BYTES = 8
CAP_BYTES = 8  # head of the times of one cap
TIME_BYTES = 8  # of one firing that left
ALARM_BYTES = 136  # one timer of `at` with its group and the event that set it
SCHEDULE_BYTES = 16  # how far a user's schedules have come: once, whatever their number

GROUPS_TYPICAL = 2
EVENTS_TYPICAL = 4
ITEMS_TYPICAL = 4
PANES_TYPICAL = 12
PARTIALS_TYPICAL = 1
TIMES_TYPICAL = 2


@dataclass(frozen=True, slots=True)
class MemoryLine:
    """What one thing of the plan takes per user: typically, and when every bound is filled."""

    name: str
    typical_bytes: int
    bytes_max: int


def estimate_memory(program: Program) -> tuple[MemoryLine, ...]:
    """One line for the user itself and for each thing that keeps state."""
    lines = [
        MemoryLine("user and session", USER_BYTES + SESSION_BYTES, USER_BYTES + 2 * SESSION_BYTES)
    ]
    lines += [_feature(feature) for feature in program.features]
    lines += [MemoryLine(one.name, SEGMENT_BYTES, SEGMENT_BYTES) for one in program.segments]
    lines += [_trigger(program, one) for one in program.triggers if _keeps_state(one)]
    if program.contact_cap.firings:
        lines.append(MemoryLine("contact cap", *_times(program.contact_cap)))
    if any(trigger.kind == "every" for trigger in program.triggers):
        lines.append(MemoryLine("schedules", SCHEDULE_BYTES, SCHEDULE_BYTES))
    return tuple(lines)


def _feature(feature: Feature) -> MemoryLine:
    typical, bytes_max = window_bytes(feature)
    if feature.by != -1:
        typical = GROUPS_TYPICAL * (GROUP_BYTES + typical)
        bytes_max = feature.by_max * (GROUP_BYTES + bytes_max)
    return MemoryLine(feature.name, FEATURE_BYTES + typical, FEATURE_BYTES + bytes_max)


def window_bytes(feature: Feature) -> tuple[int, int]:
    """Typical and largest bytes of a feature's window, of one group."""
    value = _state(feature)
    if feature.window == "sliding":
        kept = min(EVENTS_TYPICAL, feature.sliding_max)
        each = KEPT_EVENT_BYTES if AGGREGATES[feature.aggregate].state_bytes else ENTRY_BYTES
        return kept * each, feature.sliding_max * each
    panes = feature.size_ms // feature.every_ms if feature.window == "hopping" else 1
    return min(PANES_TYPICAL, panes) * value[0], panes * value[1]


def _state(feature: Feature) -> tuple[int, int]:
    """Typical and largest bytes of the aggregate's state of one pane."""
    rules = AGGREGATES[feature.aggregate]
    if rules.state_bytes:
        return rules.state_bytes, rules.state_bytes
    head = SKETCH_HEAD_BYTES
    if feature.aggregate == "distinct":
        return head + ITEMS_TYPICAL * 8, head + (DISTINCT_EXACT_MAX + 1) * 8
    if feature.aggregate == "quantile":
        return head + ITEMS_TYPICAL * 8, head + QUANTILE_BINS_MAX * 8
    if feature.aggregate == "top":
        counters = rules.counters(feature.list_max)
        return head + ITEMS_TYPICAL * ENTRY_BYTES, head + counters * ENTRY_BYTES
    items = feature.list_max if feature.aggregate == "list" else 1
    return min(ITEMS_TYPICAL, items) * ITEM_BYTES, items * ITEM_BYTES


def _keeps_state(trigger: Trigger) -> bool:
    holds_back = trigger.cooldown_ms > 0 or trigger.policies.cap.firings > 0
    return trigger.kind in ("sequence", "at") or holds_back or trigger.fire == "once"


def _times(cap: Cap) -> tuple[int, int]:
    """Typical and largest bytes of the times that a cap keeps: at most twice as many as leave."""
    typical = min(TIMES_TYPICAL, cap.firings)
    return CAP_BYTES + typical * TIME_BYTES, CAP_BYTES + 2 * cap.firings * TIME_BYTES


def _trigger(program: Program, trigger: Trigger) -> MemoryLine:
    typical = COOLDOWN_BYTES if trigger.cooldown_ms or trigger.fire == "once" else 0
    bytes_max = typical
    if trigger.policies.cap.firings:
        times = _times(trigger.policies.cap)
        typical, bytes_max = typical + times[0], bytes_max + times[1]
    if trigger.kind == "sequence":
        typical += PARTIALS_TYPICAL * PARTIAL_BYTES
        bytes_max += trigger.partial_max * PARTIAL_BYTES
    if trigger.kind == "at":
        groups_max = sum(program.features[one].by_max for one in trigger.group_features) or 1
        typical += (GROUPS_TYPICAL if trigger.group_features else 1) * ALARM_BYTES
        bytes_max += groups_max * ALARM_BYTES
    return MemoryLine(trigger.name, typical, bytes_max)
