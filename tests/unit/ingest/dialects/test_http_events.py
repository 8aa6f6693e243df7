"""Bodies of POST /v1/events in every form, routed by the real router."""

import gzip
import json

import msgpack
import pytest
from tests.unit.native.routing import events_of, new_router, take_items

from augenblick.binding.scanning import STATUS_NAMES, Source
from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.ingest.dialects.http_events import encode_answer, parse_body
from augenblick.limits import chunk_id_bytes_max, frame_bytes_max

ONE = {"user": "u1", "event": "view", "time": 1_700_000_000_000}
TWO = {"user": 2, "event": "buy", "time": 1_700_000_000_001, "props": {"text": "line\nbreak"}}
BAD = {"event": "view"}


def route(body: bytes) -> tuple[list[dict], list[tuple[int, str]]]:
    """(events routed, (index, reason) refused)."""
    chunk = parse_body(body)
    router = new_router()
    routed = router.route(
        chunk.data, chunk.start, chunk.end, chunk.format, Source(), 1_700_000_000_500
    )
    refused = [(index, STATUS_NAMES[status]) for index, _, _, status in routed.refused]
    return [event.record for event in events_of(take_items(router))], refused


def lines(*events: object) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


FORMS = {
    "one": json.dumps(ONE).encode(),
    "one over lines": json.dumps(ONE, indent=2).encode(),
    "with space and mark": b"\xef\xbb\xbf \r\n\t" + json.dumps(ONE).encode() + b"\n",
    "array of one": json.dumps([ONE]).encode(),
    "one line": lines(ONE) + b"\n",
    "msgpack": msgpack.packb(ONE),
    "msgpack array": msgpack.packb([ONE]),
    "gzip": gzip.compress(json.dumps(ONE).encode()),
    "gzip msgpack": gzip.compress(msgpack.packb([ONE])),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_event(form):
    assert route(FORMS[form]) == ([ONE], [])


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([ONE, BAD, TWO]).encode(),
        json.dumps([ONE, BAD, TWO], indent=1).encode(),
        lines(ONE, BAD, TWO),
        b"\r\n".join([lines(ONE), b"", lines(BAD), lines(TWO), b" "]),
        msgpack.packb([ONE, BAD, TWO]),
        b"".join(map(msgpack.packb, (ONE, BAD, TWO))),
        bytearray(gzip.compress(lines(ONE, BAD, TWO))),
    ],
)
def test_several_events_one_of_them_bad(body):
    assert route(body) == ([ONE, TWO], [(1, "no_user")])


def test_a_line_that_is_no_json_is_refused_alone():
    assert route(lines(ONE) + b"\n{bad}\n" + lines(TWO)) == ([ONE, TWO], [(1, "bad_json")])
    assert route(b'{"user": NaN}') == ([], [(0, "bad_number")])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"hello", "bad_json"),
        (b"5", "bad_json"),
        (b"[1, 2", "bad_json"),
        (b'[{"user": 1e999}]', "bad_number"),
        (b"\x92\x80", "truncated"),
        (b"\x91\x80\x80", "bad_msgpack"),
        (b"\x92\x80\xc1", "bad_msgpack"),
        (b"\xdd\xff\xff\xff\xff", "truncated"),
        (b"\x91" * 10_000, "too_deep"),
        (b"[" * 10_000, "too_deep"),
        (b"\x1f\x8bnot gzip", "bad_gzip"),
    ],
)
def test_bodies_that_cannot_be_read(body, reason):
    with pytest.raises(ProtocolError) as caught:
        parse_body(body)
    assert caught.value.reason == reason


def test_bounds():
    with pytest.raises(LimitExceeded):
        parse_body(bytes(frame_bytes_max + 1))
    with pytest.raises(LimitExceeded):
        parse_body(gzip.compress(bytes(frame_bytes_max)))
    with pytest.raises(ProtocolError):
        parse_body(FORMS["one"], chunk_id=b"x" * (chunk_id_bytes_max + 1))


def test_the_idempotency_key_is_the_chunk_id():
    for form in FORMS.values():
        assert parse_body(form, chunk_id=b"key").chunk == b"key"


def test_answer():
    assert json.loads(encode_answer([None, "no_user", None])) == {
        "accepted": 2,
        "refused": [{"index": 1, "reason": "no_user"}],
    }
    assert json.loads(encode_answer([])) == {"accepted": 0, "refused": []}
