"""Find where a msgpack object ends while it still arrives, without making objects of it."""

from augenblick.binding import scanning
from augenblick.errors import LimitExceeded
from augenblick.limits import frame_depth_max, frame_rescan_bytes_max

Buffer = bytes | bytearray


def read_header(data: Buffer, at: int, end: int) -> tuple[bool, int, int] | None:
    """(is a container, children or body bytes, offset after the header) of the object at `at`.

    None when not even the header is complete. Scalars of fixed size count as a body.
    """
    if at >= end:
        return None
    first = data[at]
    if first <= 0x7F or first >= 0xE0 or 0xC0 <= first <= 0xC3:
        return False, 0, at + 1
    if first <= 0x8F:
        return True, 2 * (first & 0x0F), at + 1
    if first <= 0x9F:
        return True, first & 0x0F, at + 1
    if first <= 0xBF:
        return False, first & 0x1F, at + 1
    if first in _FIXED_BYTES:
        return False, _FIXED_BYTES[first], at + 1
    length_bytes, extra_bytes, children = _COUNTED[first]
    body = at + 1 + length_bytes
    if body > end:
        return None
    count = int.from_bytes(data[at + 1 : body], "big")
    return children > 0, count * children if children else count + extra_bytes, body


# float, int and fixext kinds: first byte to the bytes behind it
_FIXED_BYTES = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
# kinds with a count: first byte to (bytes of the count, further bytes, children per unit)
_COUNTED = {
    0xC4: (1, 0, 0), 0xC5: (2, 0, 0), 0xC6: (4, 0, 0),
    0xC7: (1, 1, 0), 0xC8: (2, 1, 0), 0xC9: (4, 1, 0),
    0xD9: (1, 0, 0), 0xDA: (2, 0, 0), 0xDB: (4, 0, 0),
    0xDC: (2, 0, 1), 0xDD: (4, 0, 1), 0xDE: (2, 0, 2), 0xDF: (4, 0, 2),
}  # fmt: skip


class FrameWalker:
    """Walks one top-level object across reads; each byte is looked at a bounded number of times.

    A complete object costs one native skip. An incomplete one is entered level by level, so that
    its complete parts are not skipped again when more bytes come, and so that an announced length
    beyond `bytes_max` is refused before anything is reserved for it.
    """

    __slots__ = ("_bytes_max", "_left", "_walked_bytes", "wanted_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.reset()

    def reset(self) -> None:
        """Begin with a new object."""
        self._left = [1]  # objects still to come per open level, outermost first
        self._walked_bytes = 0
        self.wanted_bytes = 1  # the object is at least this long, as far as is known

    def find_end(self, data: Buffer, start: int, stop: int) -> int:
        """Offset after the object that begins at `start`, or -1 while it is incomplete.

        The bytes from `start` on must be those of the call before, with more behind them. After
        an end was found the walker stands at a new object. Raises ProtocolError when the bytes
        are no msgpack and LimitExceeded when the object is or announces to be too large or deep.
        """
        if stop - start < self.wanted_bytes:
            return -1
        at = start + self._walked_bytes
        left = self._left
        while True:
            while left and left[-1] == 0:
                left.pop()
            if not left:
                self._want(at - start)
                self.reset()
                return at
            after = scanning.skip(data, at, stop)
            if after >= 0:
                at = after
                left[-1] -= 1
            elif (entered := self._enter(data, start, at, stop)) >= 0:
                at = entered
            else:
                self._walked_bytes = at - start
                return -1

    def _enter(self, data: Buffer, start: int, at: int, stop: int) -> int:
        """Open the incomplete object at `at`: offset of its first child, or -1 to wait for more."""
        header = read_header(data, at, stop)
        if header is None:
            self._want(stop - start + 1)
            return -1
        is_container, count, body = header
        self._want(max(stop - start + 1, body - start + count))
        is_worth_it = len(self._left) == 1 or stop - at > frame_rescan_bytes_max
        if not is_container or not is_worth_it:
            return -1
        if len(self._left) >= frame_depth_max:
            raise LimitExceeded("nested too deep", reason="too_deep")
        self._left[-1] -= 1
        self._left.append(count)
        return body

    def _want(self, size_bytes: int) -> None:
        if size_bytes > self._bytes_max:
            raise LimitExceeded(
                f"a frame of {size_bytes} bytes or more; the bound is {self._bytes_max}",
                reason="frame_too_large",
            )
        self.wanted_bytes = size_bytes
