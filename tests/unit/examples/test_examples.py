"""The bundled data is what its README says, and is found by name."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from augenblick import examples
from augenblick.errors import UsageError


@pytest.mark.parametrize(
    ("name", "events", "users", "event_names"),
    [("bank_and_shop", 54, 9, 14), ("otto", 862, 20, 3), ("ecom", 31_106, 600, 19)],
)
def test_data(name, events, users, event_names):
    with gzip.open(examples.events_path(f"example:{name}"), "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    assert len(found) == events
    assert len({event["user"] for event in found}) == users
    assert len(Counter(event["event"] for event in found)) == event_names
    times = [event["time"] for event in found]
    assert times == sorted(times)
    assert len({event["id"] for event in found}) == events


@pytest.mark.parametrize("name", examples.names())
def test_each_plan_has_data_notice_and_a_line_in_the_readme(name):
    assert examples.plan_path(f"example:{name}").is_file()
    assert examples.events_path(f"example:{name}").is_file()
    for text in ("NOTICE", "README.md"):
        assert name in (examples.FOLDER / text).read_text(encoding="utf-8")


def test_a_path_is_a_path():
    assert examples.plan_path("shop.yaml") == Path("shop.yaml")


def test_unknown_example():
    with pytest.raises(
        UsageError, match="unknown example 'shop'; known: bank_and_shop, ecom, otto"
    ):
        examples.plan_path("example:shop")
