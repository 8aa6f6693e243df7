"""Events as PackedForward frames, ready for a socket; each frame asks for an acknowledgement."""

from collections.abc import Iterable, Iterator
from typing import Final

from augenblick_bench.harness.events import Block

ACK_BYTES: Final = 22  # {"ack": "16 hex digits"}
_TAG: Final = b"\xa5bench"


def frame(number: int, entries: bytes | memoryview, events: int, *, is_warm: bool = False) -> bytes:
    """[tag, entries as bin, {"chunk": number in 16 hex digits, "size": events, "warm": is_warm}].

    A warm frame builds state and fires nothing.
    """
    return b"".join(
        (
            b"\x93" + _TAG + b"\xc6" + len(entries).to_bytes(4, "big"),
            entries,
            b"\x83\xa5chunk\xb0%016x" % number,
            b"\xa4size\xce" + events.to_bytes(4, "big"),
            b"\xa4warm\xc3" if is_warm else b"\xa4warm\xc2",
        )
    )


def frames(
    blocks: Iterable[Block], events_per_frame: int, first: int = 0, *, is_warm: bool = False
) -> Iterator[bytes]:
    """The events of the blocks, so many to a frame (a block's last frame may have fewer)."""
    number = first
    for block in blocks:
        view = memoryview(block.data)
        start = 0
        for at in range(0, len(block), events_per_frame):
            last = min(at + events_per_frame, len(block))
            end = int(block.ends[last - 1])
            yield frame(number, view[start:end], last - at, is_warm=is_warm)
            number += 1
            start = end


def acked(answers: bytearray) -> list[int]:
    """Take the whole acknowledgements out of the bytes received: their frames' numbers."""
    count = len(answers) // ACK_BYTES
    numbers = [
        int(answers[at + ACK_BYTES - 16 : at + ACK_BYTES], 16)
        for at in range(0, count * ACK_BYTES, ACK_BYTES)
    ]
    del answers[: count * ACK_BYTES]
    return numbers
