"""Reading msgpack in place, against the msgpack package."""

import math
import struct
from typing import Any

import msgpack
import pytest
from augenblick_native._testing import decimal, is_text, value, walk
from hypothesis import given
from hypothesis import strategies as st

from augenblick.limits import nesting_depth_max

INTEGERS = st.integers(-(2**63), 2**64 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)
FINITE = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)  # fmt: skip
WAYS = ["skip", "frame", "nested", "check"]
EDGES = [0, 1, 31, 32, 33, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**63 - 1]


def nested(levels: int, inside: bytes = b"\xc0") -> bytes:
    return b"\x91" * levels + inside


@given(VALUES, st.binary(max_size=8))
def test_a_value_ends_where_it_ends(wanted: Any, behind: bytes):
    data = msgpack.packb(wanted)
    for how in ("skip", "frame", "nested"):
        assert walk(data + behind, how) == ("ok", len(data))


@given(FINITE)
def test_finite_numbers_and_text_pass_the_check(wanted: Any):
    data = msgpack.packb(wanted)
    assert walk(data, "check") == ("ok", len(data))


@given(VALUES)
def test_each_shorter_form_is_truncated(wanted: Any):
    data = msgpack.packb(wanted)
    for size in range(len(data)):
        for how in ("skip", "frame", "nested"):
            assert walk(data[:size], how)[0] == "truncated"


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_status_inside_the_data(data: bytes):
    for how in WAYS:
        status, offset = walk(data, how)
        assert status in {"ok", "truncated", "bad_msgpack", "too_deep", "bad_utf8", "bad_number"}
        assert 0 <= offset <= len(data)
    status, offset = walk(data, "nested")
    if status == "ok":
        unpacker = msgpack.Unpacker(
            strict_map_key=False, raw=True, ext_hook=lambda *_: None, object_pairs_hook=list
        )
        unpacker.feed(data)
        unpacker.skip()
        assert unpacker.tell() == offset


@given(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats())
def test_scalars_are_read(wanted: Any):
    data = msgpack.packb(wanted)
    status, found, offset = value(data)
    assert (status, offset) == ("ok", len(data))
    assert type(found) is type(wanted)
    assert found == wanted or math.isnan(wanted)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("sign", [1, -1])
def test_integers_at_the_edges_of_their_forms(edge: int, sign: int):
    for number in (sign * edge, sign * edge - 1):
        assert value(msgpack.packb(number))[1] == number
        assert decimal(number) == str(number).encode()


def test_float32_is_read():
    assert value(b"\xca" + struct.pack(">f", 1.5)) == ("ok", 1.5, 5)


def test_compounds_and_big_integers_are_views():
    for wanted in ([1, [2]], {"a": 1}, b"bytes", 2**64 - 1):
        data = msgpack.packb(wanted)
        assert value(data + b"\x01") == ("ok", data, len(data))


@pytest.mark.parametrize(
    ("how", "levels"),
    [("skip", nesting_depth_max), ("check", nesting_depth_max), ("frame", nesting_depth_max + 8)],
)
def test_depth_is_bounded(how: str, levels: int):
    assert walk(nested(levels), how) == ("ok", levels + 1)
    assert walk(nested(levels + 1), how)[0] == "too_deep"
    assert walk(nested(10_000), how)[0] == "too_deep"
    assert walk(b"\x81\xa1a" * 10_000 + b"\xc0", how)[0] == "too_deep"


def test_the_end_of_a_deep_value_is_found():
    assert walk(nested(10_000) + b"\x01", "nested") == ("ok", 10_001)
    assert walk(nested(10_000, b""), "nested")[0] == "truncated"


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("head", [0xC6, 0xC9, 0xDB, 0xDD, 0xDF])
def test_a_huge_announced_length_is_truncated_at_once(how: str, head: int):
    assert walk(bytes([head]) + b"\xff\xff\xff\xff" + b"abc", how)[0] == "truncated"
    assert walk(b"\x92" + bytes([head]) + b"\xff\xff\xff\xff", how)[0] == "truncated"


@pytest.mark.parametrize("how", WAYS)
def test_the_reserved_byte_is_refused(how: str):
    assert walk(b"\xc1", how)[0] == "bad_msgpack"
    assert walk(b"\x92\x01\xc1", how)[0] == "bad_msgpack"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(number: float):
    assert walk(msgpack.packb([number]), "check")[0] == "bad_number"
    assert walk(msgpack.packb([number], use_single_float=True), "check")[0] == "bad_number"


@given(st.binary(max_size=40))
def test_utf8_as_python_decodes_it(data: bytes):
    try:
        data.decode()
    except UnicodeDecodeError:
        assert not is_text(data)
    else:
        assert is_text(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
        b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xe2\x82", b"12345678\xf0\x9f\x92",
    ],
)  # fmt: skip
def test_malformed_utf8(data: bytes):
    assert not is_text(data)
    assert not is_text(b"abcdefgh" + data + b"abcdefgh")
    assert walk(b"\xd9" + bytes([len(data)]) + data, "check")[0] == "bad_utf8"


@given(st.text(max_size=40))
def test_text_is_utf8(text: str):
    assert is_text(text.encode())
