"""The history checker notices what is missing, what is too much, and what says something else."""

from pathlib import Path

import pytest
from tests.integration.kills.load import PLAN, BEGIN_ms, Load, check, differences, expected
from tests.integration.serve_process import Receiver

WANTED = {"a": {"kind": "firing", "values": {"views": 3}}, "b": {"kind": "firing"}}


def test_differences() -> None:
    assert differences(WANTED, dict(WANTED)) == []
    assert differences(WANTED, {"a": WANTED["a"]}) == [("missing", {"kind": "firing"}, None)]
    assert differences(WANTED, {**WANTED, "c": {}}) == [("strange", None, {})]
    lost = {"kind": "firing", "values": {"views": 2}}
    assert differences(WANTED, {**WANTED, "a": lost}) == [("differs", WANTED["a"], lost)]


def test_a_lost_or_doubled_event_changes_the_outcome(tmp_path: Path) -> None:
    """Of a history without one of its events, or with one twice, another outcome is expected."""
    receiver = Receiver()
    plan = tmp_path / "kills.yaml"
    plan.write_text(PLAN.replace("URL", receiver.url))
    load = Load("127.0.0.1:1")
    for _ in range(600):
        load.make()
    wanted = expected(plan, load.sent, tmp_path)
    receiver.got.extend({**one, "fired_at": 1} for one in wanted.values())
    receiver.got.append({**next(iter(wanted.values())), "fired_at": 2})  # comes again
    check(plan, load, receiver, tmp_path, seconds=0.0)
    again = {**load.sent[300], "id": "again", "time": BEGIN_ms + 300}
    for other in (
        [*load.sent[:300], *load.sent[301:]],
        [*load.sent[:301], again, *load.sent[301:]],
    ):
        assert differences(wanted, expected(plan, other, tmp_path))
    receiver.got.pop(0)
    receiver.got.pop()
    with pytest.raises(AssertionError, match="missing"):
        check(plan, load, receiver, tmp_path, seconds=0.0)
    receiver.close()
