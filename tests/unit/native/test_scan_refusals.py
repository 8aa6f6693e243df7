"""Every reason for which the router refuses an event, and that a refused one hurts no other."""

import json
import math
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from tests.unit.native.routing import (
    NOW,
    PROGRAM,
    event,
    events_of,
    new_router,
    pack,
    reasons,
    refusal,
    route,
    take_items,
)

from augenblick import limits
from augenblick.binding.scanning import ENTRIES, NDJSON, RECORDS, STATUS_NAMES
from augenblick_native import scan

REFUSE_UNKNOWN = replace(PROGRAM, unknown_events_refused=True)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_native_bounds_are_those_of_limits():
    assert {name: getattr(limits, name) for name in scan.LIMITS} == scan.LIMITS


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"user": 7}, {"user": -(2**63)}, {"user": 2**63 - 1}, {"user": "é" * 128},
        {"user": "x" * 256}, {"event": "x" * 128}, {"event": "sessions"}, {"event": "vip2"},
        {"time": -2_208_988_800_000}, {"time": float(NOW)}, {"time": ...}, {"time": None},
        {"id": "x"}, {"id": 0}, {"id": -5}, {"id": None}, {"id": "x" * 128},
        {"session": "s"}, {"session": 3}, {"session": None}, {"session": "x" * 128},
        {"props": {}}, {"props": None}, {"props": {"a": [1, {"b": None}]}},
        {"props": {str(key): key for key in range(1024)}},
        {"context": {}}, {"context": None}, {"context": {"stream": 5, "ip": "::1"}},
        {"context": {str(key): key for key in range(256)}},
        {"consent": []}, {"consent": ["ads", "mail"]}, {"consent": None},
        {"anything": {"else": [1.5, True, "x"]}}, {"props": {"deep": deep(30)}},
        {"props": {"": 2**64 - 1}},
    ],
    ids=str,
)  # fmt: skip
def test_good_events(fields: dict[str, Any]):
    assert refusal(event(**fields)) is None


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("no_user", {"user": ...}), ("no_user", {"user": None}),
        ("bad_user", {"user": ""}), ("bad_user", {"user": 1.5}), ("bad_user", {"user": True}),
        ("bad_user", {"user": ["u"]}), ("bad_user", {"user": {"id": "u"}}),
        ("bad_user", {"user": 2**63}),
        ("user_too_long", {"user": "x" * 257}), ("user_too_long", {"user": "x" * 1_000_000}),
        ("no_event", {"event": ...}), ("no_event", {"event": None}),
        ("bad_event", {"event": ""}), ("bad_event", {"event": 5}), ("bad_event", {"event": ["v"]}),
        ("event_too_long", {"event": "x" * 129}),
        ("reserved_event", {"event": "session"}), ("reserved_event", {"event": "context"}),
        ("reserved_event", {"event": "session.start"}),
        ("reserved_event", {"event": "session.end"}),
        ("reserved_event", {"event": "vip"}), ("reserved_event", {"event": "vip.enters"}),
        ("reserved_event", {"event": "vip.leaves"}),
        ("bad_time", {"time": "2024-01-01"}), ("bad_time", {"time": NOW + 0.5}),
        ("bad_time", {"time": True}), ("bad_time", {"time": []}),
        ("time_range", {"time": -2_208_988_800_001}), ("time_range", {"time": 7_258_118_400_000}),
        ("time_range", {"time": -62_135_596_800_000}),
        ("time_range", {"time": 253_370_764_800_000}),
        ("time_range", {"time": 2**64 - 1}), ("time_range", {"time": 1e300}),
        ("time_range", {"time": -1e300}), ("time_range", {"time": 1e15}),
        ("future", {"time": NOW + 300_001}), ("future", {"time": 7_258_118_399_999}),
        ("bad_id", {"id": ""}), ("bad_id", {"id": 1.0}), ("bad_id", {"id": {}}),
        ("bad_id", {"id": 2**63}), ("id_too_long", {"id": "x" * 129}),
        ("bad_session", {"session": ""}), ("bad_session", {"session": []}),
        ("bad_session", {"session": "x" * 129}),
        ("bad_props", {"props": []}), ("bad_props", {"props": "x"}), ("bad_props", {"props": 0}),
        ("bad_props", {"props": {str(key): key for key in range(1025)}}),
        ("bad_context", {"context": []}), ("bad_context", {"context": 1}),
        ("bad_context", {"context": {str(key): key for key in range(257)}}),
        ("bad_consent", {"consent": "ads"}), ("bad_consent", {"consent": {}}),
        ("bad_consent", {"consent": [1]}), ("bad_consent", {"consent": [["ads"]]}),
        ("bad_number", {"props": {"a": math.nan}}), ("bad_number", {"x": [math.inf]}),
        ("bad_number", {"time": -math.inf}),
        ("too_deep", {"props": {"deep": deep(31)}}), ("too_deep", {"x": deep(32)}),
        ("too_large", {"props": {"text": "x" * 262_144}}),
        ("too_large", {"props": {"text": "x" * 10_000_000}}),
        ("bad_msgpack", {"props": {"raw": b"bytes"}}),
        ("bad_msgpack", {"x": msgpack.ExtType(5, b"")}),
        ("bad_msgpack", {"props": {1: 2}}), ("bad_msgpack", {"x": {"y": {None: 1}}}),
        ("bad_msgpack", {"user": b"u1"}),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_each_reason(reason: str, fields: dict[str, Any]):
    assert refusal(event(**fields)) == reason


@pytest.mark.parametrize("level", [b"\x91", b"\x81\xa1k"])
def test_ten_thousand_levels_hurt_no_other_event(level: bytes):
    head, _, tail = pack(event(props="#")).partition(b"\xa1#")
    bad = head + level * 10_000 + b"\x80" + tail
    routed = route(new_router(), pack(event()) + bad + pack(event()))
    assert (reasons(routed), routed.events) == (
        ["too_deep" if level == b"\x81\xa1k" else "bad_props"],
        2,
    )


@pytest.mark.parametrize("record", [1, None, "text", [1, 2], [], True, 2.5], ids=str)
def test_not_a_map(record: Any):
    assert refusal(record) == "not_a_map"
    assert refusal(json.dumps(record).encode(), format=NDJSON) == "not_a_map"
    assert refusal([1, record], format=ENTRIES) == "not_a_map"


def test_unknown_events_where_the_plan_refuses_them():
    assert refusal(event(event="new")) is None
    assert refusal(event(event="new"), REFUSE_UNKNOWN) == "unknown_event"
    assert refusal(event(event="views"), REFUSE_UNKNOWN) == "unknown_event"
    assert refusal(event(event="view"), REFUSE_UNKNOWN) is None
    assert refusal(event(event="vip"), REFUSE_UNKNOWN) == "reserved_event"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("user", "bad_user"), ("event", "bad_event"), ("time", "bad_time"), ("id", "bad_id"),
        ("session", "bad_session"), ("props", "bad_props"), ("context", "bad_context"),
        ("consent", "bad_consent"),
    ],
)  # fmt: skip
def test_an_own_field_stands_once(name: str, reason: str):
    values: dict[str, Any] = {
        **event(), "id": "a", "session": "b", "props": {}, "context": {}, "consent": [],
    }  # fmt: skip
    pairs = [*values.items(), (name, values[name])]
    data = bytes([0x80 | len(pairs)]) + b"".join(pack(key, value) for key, value in pairs)
    assert refusal(data) == reason
    doubly_null = [*((key, value) for key, value in values.items() if key != name)]
    doubly_null += [(name, None), (name, None)]
    data = bytes([0x80 | len(doubly_null)]) + b"".join(pack(*pair) for pair in doubly_null)
    assert refusal(data) == reason


def test_bad_utf8_anywhere():
    for field in ("user", "event", "id", "session", "x"):
        assert refusal(pack(event(**{field: "####"})).replace(b"####", b"a\xff\xfeb")) == "bad_utf8"
    for value in ({"props": {"####": 1}}, {"context": {"a": ["####"]}}, {"####": 1}):
        assert refusal(pack(event(**value)).replace(b"####", b"\xed\xa0\x80b")) == "bad_utf8"
    assert refusal(b'{"user":"\xff","event":"view"}', format=NDJSON) == "bad_utf8"


def test_time_without_which_nothing_goes_where_it_is_required():
    router = new_router()
    router.time_required = True
    assert reasons(route(router, pack(event(time=...)))) == ["no_time"]
    assert reasons(route(router, pack(event(time=None)))) == ["no_time"]
    assert reasons(route(router, pack([NOW // 1000, event(time=...)]), ENTRIES)) == []
    assert reasons(route(router, pack(event(time=...)), carrier_ms=NOW)) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"user":"u","event":"view"', "bad_json"), (b"}", "bad_json"), (b"NaN", "bad_number"),
        (b'{"user":"u","event":"view","time":1e400}', "bad_number"),
        (b'{"user":"u","event":"view","x":123456789012345678901}', "bad_number"),
        (b'{"user":"\\ud800","event":"view"}', "bad_utf8"),
        (b"[" * 10_000, "too_deep"), (b'{"event":"view"}', "no_user"),
        (b'{"user":"u","event":"view","props":{"text":"' + b"x" * 270_000 + b'"}}', "too_large"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_one_bad_line_refuses_itself(line: bytes, reason: str):
    good = json.dumps(event()).encode()
    data = b"\n".join([good, b"", line, b"  \t\r", good])
    router = new_router()
    routed = route(router, data, NDJSON)
    at = len(good) + 2
    assert routed.refused == [(1, at, at + len(line), STATUS_NAMES.index(reason))]
    assert routed.events == 2
    assert routed.consumed == len(data)


def test_lines_of_white_space_are_no_events():
    blanks = [bytes([byte]) for byte in range(256) if bytes([byte]).isspace()]
    data = b"\n".join([*blanks, b"", b" \t\v\f\r ", b"\x1c"])
    routed = route(new_router(), data, NDJSON)
    assert (routed.events, reasons(routed)) == (0, ["bad_json"])
    assert routed.refused[0][:2] == (0, len(data) - 1)


def test_refused_events_stand_between_accepted_ones():
    records = [event(user=f"u{number}") for number in range(6)]
    records[1]["event"] = ""
    records[4]["props"] = {"deep": deep(200)}
    parts = [pack(record) for record in records]
    router = new_router()
    routed = route(router, b"".join(parts))
    ends = [sum(map(len, parts[: index + 1])) for index in range(6)]
    assert routed.refused == [
        (1, ends[0], ends[1], STATUS_NAMES.index("bad_event")),
        (4, ends[3], ends[4], STATUS_NAMES.index("too_deep")),
    ]
    assert [one.record["user"] for one in events_of(take_items(router))] == ["u0", "u2", "u3", "u5"]


@pytest.mark.parametrize("format_", [RECORDS, ENTRIES])
def test_broken_msgpack_refuses_the_rest_as_one(format_: int):
    good = pack(event()) if format_ == RECORDS else pack([NOW // 1000, event()])
    for rest, reason in [(b"\xc1", "bad_msgpack"), (b"\x92\x01\xdf", "truncated")]:
        data = good * 2 + rest + good * 3
        router = new_router()
        routed = route(router, data, format_)
        if reason == "truncated":  # the broken header takes the next bytes as its own
            assert reasons(routed)[-1] in {"truncated", "bad_msgpack"}
        else:
            assert reasons(routed) == [reason]
        index, start, end, _ = routed.refused[-1]
        assert (routed.events, index, start, end) == (2, 2, len(good) * 2, len(data))
        assert routed.consumed == len(data)


@pytest.mark.parametrize("format_", [RECORDS, ENTRIES])
def test_truncated_at_every_byte(format_: int):
    record = event(id="i", session=5, props={"a": [1.5, {"b": "é" * 40}]}, consent=["x"])
    one = pack(record) if format_ == RECORDS else pack([NOW // 1000, record])
    for size in range(1, len(one)):
        routed = route(new_router(), one + one[:size], format_)
        assert reasons(routed) == ["truncated"]
        assert routed.refused[0][:3] == (1, len(one), len(one) + size)
        assert routed.events == 1


@pytest.mark.parametrize(
    "head", [b"\xdf\xff\xff\xff\xff", b"\xde\xff\xff", b"\x81\xdb\xff\xff\xff\xff", b"\x8f"]
)
def test_huge_announced_lengths(head: bytes):
    assert refusal(head + b"\xa1a") == "truncated"
    assert refusal(b"\x81\xa5props" + head) == "truncated"
    assert refusal(b"\x92\x01" + head, format=ENTRIES) == "truncated"


def test_entries_must_be_pairs():
    good = [NOW // 1000, event()]
    data = pack(good, [1], [1, event(), {}], 5, good)
    routed = route(new_router(), data, ENTRIES)
    assert reasons(routed) == ["bad_msgpack"] * 3
    assert routed.events == 2


def test_a_tag_that_cannot_be_kept_refuses_all_as_one():
    data = pack(event(), event())
    for tag, reason in [(b"\xff", "bad_utf8"), (b"x" * 257, "too_large")]:
        routed = route(new_router(), data, tag=tag)
        assert routed.refused == [(0, 0, len(data), STATUS_NAMES.index(reason))]
        assert routed.events == 0
    assert route(new_router(), b"", tag=b"\xff").refused == []


def test_the_largest_event_passes():
    empty = len(pack(event(props={"text": "x" * 65_536})))
    fits = event(props={"text": "x" * (65_536 + limits.event_bytes_max - empty)})
    assert len(pack(fits)) == limits.event_bytes_max
    assert refusal(fits, tag=b"x" * limits.tag_bytes_max) is None
    fits["props"]["text"] += "x"
    assert refusal(fits) == "too_large"


@pytest.mark.parametrize(
    ("bad", "form"), [(b"\x00", RECORDS), (b"\x00", ENTRIES), (b"x\n", NDJSON)]
)
def test_a_flood_of_bad_events_is_listed_to_a_bound(bad: bytes, form: int):
    data = bad * 100_000
    routed = route(new_router(), data, form)
    assert len(routed.refused) == limits.refusals_max + 1
    index, start, end, status = routed.refused[-1]
    assert index == limits.refusals_max
    assert (start, end) == (limits.refusals_max * len(bad), len(data))
    assert STATUS_NAMES[status] == "too_large"
    just_so = route(new_router(), bad * limits.refusals_max, form)
    assert len(just_so.refused) == limits.refusals_max
