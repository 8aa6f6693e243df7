"""The plan and the events that `augenblick init` writes."""

import json

_PLAN = """\
# A starter plan. Try it on the events beside it:
#   augenblick simulate @NAME@.yaml @NAME@.ndjson
plan: @NAME@

# A session is a user's burst of activity; this much silence ends it.
sessions: {gap: 30m, max: 12h}

# How far out of order events may arrive, how far ahead their clocks may be.
time: {lateness: 5s, future: 5m, idle: 1s}

# The tracking plan: what events there are and what they carry. Without this part every event is
# taken as it comes. Types: str int float bool time list, with `| null` if it may be absent.
events:
  view:        {product: str, category: str}
  add_to_cart: {product: str, price: float}
  purchase:    {value: float, voucher: str | null}
unknown_events: accept                    # or refuse

# Features: what is known of one user at any moment.
features:
  category_views: {count: view, by: category, over: session}
  cart:           {list: add_to_cart.product, max: 20, over: {since: purchase}}
  spend_30d:      {sum: purchase.value, over: {sliding: 30d}}
  purchases:      {count: purchase, over: lifetime}

# Segments: conditions that a user is in or out of. Entering and leaving are events of their own.
segments:
  big_spender: spend_30d >= 500

# Metrics: the same across all users.
metrics:
  sales: {sum: purchase.value, over: {tumbling: 1h}}

# Triggers: when something is to be done.
triggers:
  # A condition on the user's state: fires when an event makes it true.
  third_view:
    when: category_views >= 3
    then: audit
  # A sequence that ends in an absence: fires when nothing was bought for half an hour.
  cart_abandoned:
    sequence: [add_to_cart, {not: purchase}]
    within: 30m
    values: [cart]
    then: reminder
  # Steps with a field that must be equal in all of them.
  quick_cart:
    sequence: [view, add_to_cart]
    within: 10m
    match: product
    then: audit
  # An event with a condition on its properties, and one on the user.
  first_voucher:
    event: purchase
    where: exists(voucher)
    when: purchases <= 1
    then: audit
  # A segment's own event; not more than once in 30 days.
  thank_you:
    event: big_spender.enters
    cooldown: 30d
    then: reminder
  # A metric: evaluated when its window closes.
  good_hour:
    when: sales >= 500
    then: audit

# Actions: what can be done. A webhook gets the record as JSON:
#   reminder: {webhook: "https://example.com/reminder", secret: env:REMINDER_SECRET}
actions:
  audit:    {file: @NAME@-firings.ndjson}
  reminder: {log: {}}
"""

_START_MS = 1_767_261_600_000  # 2026-01-01 10:00 UTC
_EVENTS: list[tuple[int, str, str, dict[str, object]]] = [
    (0, "anna", "view", {"product": "A-1", "category": "cameras"}),
    (20, "ben", "view", {"product": "L-7", "category": "lenses"}),
    (45, "anna", "view", {"product": "A-2", "category": "cameras"}),
    (90, "anna", "view", {"product": "A-3", "category": "cameras"}),
    (120, "anna", "add_to_cart", {"product": "A-3", "price": 549.0}),
    (150, "ben", "add_to_cart", {"product": "L-7", "price": 89.0}),
    (300, "anna", "purchase", {"value": 549.0, "voucher": "WELCOME"}),
    (4_000, "cara", "view", {"product": "A-1", "category": "cameras"}),
]


def starter_plan(name: str) -> str:
    """The YAML of a plan with that name."""
    return _PLAN.replace("@NAME@", name)


def starter_events() -> str:
    """Events on which every trigger of the starter plan fires, one JSON object per line."""
    lines = [
        {
            "user": user,
            "event": event,
            "time": _START_MS + seconds * 1000,
            "id": f"try-{number}",
            "props": props,
        }
        for number, (seconds, user, event, props) in enumerate(_EVENTS, 1)
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)
