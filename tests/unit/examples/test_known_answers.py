"""The answers in the examples' README, which were computed outside this project, come out.

Firings of `otto` and its sessions are such answers; the other counts were first given by the
engine and, for otto, by the oracle in tests/oracle too: they are here so that a change shows.
"""

import gzip
from collections import Counter, defaultdict

import pytest

from augenblick import examples, load_plan
from augenblick.runtime.local import simulate

BANK_AND_SHOP = {
    "abroad": (1, 1),
    "adviser": (1, 1),
    "cart_abandoned": (1, 1),
    "churn_warning": (1, 1),
    "cross_sell": (1, 1),
    "limit_above": (1, 1),
    "limit_below": (1, 1),
    "loan_ending": (1, 1),
    "onboarding": (1, 1),
    "product_page": (1, 1),
    "rent_missing": (1, 1),
    "third_view": (1, 1),
}
OTTO = {
    "busy_clicker": (29, 4),
    "cart_left": (11, 7),
    "only_looking": (1, 1),
    "quick_order": (4, 2),
}
ECOM = {
    "cart_left": (856, 467),
    "mobile_bug": (44, 30),
    "payment_rescued": (7, 6),
    "payment_trouble": (3, 1),
    "thank_you": (31, 31),
    "undecided": (230, 194),
    "win_back": (21, 21),
}


def records(name: str, *, drain: bool = True):
    plan = load_plan(examples.plan_path(f"example:{name}"))
    with gzip.open(examples.events_path(f"example:{name}")) as lines:
        return list(simulate(plan, lines, drain=drain))


def firings(found) -> dict[str, tuple[int, int]]:
    """Trigger to (firings, users)."""
    count, users = Counter(), defaultdict(set)
    for record in found:
        if record["kind"] == "firing":
            count[record["trigger"]] += 1
            users[record["trigger"]].add(record["user"])
    return {name: (count[name], len(users[name])) for name in count}


@pytest.mark.parametrize(
    ("name", "expected"), [("bank_and_shop", BANK_AND_SHOP), ("otto", OTTO), ("ecom", ECOM)]
)
def test_firings(name, expected):
    assert firings(records(name)) == expected


def test_the_last_absence_is_pending_when_the_file_ends():
    assert firings(records("otto", drain=False))["cart_left"] == (10, 6)


@pytest.mark.parametrize(("name", "sessions"), [("otto", 144), ("ecom", 3605)])
def test_sessions(name, sessions):
    found = [record for record in records(name) if record["kind"] == "session"]
    assert len(found) == sessions
    if name == "otto":
        assert sum(record["events"] == 1 for record in found) == 41
        assert max(record["end"] - record["start"] for record in found) == 4_691_726


def test_windows():
    found = [record for record in records("otto") if record["kind"] == "metric"]
    assert len(found) == 283
    assert sum(record["value"] for record in found) == 862


@pytest.mark.parametrize("name", examples.names())
def test_nothing_is_refused(name):
    assert not [record for record in records(name) if record["kind"] == "dead_letter"]
