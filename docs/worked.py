"""Pages of the reference that show what comes of plans and events, worked out when they are
written. Imported by `generate`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from augenblick.plan import compile_plan, load_plan
from augenblick.runtime.local import Simulation, simulate

EXAMPLES = Path(__file__).parent / "examples.yaml"
MARK = "<!-- Written by `make docs` from the code; edit the code. -->\n\n"
EXAMPLE_EVENTS = (
    '{"user": "ann", "event": "view", "time": 10000, "props": {"sku": "a", "price": 4}}',
    '{"user": "ann", "event": "view", "time": 20000, "props": {"sku": "b", "price": 1.5}}',
    '{"user": "ann", "event": "view", "time": 30000, "props": {"sku": "a", "price": 7}}',
    '{"user": "ann", "event": "look", "time": 40000}',
)
LOG = "actions: {a: {log: {}}}\n"


DAY_1, DAY_2 = 1_767_265_200_000, 1_775_044_800_000  # 1 January 2026 11:00, 1 April 12:00 (UTC)

OCCASION_EXAMPLES = {
    "when": (
        "features: {views: {count: view, over: session}}\ntriggers: {t: {when: views >= 2}}\n",
        EXAMPLE_EVENTS[:3],
    ),
    "event": (
        "features: {views: {count: view, over: session}}\n"
        "triggers: {t: {event: view, where: price > 2, values: [views]}}\n",
        EXAMPLE_EVENTS[:3],
    ),
    "sequence": (
        "triggers: {t: {sequence: [view, {not: buy}], within: 1m}}\n",
        EXAMPLE_EVENTS[:2],
    ),
    "at": (
        "events: {loan: {loan: str, ends: time}}\n"
        "features: {ends: {last: loan.ends, by: loan, over: lifetime}}\n"
        "triggers: {t: {at: ends - 1d, values: [ends]}}\n",
        (
            '{"user": "ann", "event": "loan", "time": 0, "props": '
            '{"loan": "x", "ends": 100000000}}',
            '{"user": "ann", "event": "loan", "time": 5, "props": {"loan": "y", "ends": 90000000}}',
            '{"user": "ann", "event": "loan", "time": 9, "props": '
            '{"loan": "y", "ends": 100000005}}',
        ),
    ),
    "every": (
        "zone: Europe/Berlin\n"
        "features:\n"
        "  due: {last: rule.amount, by: payer, over: lifetime}\n"
        "  paid: {sum: booking.amount, by: payer, over: {calendar: month}}\n"
        "triggers: {t: {every: month + 30d, when: paid < due}}\n",
        (
            f'{{"user": "ann", "event": "rule", "time": {DAY_1}, "props": '
            '{"payer": "bob", "amount": 500}}',
            f'{{"user": "ann", "event": "booking", "time": {DAY_1 + 5}, "props": '
            '{"payer": "bob", "amount": 500}}',
            f'{{"user": "ann", "event": "login", "time": {DAY_2}}}',
        ),
    ),
}

OCCASIONS_TEXT = """\
What `augenblick simulate` prints for a few events. `actor` is in the guide to custom triggers.
"""

POLICIES_TEXT = """\
What leaves with each event of these examples, as `augenblick simulate` prints it. The names of the
keys are in [the plan](plan.md#trigger). What a policy holds back is counted by trigger and reason
(`status`, `simulate --summary`) and never made up for; it uses up nothing.
"""

POLICY_EXAMPLES = {
    "cooldown": (
        "triggers: {hint: {event: view, cooldown: 1h}}\n",
        ("ann view 8:00", "ann view 8:59", "ann view 9:00"),
    ),
    "cap": (
        "triggers: {hint: {event: view, cap: {n: 2, per: 3h}}}\n",
        ("ann view 8:00", "ann view 9:00", "ann view 10:59", "ann view 11:00", "ann view 12:00"),
    ),
    "contact_cap": (
        "policies: {contact_cap: {n: 1, per: 3h}}\n"
        "triggers:\n"
        "  hint:  {event: view, then: a}\n"
        "  offer: {event: cart, then: a}\n"
        "  seen:  {event: view}            # does nothing, so it is no contact\n" + LOG,
        ("ann view 8:00", "ann cart 9:00", "ann cart 11:00", "ann view 12:00"),
    ),
    "slot and priority": (
        "triggers:\n"
        "  hint:  {event: [view, cart], slot: banner}\n"
        "  offer: {event: cart, slot: banner, priority: 2}\n",
        ("ann view 8:00", "ann cart 9:00"),
    ),
    "control and variants": (
        "triggers:\n"
        "  offer: {event: view, control: 25%, variants: {plain: 50%, loud: 50%}, then: a}\n" + LOG,
        ("ann view 8:00", "bob view 8:00", "cid view 8:00", "dan view 8:00", "eve view 8:00",
         "ann view 9:00"),
    ),
    "quiet_hours and expires": (
        "zone: Europe/Berlin          # an hour more than UTC, which the events below are in\n"
        "triggers:\n"
        "  hint:  {event: view, quiet_hours: {from: 22h, to: 8h}, expires: 9h}\n"
        "  offer: {event: view, quiet_hours: {from: 22h, to: 8h, then: drop}}\n",
        ("ann view 20:59", "bob view 21:30", "cid view 23:00", "dan view 31:00", "eve view 31:01"),
    ),
}  # fmt: skip

EXAMPLES_TEXT = """\
Each example stands for itself: a plan (but for its name), events in order of arrival, and what
fires. `augenblick simulate` does the same with a plan and events of your own.
"""


def policies_page() -> str:
    """What each policy lets leave, on a few events."""
    parts = [f"# Policies\n\n{MARK}", POLICIES_TEXT]
    for title, (text, events) in POLICY_EXAMPLES.items():
        parts.append(f"\n## {title}\n\n```yaml\n{text}```\n\n")
        parts.append("| event | leaves |\n|---|---|\n")
        for event, firings in policy_firings(text, events):
            parts.append(f"| {event} | {', '.join(firings)} |\n")
    return "".join(parts).rstrip() + "\n"


def policy_firings(text: str, events: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Each event with the firings that leave with it."""
    run = Simulation(compile_plan(load_plan(f"plan: docs\n{text}")), emit=("firing",))
    for event in events:
        user, name, clock = event.split()
        hours, minutes = clock.split(":")
        time_ms = (int(hours) * 60 + int(minutes)) * 60_000
        line = json.dumps({"user": user, "event": name, "time": time_ms})
        yield event, [shown_firing(record) for record in run.feed(line.encode() + b"\n")]


def shown_firing(record: dict[str, Any]) -> str:
    variant = record["variant"]
    return f"`{record['trigger']}`" + (f" ({variant})" if variant else "")


def occasions_page() -> str:
    """Each occasion with a plan, events and the firings that come of them."""
    parts = [f"# Occasions\n\n{MARK}{OCCASIONS_TEXT}"]
    for name, (plan, lines) in OCCASION_EXAMPLES.items():
        parts.append(f"\n## `{name}`\n\n```yaml\nplan: docs\n{plan}```\n\n")
        parts.extend(f"- `{line}`\n" for line in lines)
        parts.append("\n| `time` | `by` | `cause` | `values` |\n|---|---|---|---|\n")
        found = simulate(f"plan: docs\n{plan}", [line.encode() for line in lines], emit=("firing",))
        parts.extend(firing_row(record) for record in found)
    return "".join(parts)


def firing_row(record: dict[str, Any]) -> str:
    """A firing as a row of the table."""
    cause = record["cause"]
    shown = (record["by"], None if cause is None else cause["event"], record["values"])
    cells = [str(record["time"]), *(f"`{json.dumps(one)}`" for one in shown)]
    return f"| {' | '.join(cells)} |\n"


def examples_page() -> str:
    """Whole plans with events, and what fires, worked out now."""
    parts = [f"# Examples\n\n{MARK}", EXAMPLES_TEXT]
    for example in YAML(typ="safe").load(EXAMPLES.read_text("utf-8")):
        parts.append(f"\n## {example['title']}\n\n")
        if "text" in example:
            parts.append(example["text"] + "\n\n")
        parts.append(f"```yaml\n{example['plan']}```\n\n")
        lines = [example_event(*event) for event in example["events"]]
        records = simulate(f"plan: docs\n{example['plan']}", [line.encode() for line in lines])
        parts.append("```json\n" + "".join(f"{line}\n" for line in lines) + "```\n\n")
        fired = [example_firing(record) for record in records if record["kind"] == "firing"]
        parts.append("".join(f"- {line}\n" for line in fired))
    return "".join(parts).rstrip() + "\n"


def example_event(time: int, user: str, event: str, props: Any = None) -> str:
    whole = {"time": time, "user": user, "event": event, **({"props": props} if props else {})}
    return json.dumps(whole)


def example_firing(record: dict[str, Any]) -> str:
    rest = [f"`{key}` {json.dumps(record[key])}" for key in ("by", "values") if record[key]]
    shown = "".join(f", {one}" for one in rest)
    return f"`{record['trigger']}` fires for `{record['user']}` at {record['time']}{shown}"
