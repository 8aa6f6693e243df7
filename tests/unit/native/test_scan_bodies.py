"""The body handed on: the event's own bytes, without null fields, with the tag in its context."""

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.native.routing import (
    NOW,
    body_of,
    event,
    events_of,
    new_router,
    pack,
    route,
    take_items,
)

from augenblick.binding.scanning import ENTRIES, NDJSON, RECORDS

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)
MAPS = st.dictionaries(st.text(max_size=9) | st.just("stream"), JSON, max_size=20)
EVENTS = st.fixed_dictionaries(
    {"user": st.text(min_size=1, max_size=20) | st.integers(-(2**63), 2**63 - 1)},
    optional={
        "time": st.integers(NOW - 10**9, NOW) | st.none(),
        "id": st.text(min_size=1, max_size=20) | st.integers(0, 10**9) | st.none(),
        "session": st.text(min_size=1, max_size=9) | st.none(),
        "props": MAPS | st.none(),
        "context": MAPS | st.none(),
        "consent": st.lists(st.text(max_size=9), max_size=3) | st.none(),
        "more": JSON,
        "x" * 40: JSON,
    },
).flatmap(
    lambda record: st.permutations([*record.items(), ("event", "view")]).map(dict)
)  # fmt: skip
OWN = {"user", "event", "time", "id", "session", "props", "context", "consent"}


def expected(record: dict[str, Any], tag: str) -> dict[str, Any]:
    body = {name: value for name, value in record.items() if value is not None or name not in OWN}
    if tag:
        body["context"] = {**(body.get("context") or {}), "stream": tag}
    return body


@given(EVENTS, st.sampled_from(["", "app", "t" * 40, "é" * 100]))
def test_the_body(record: dict[str, Any], tag: str):
    assert body_of(record, tag=tag.encode()) == expected(record, tag)
    assert body_of([1, record], format=ENTRIES, tag=tag.encode()) == expected(record, tag)


@given(EVENTS, st.sampled_from([b"", b"app.web"]))
def test_a_file_and_a_client_give_the_same_bytes(record: dict[str, Any], tag: bytes):
    streams = []
    for data, format_ in [(pack(record), RECORDS), (json.dumps(record).encode(), NDJSON)]:
        router = new_router()
        assert route(router, data, format_, tag=tag).refused == []
        streams.append(router.take(0))
    assert streams[0] == streams[1]


@given(EVENTS)
def test_without_a_tag_the_bytes_are_the_clients(record: dict[str, Any]):
    record = {name: value for name, value in record.items() if value is not None}
    router = new_router()
    route(router, pack(record))
    [found] = events_of(take_items(router))
    assert found.body == pack(record)


@pytest.mark.parametrize("pairs", [13, 14, 15, 16, 17])
@pytest.mark.parametrize("context", [None, {}, {"a": 1}, {"stream": "old", "a": 1}, "many"])
def test_headers_grow_with_the_tag(pairs: int, context: Any):
    if context == "many":
        context = {str(key): key for key in range(15)}
    record = event(**{f"more{number}": number for number in range(pairs - 3)}, context=context)
    for tag in ("", "s"):
        assert body_of(record, tag=tag.encode()) == expected(record, tag)


def test_the_stream_of_the_context_is_replaced_where_it_stands():
    for context in (
        {"stream": "a"}, {"stream": {"b": [1]}, "z": 1}, {"a": 1, "stream": None}, {"a": 1},
        {"a": 1, "stream": "x", "z": "y"},
    ):  # fmt: skip
        body = body_of(event(context=context, props={"stream": 1}), tag=b"new")
        assert body["context"] == {**context, "stream": "new"}
        assert body["props"] == {"stream": 1}


def test_a_context_with_two_streams_is_refused():
    context = b"\x82" + pack("stream", 1, "stream", 2)
    data = pack(event(context="#")).replace(b"\xa1#", context)
    routed = route(new_router(), data, tag=b"t")
    assert [status for *_, status in routed.refused] != []


def test_other_forms_of_headers_go_on_as_they_are():
    text = "view"
    data = b"\xdf\x00\x00\x00\x02" + pack("user") + b"\xdb\x00\x00\x00\x01u" + pack("event", text)
    router = new_router()
    route(router, data)
    [found] = events_of(take_items(router))
    assert found.body == data
    assert found.record == {"user": "u", "event": "view"}
    route(router, data, tag=b"t")
    [found] = events_of(take_items(router))
    assert found.record == {"user": "u", "event": "view", "context": {"stream": "t"}}


def test_nothing_of_one_event_is_left_in_the_next():
    data = pack(event(context={"stream": 1}, id="i", props={"a": 1}), event(user="u2"), event())
    router = new_router()
    route(router, data, tag=b"t")
    bodies = [found.record for found in events_of(take_items(router))]
    assert bodies[1] == {**event(user="u2"), "context": {"stream": "t"}}
    assert bodies[2] == {**event(), "context": {"stream": "t"}}
    assert msgpack.packb(bodies[0]["props"]) == pack({"a": 1})
