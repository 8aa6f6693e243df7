"""The actions of a firing by a feature of its user."""

import pytest
from tests.unit.native.kernels import Run, event, mark

PLAN = """plan: p
features:
  channel: {last: p.channel, over: lifetime}
  level: {last: p.level, by: account, over: lifetime}
  n: {count: a, over: lifetime}
triggers:
  t: {event: a, then: [by_channel, file], values: [n]}
  u: {event: b, when: exists(level), then: by_level}
actions:
  push: {log: {}}
  mail: {log: {}}
  file: {log: {}}
  by_channel: {choose: channel, push: push, file: file, "1": push, "true": mail, else: mail}
  by_level: {choose: level, "1": push, "2.5": mail}
"""


@pytest.mark.parametrize(
    ("channel", "actions"),
    [
        ("push", ["push", "file"]),
        ("file", ["file"]),
        ("fax", ["mail", "file"]),
        (None, ["mail", "file"]),
        (1, ["push", "file"]),
        (1.0, ["push", "file"]),
        (True, ["mail", "file"]),
    ],
)
def test_chosen(channel, actions):
    run = Run(PLAN)
    out = run.apply(mark(0), event(0, name="p", channel=channel), event(1, name="a"))
    (release,) = out.releases
    assert release.plain["actions"] == actions
    assert release.record["values"] == {"n": 1}


def test_by_the_firings_group_and_nothing_without_else():
    run = Run(PLAN)
    levels = [event(0, name="p", account=name, level=level) for name, level in
              (("x", 1), ("y", 2.5), ("z", 3))]  # fmt: skip
    out = run.apply(mark(0), *levels, *(event(1, name="b", account=one) for one in "xyz"))
    assert [one.plain["actions"] for one in out.releases] == [["push"], ["mail"], []]
    assert [one.record["values"] for one in out.releases] == [
        {"level": 1}, {"level": 2.5}, {"level": 3}
    ]  # fmt: skip
