"""JSON to msgpack, against the json module and the msgpack package."""

import json
import locale
import math
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from augenblick.limits import nesting_depth_max
from augenblick_native.json import to_msgpack
from augenblick_native.status import STATUS_NAMES, ScanError

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=40,
)
PIECES = st.sampled_from(
    [*'{}[]:,"\\/-+.eE0123456789 \t\r\nabfnrtux', "true", "false", "null", "NaN", "Infinity"]
    + ["\\u00e9", "\\ud83d", "\\ude00", "é", "😀", "\x00", "\x1f", "\x7f", '"a"', "1e5", "0.5"]
)


def refusal(text: str | bytes) -> str:
    with pytest.raises(ScanError) as refused:
        to_msgpack(text.encode() if isinstance(text, str) else text)
    assert refused.value.offset == 0
    return STATUS_NAMES[refused.value.status]


def expected(text: str) -> bytes | None:
    """What the json module and msgpack make of the text; None where we refuse it."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(number)
        return float(number)

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=finite)
        return msgpack.packb(value)
    except (ValueError, OverflowError, UnicodeEncodeError):
        return None


def check(text: str) -> None:
    """We read the text as they do, or refuse it where they do; a later equal key wins in both."""
    wanted = expected(text)
    if wanted is None:
        refusal(text)
        return
    found = to_msgpack(text.encode())
    assert found == wanted or msgpack.packb(msgpack.unpackb(found)) == wanted


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 2]))
def test_what_json_writes_is_read(value: Any, ascii_only: bool, indent: int | None):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert to_msgpack(text.encode()) == msgpack.packb(value)
    assert to_msgpack(b" \r\n\t" + text.encode() + b" \r\n\t") == msgpack.packb(value)


@given(st.lists(PIECES, max_size=12).map("".join))
@example("01")
@example("-")
@example("1.")
@example(".5")
@example("1e")
@example("-0")
@example("-0.0")
@example('"\\u12"')
@example("[1,]")
@example('{"a":1,}')
@example('{"a"}')
@example("{1:2}")
@example("")
@example(" ")
def test_the_same_texts_are_json(text: str):
    check(text)


@given(VALUES, st.data())
def test_no_other_texts_are_json(value: Any, data: st.DataObject):
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    piece = data.draw(PIECES | st.just(""))
    cut = data.draw(st.integers(0, 2))
    changed = text[:at] + piece + text[at + cut :]
    check(changed)


@given(VALUES.filter(lambda value: isinstance(value, list | dict | str)))
def test_each_shorter_text_is_refused(value: Any):
    text = json.dumps(value, ensure_ascii=False).encode()
    for size in range(len(text)):
        assert refusal(text[:size]) in {"bad_json", "bad_utf8"}


@given(FLOATS)
def test_floats_are_rounded_correctly(number: float):
    for text in (repr(number), f"{number:.20e}", f"{number:.3e}", f"{number:.17g}"):
        check(text)


@given(st.integers(0, 10**22), st.integers(-330, 310), st.sampled_from(["", "-"]))
def test_numbers_of_any_length(digits: int, exponent: int, sign: str):
    for text in (f"{sign}{digits}e{exponent}", f"{sign}{digits}.{digits}E{exponent:+}"):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993.0", "9007199254740992.0", "1e22", "1e23", "123456789012345678e-5",
        "2.2250738585072011e-308", "4.9406564584124654e-324", "1.7976931348623157e308", "1e-400",
        "0.1", "0.30000000000000004", "0e99999999999", "0.000000000000000000000000000001",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
    ],
)  # fmt: skip
def test_hard_numbers(text: str):
    assert to_msgpack(text.encode()) == msgpack.packb(float(text))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e309", "-1e309", "[NaN]"])
def test_numbers_are_finite(text: str):
    assert refusal(text) == "bad_number"


def test_integers_have_64_bits():
    for number in (0, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)):
        assert to_msgpack(str(number).encode()) == msgpack.packb(number)
    for number in (2**64, -(2**63) - 1, 10**20, 10**400):
        assert refusal(str(number)) == "bad_number"
    assert to_msgpack(b"-0") == b"\x00"


def test_a_number_may_be_long_but_not_endless():
    assert to_msgpack(b"0." + b"3" * 500) == msgpack.packb(0.3333333333333333)
    assert refusal(b"0." + b"3" * 600) == "bad_number"


def test_the_locale_does_not_matter():
    before = locale.setlocale(locale.LC_NUMERIC)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
            try:
                locale.setlocale(locale.LC_NUMERIC, name)
            except locale.Error:
                continue
            text = b"1.2345678901234567890123"
            assert to_msgpack(text) == msgpack.packb(1.2345678901234567890123)
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
        (r'"\u0041\u00e9\u20ac\ud83d\ude00\uD83D\uDE00"', "Aé€😀😀"),
        (r'"\u0000"', "\x00"),
        (r'"é\u00e9"', "éé"),
        (r'"\uffff\ud7ff\ue000"', "\uffff\ud7ff\ue000"),
    ],
)
def test_escapes(text: str, wanted: str):
    assert to_msgpack(text.encode()) == msgpack.packb(wanted)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r'"\ud83d"', "bad_utf8"), (r'"\ude00"', "bad_utf8"), (r'"\ud83d\u0041"', "bad_utf8"),
        (r'"\ud83dx"', "bad_utf8"), (b'"\xff"', "bad_utf8"), (b'"\xed\xa0\x80"', "bad_utf8"),
        (b'"\\n\xc3"', "bad_utf8"), (b'{"\xc3(":1}', "bad_utf8"),
        (r'"\x41"', "bad_json"), (r'"\u004"', "bad_json"), (r'"\u00g0"', "bad_json"),
        ('"a\nb"', "bad_json"), ('"\x00"', "bad_json"), (r'"\ud83d\u00"', "bad_json"),
        ("\ufeff1", "bad_json"), ("1 2", "bad_json"), ("'a'", "bad_json"), ("[1 2]", "bad_json"),
        ("nul", "bad_json"), ("[1}", "bad_json"), ("]", "bad_json"), ("\x0b1", "bad_json"),
    ],
)  # fmt: skip
def test_refusals(text: str | bytes, reason: str):
    assert refusal(text) == reason


@pytest.mark.parametrize("size", [0, 1, 31, 32, 255, 256, 65535, 65536, 70_000])
def test_every_header_is_the_shortest(size: int):
    assert to_msgpack(b'"' + b"x" * size + b'"') == msgpack.packb("x" * size)
    escaped = b'"' + b"\\u0041" * size + b'"'
    assert to_msgpack(escaped) == msgpack.packb("A" * size)
    for value in ([0] * size, {str(key): [key] for key in range(size)}):
        assert to_msgpack(json.dumps(value).encode()) == msgpack.packb(value)


def test_containers_that_grow_inside_each_other():
    value = {str(key): [{"inner": list(range(20))}] * 17 for key in range(16)}
    assert to_msgpack(json.dumps([value] * 40).encode()) == msgpack.packb([value] * 40)


def test_keys_that_stand_twice_go_on_as_they_are():
    assert to_msgpack(b'{"a":1,"a":2}') == b"\x82\xa1a\x01\xa1a\x02"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_bounded(opening: str, closing: str):
    good = opening * nesting_depth_max + "1" + closing * nesting_depth_max
    assert to_msgpack(good.encode()) == expected(good)
    deep = nesting_depth_max + 1
    assert refusal(opening * deep + "1" + closing * deep) == "too_deep"
    assert refusal(opening * 10_000 + closing * 10_000) == "too_deep"


def test_other_buffers_are_read():
    assert to_msgpack(bytearray(b"1")) == to_msgpack(memoryview(b"1")) == b"\x01"
