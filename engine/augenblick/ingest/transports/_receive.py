"""Bytes of one connection between the socket and its reader."""

from augenblick.limits import frame_bytes_max, receive_step_bytes


class ReceiveBuffer:
    """Receives into a scratch buffer that all connections of a server share, as long as each read
    ends on a frame's end; only a rest is kept in memory of its own, which grows as bytes come.

    The memory handed out by `space` may still be referenced by the event loop while the bytes are
    read (uvloop holds it until `buffer_updated` returns), so no buffer is ever resized: a larger
    one replaces it.
    """

    __slots__ = ("_scratch", "data", "start", "stop")

    def __init__(self, scratch: bytearray) -> None:
        self._scratch = scratch
        self.data = scratch
        self.start = 0  # first byte not yet read
        self.stop = 0  # after the last byte received

    @property
    def kept_bytes(self) -> int:
        """Memory of its own."""
        return 0 if self.data is self._scratch else len(self.data)

    def space(self) -> memoryview:
        """Where the next bytes go; never empty after `keep`."""
        return memoryview(self.data)[self.stop :]

    def received(self, count: int) -> None:
        """So many bytes were written into `space`."""
        self.stop += count

    def keep(self, wanted_bytes: int) -> None:
        """Everything up to `start` was read: keep the rest, with room to go on.

        `wanted_bytes` is the least length of the frame that begins at `start`; memory follows what
        has arrived (at most twice that), not what was announced.
        """
        rest_bytes = self.stop - self.start
        if not rest_bytes:
            self.data, self.start, self.stop = self._scratch, 0, 0
            return
        is_own = self.data is not self._scratch
        if is_own and len(self.data) - self.stop >= min(wanted_bytes, receive_step_bytes):
            return
        room_bytes = min(max(wanted_bytes, rest_bytes + 1), 2 * rest_bytes, frame_bytes_max)
        kept = bytearray(max(room_bytes, rest_bytes + receive_step_bytes))
        kept[:rest_bytes] = memoryview(self.data)[self.start : self.stop]
        self.data, self.start, self.stop = kept, 0, rest_bytes
