"""The Python face of the native scanner."""

import msgpack
import pytest

from augenblick.binding import scanning
from augenblick.errors import Blame, ProtocolError, ScanError


def test_the_formats_are_numbers_of_the_native_router():
    assert [*scanning.Format] == [scanning.ENTRIES, scanning.RECORDS, scanning.NDJSON] == [0, 1, 2]


def test_skip_finds_the_end_of_a_value():
    data = b"--" + msgpack.packb(["tag", [[1, {"a": 1}]]]) + b"\x05"
    assert scanning.skip(data, 2, len(data)) == len(data) - 1
    assert scanning.skip(bytearray(data), len(data) - 1, len(data)) == len(data)
    assert scanning.skip(memoryview(data), 2, 2) == -1
    for end in range(2, len(data) - 1):
        assert scanning.skip(data, 2, end) == -1
    assert scanning.skip(b"", 0, 0) == -1


def test_skip_allows_an_event_inside_a_message():
    event = b"\x91" * 32 + b"\xc0"
    assert scanning.skip(b"\x92\xa1t\x91\x92\x00" + event, 0, 39) == 39
    with pytest.raises(ScanError) as refused:
        scanning.skip(b"\x91" * 10_000, 0, 10_000)
    assert refused.value.reason == "too_deep"


def test_skip_refuses_what_is_no_msgpack():
    with pytest.raises(ScanError) as refused:
        scanning.skip(b"\x01\x92\x01\xc1", 1, 4)
    assert (refused.value.reason, refused.value.offset) == ("bad_msgpack", 1)
    assert scanning.STATUS_NAMES[refused.value.status] == "bad_msgpack"
    assert str(refused.value) == "bad_msgpack at byte 1"
    assert isinstance(refused.value, ProtocolError)
    assert refused.value.blame is Blame.PEER


@pytest.mark.parametrize(("offset", "end"), [(1, 0), (0, 2), (2, 2)])
def test_a_range_outside_the_data_is_our_mistake(offset: int, end: int):
    with pytest.raises(ValueError, match="no range"):
        scanning.skip(b"\x01", offset, end)


def test_to_msgpack():
    assert scanning.to_msgpack(b' {"a": [1, 2.5]} ') == msgpack.packb({"a": [1, 2.5]})
    with pytest.raises(ScanError) as refused:
        scanning.to_msgpack(b"[NaN]")
    assert refused.value.reason == "bad_number"
