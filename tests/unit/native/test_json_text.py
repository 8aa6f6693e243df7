"""msgpack to JSON text, against the json module."""

import json
import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augenblick.limits import frame_depth_max
from augenblick_native.json_text import to_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=40,
)


@given(VALUES)
def test_text_is_what_the_json_module_writes(value: Any) -> None:
    wanted = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert to_json(msgpack.packb(value)) == wanted.encode()


def test_every_character_that_needs_an_escape() -> None:
    text = "".join(map(chr, range(0x100))) + '"\\' * 9
    for start in range(12):
        piece = text[start:]
        assert json.loads(to_json(msgpack.packb(piece))) == piece


def test_short_floats_are_doubles() -> None:
    assert to_json(msgpack.packb(0.5, use_single_float=True)) == b"0.5"


@given(st.dictionaries(st.integers() | st.floats(allow_nan=False) | st.booleans(), st.none()))
def test_keys_that_are_no_text_become_it(value: dict[Any, None]) -> None:
    fitting = {key: None for key in value if not isinstance(key, int) or -(2**63) <= key < 2**64}
    if all(math.isfinite(key) for key in fitting):
        found = json.loads(to_json(msgpack.packb(fitting)), object_pairs_hook=list)
        assert [key for key, _ in found] == [json.dumps(key) for key in fitting]


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (msgpack.packb([math.nan]), "not finite"),
        (msgpack.packb({"a": -math.inf}), "not finite"),
        (msgpack.packb({math.inf: 1}), "not finite"),
        (msgpack.packb(b"raw"), "bytes"),
        (msgpack.packb({b"raw": 1}), "bytes"),
        (msgpack.packb(msgpack.ExtType(4, b"x")), "extension"),
        (b"\x91" * 100 + b"\xc0", "too deep"),
        (b"", "no msgpack"),
        (b"\x92\x01", "no msgpack"),
        (b"\xdd\xff\xff\xff\xff", "no msgpack"),
        (b"\xc1", "no msgpack"),
        (b"\x01\x01", "more than one"),
    ],
)
def test_what_no_json_can_hold_is_refused(packed: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        to_json(packed)


def test_the_deepest_message() -> None:
    packed = b"\x91" * frame_depth_max + b"\x01"
    assert json.loads(to_json(packed)) == msgpack.unpackb(packed)
    with pytest.raises(ValueError, match="too deep"):
        to_json(b"\x91" + packed)


@given(st.binary(max_size=64))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text = to_json(data)
    except ValueError:
        return
    json.loads(text)
