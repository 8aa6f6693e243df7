import pytest
from tests.unit.native.kernels import event, group_of, mark

from augenblick_native.replay import events_of

USERS = ("ann", "bob", "cem")


def mask_of(*users: str) -> bytes:
    groups = {group_of(user) for user in users}
    return bytes(group in groups for group in range(4096))


def test_the_events_of_some_key_groups_and_all_marks_stay_in_order() -> None:
    items = [mark(1), *(event(5, user) for user in USERS), mark(2), event(6, "bob"), mark(3)]
    stream = b"".join(items)
    assert events_of(stream, mask_of(*USERS)) == stream
    assert events_of(stream, bytes(4096)) == mark(1) + mark(2) + mark(3)
    wanted = mark(1) + event(5, "bob") + mark(2) + event(6, "bob") + mark(3)
    assert events_of(memoryview(stream), mask_of("bob")) == wanted
    assert events_of(b"", mask_of()) == b""


def test_what_is_no_stream_or_no_mask_is_refused() -> None:
    stream = mark(1) + event(5, "ann")
    for size in (*range(1, 24), *range(25, len(stream))):
        with pytest.raises(ValueError, match="cut short"):
            events_of(stream[:size], mask_of("ann"))
    with pytest.raises(ValueError, match="mask of 4095 bytes"):
        events_of(stream, bytes(4095))
