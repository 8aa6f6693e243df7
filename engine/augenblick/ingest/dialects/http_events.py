"""`POST /v1/events`: a body to a chunk of events, and what became of each to the answer.

The body is JSON (one event, an array, or lines: NDJSON) or msgpack (one map, an array of maps, or
maps one after the other), plain or gzip. What it is shows in its first byte, because clients send
wrong content types: no JSON text begins with a byte from 0x80 on, every msgpack map and array does.
"""

import json
from collections.abc import Sequence

from augenblick.binding import scanning
from augenblick.errors import LimitExceeded, ProtocolError, ScanError
from augenblick.ingest.dialects._chunk import Chunk
from augenblick.ingest.dialects._framing import Buffer, read_header
from augenblick.ingest.dialects._inflate import GZIP_MAGIC, inflate
from augenblick.limits import chunk_id_bytes_max, frame_bytes_max

_SPACE = b" \t\r\n"
_UTF8_MARK = b"\xef\xbb\xbf"
_ARRAY_FIRST_BYTES = frozenset((*range(0x90, 0xA0), 0xDC, 0xDD))
_MAP_FIRST_BYTES = frozenset((*range(0x80, 0x90), 0xDE, 0xDF))


def parse_body(body: Buffer, *, chunk_id: bytes = b"") -> Chunk:
    """The events of a request. `chunk_id` is the client's idempotency key, empty for none.

    Raises LimitExceeded (413) or another ProtocolError (400) when the body as a whole cannot be
    read; an event that cannot is refused on its own later.
    """
    if len(chunk_id) > chunk_id_bytes_max:
        raise ProtocolError(f"an idempotency key of {len(chunk_id)} bytes", reason="bad_request")
    if body[:2] == GZIP_MAGIC:
        body = inflate(body)
    if len(body) > frame_bytes_max:
        raise LimitExceeded(
            f"a body of {len(body)} bytes; the bound is {frame_bytes_max}", reason="too_large"
        )
    start = len(_UTF8_MARK) if body[:3] == _UTF8_MARK else 0
    while start < len(body) and body[start] in _SPACE:
        start += 1
    if start == len(body):
        raise ProtocolError("an empty body", reason="empty")
    first = body[start]
    if first in _MAP_FIRST_BYTES:
        return Chunk(scanning.RECORDS, body, start, len(body), chunk=chunk_id)
    if first in _ARRAY_FIRST_BYTES:
        return _array(body, start, chunk_id)
    if first == ord("["):
        with memoryview(body) as view:
            return _array(_transcode(view[start:]), 0, chunk_id)
    if first == ord("{"):
        return _objects(body, start, chunk_id)
    raise ProtocolError("the body is neither JSON nor msgpack", reason="bad_json")


def encode_answer(results: Sequence[str | None]) -> bytes:
    """The JSON answer: how many events were accepted, and why each of the others was refused."""
    refused = [
        {"index": index, "reason": reason}
        for index, reason in enumerate(results)
        if reason is not None
    ]
    answer = {"accepted": len(results) - len(refused), "refused": refused}
    return json.dumps(answer, separators=(",", ":")).encode()


def _objects(body: Buffer, start: int, chunk_id: bytes) -> Chunk:
    """One JSON object, which may span lines, or one per line."""
    if body.find(b"\n", start) >= 0:
        try:
            with memoryview(body) as view:
                record = scanning.to_msgpack(view[start:])
        except ScanError:
            pass
        else:
            return Chunk(scanning.RECORDS, record, 0, len(record), chunk=chunk_id)
    return Chunk(scanning.NDJSON, body, start, len(body), chunk=chunk_id)


def _transcode(text: memoryview) -> bytes:
    try:
        return scanning.to_msgpack(text)
    except ScanError as error:
        raise ProtocolError(f"the array is no JSON: {error}", reason=error.reason) from None


def _array(data: Buffer, start: int, chunk_id: bytes) -> Chunk:
    """The elements of one msgpack array that is all of the data."""
    try:
        end = scanning.skip(data, start, len(data))
    except ScanError as error:
        raise ProtocolError(f"not msgpack: {error}", reason=error.reason) from None
    if end != len(data):
        raise ProtocolError(
            "the array is cut off" if end < 0 else "there is something after the array",
            reason="truncated" if end < 0 else "bad_msgpack",
        )
    header = read_header(data, start, end)
    assert header is not None
    return Chunk(scanning.RECORDS, data, header[2], end, chunk=chunk_id)
