"""Decompress a gzip of a stranger: bounded in size and ratio, in steps, so that no bomb opens."""

import zlib

from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.limits import frame_bytes_max, inflate_ratio_free_bytes_max, inflate_ratio_max

GZIP_MAGIC = b"\x1f\x8b"
_STEP_BYTES = 256 * 1024


def inflate(data: bytes | bytearray | memoryview) -> bytes:
    """The content of one gzip stream, or of several one after the other.

    Raises ProtocolError (reason `bad_gzip`) for damaged or truncated input and LimitExceeded
    (reason `inflate_too_large`) as soon as the output passes a bound; no more than one step
    beyond the bound is ever held.
    """
    ratio_bytes_max = max(inflate_ratio_free_bytes_max, len(data) * inflate_ratio_max)
    bytes_max = min(frame_bytes_max, ratio_bytes_max)
    parts: list[bytes] = []
    size_bytes = 0
    rest: bytes | bytearray | memoryview = data
    while rest:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not member.eof:
            try:
                part = member.decompress(rest, _STEP_BYTES)
            except zlib.error as error:
                raise ProtocolError(f"damaged gzip: {error}", reason="bad_gzip") from error
            rest = member.unconsumed_tail
            size_bytes += len(part)
            if size_bytes > bytes_max:
                raise LimitExceeded(
                    f"gzip of {len(data)} bytes holds more than {bytes_max}",
                    reason="inflate_too_large",
                )
            parts.append(part)
            if not part and not rest and not member.eof:
                raise ProtocolError("truncated gzip", reason="bad_gzip")
        rest = member.unused_data
    return b"".join(parts)
