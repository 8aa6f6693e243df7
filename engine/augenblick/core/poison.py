"""Events that end the process that applies them: found, and set aside while the others run. Pure.

What is being applied is noted where it outlives the process. A stream at which two starts died is
applied event by event, each with its number in the note; the one at which the next start dies is
set aside: its body is made unreadable, so that its number counts, its state does not change, and it
leaves as a dead letter. The journal keeps it as it was, and every replay sets it aside again.

A stream is known by its gateway, that one's incarnation, its size and its first 64 bytes: the mark
and the number in its key group of the first event, which are given once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from augenblick.binding.kernel import Kernel, Outputs

POISON: Final = "poison"
WHOLE: Final = -1
_STARTS_TO_SUSPECT: Final = 2
_MARK_FLAG: Final = 0xFFFFFFFF
_MARK_bytes: Final = 24
_EVENT_bytes: Final = 40
_SIZE: Final = struct.Struct("<I")
_KEY: Final = struct.Struct("<IQQ")
_FIRST_bytes: Final = 64
_UNREADABLE: Final = b"\xc1"  # the one byte that begins no msgpack value


class Note(Protocol):
    """Where it is noted what is being applied; it outlives the process."""

    def set(self, key: bytes, index: int) -> None:
        """This stream is being applied, or (index from 0) this event of it alone."""

    def clear(self) -> None:
        """Nothing is being applied."""


class Suspects:
    """What earlier starts died of; plain values, to be kept by the shell."""

    def __init__(self, plain: dict[str, Any] | None = None) -> None:
        self._deaths: dict[str, int] = dict((plain or {}).get("deaths", {}))
        self._aside: dict[str, list[int]] = dict((plain or {}).get("aside", {}))

    def on_death(self, key: bytes, index: int, kept_max: int) -> None:
        """The start before this one died while it applied this."""
        name = key.hex()
        if index != WHOLE:
            aside = self._aside.setdefault(name, [])
            if index not in aside:
                aside.append(index)
        self._deaths[name] = self._deaths.pop(name, 0) + 1
        for old in list(self._deaths)[:-kept_max]:
            if old not in self._aside:
                del self._deaths[old]

    def is_suspect(self, key: bytes) -> bool:
        """Is the stream to be applied event by event?"""
        return bool(self._deaths) and self._deaths.get(key.hex(), 0) >= _STARTS_TO_SUSPECT

    def aside(self, key: bytes) -> list[int]:
        """Which of its events are set aside."""
        return self._aside.get(key.hex(), [])

    def plain(self) -> dict[str, Any]:
        """For the file."""
        return {"deaths": dict(self._deaths), "aside": dict(self._aside)}

    def status(self) -> dict[str, int]:
        """For `status`."""
        count = sum(map(len, self._aside.values()))
        return {"suspected": len(self._deaths), "set_aside": count}


class GuardedKernel(Kernel):
    """A kernel whose calls are noted; `guard` comes before the first of them."""

    _note: Note
    _suspects: Suspects

    def guard(self, note: Note, suspects: Suspects) -> None:
        """Note here, and beware of these."""
        self._note = note
        self._suspects = suspects

    def apply(
        self,
        stream: bytes | memoryview,
        gateway: int,
        incarnation: int,
        cap_watermark_ms: int,
        now_ms: int,
    ) -> Outputs:
        """As the kernel's; a suspected stream in pieces, without what is set aside."""
        call = (gateway, incarnation, cap_watermark_ms, now_ms)
        key = key_of(stream, gateway, incarnation)
        if self._suspects.is_suspect(key):
            made = Outputs()
            aside = self._suspects.aside(key)
            for index, piece in pieces(bytes(stream)):
                self._note.set(key, index)
                is_aside = index in aside
                with self._blameless():
                    out = super().apply(unreadable(piece) if is_aside else piece, *call)
                _join(made, out, is_aside=is_aside)
        else:
            self._note.set(key, WHOLE)
            with self._blameless():
                made = super().apply(stream, *call)
        self._note.clear()
        return made

    def apply_some(
        self,
        stream: bytes | memoryview,
        gateway: int,
        incarnation: int,
        cap_watermark_ms: int,
        now_ms: int,
        mask: bytes,
    ) -> None:
        """As the kernel's, likewise."""
        call = (gateway, incarnation, cap_watermark_ms, now_ms, mask)
        key = key_of(stream, gateway, incarnation)
        if self._suspects.is_suspect(key):
            aside = self._suspects.aside(key)
            for index, piece in pieces(bytes(stream)):
                self._note.set(key, index)
                with self._blameless():
                    super().apply_some(unreadable(piece) if index in aside else piece, *call)
        else:
            self._note.set(key, WHOLE)
            with self._blameless():
                super().apply_some(stream, *call)
        self._note.clear()

    @contextmanager
    def _blameless(self) -> Iterator[None]:
        """Memory that ran out ends the process too, and is no event's fault."""
        try:
            yield
        except MemoryError:
            self._note.clear()
            raise


def key_of(stream: bytes | memoryview, gateway: int, incarnation: int) -> bytes:
    """What a stream is known by."""
    return _KEY.pack(gateway, incarnation, len(stream)) + bytes(stream[:_FIRST_bytes])


def pieces(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, stream) of each event alone, behind the mark that holds for it; before it, and
    behind the last, (WHOLE, stream) of the marks alone: what time makes happen is no event's fault.
    """
    mark = b""
    marks: list[bytes] = []
    at = index = 0
    while at < len(stream):
        (size,) = _SIZE.unpack_from(stream, at)
        if size == _MARK_FLAG:
            mark = stream[at : at + _MARK_bytes]
            marks.append(mark)
            at += _MARK_bytes
            continue
        after = at + _EVENT_bytes + size
        if marks:
            yield WHOLE, b"".join(marks)
        yield index, mark + stream[at:after]
        at, index, marks = after, index + 1, []
    if marks:
        yield WHOLE, b"".join(marks)


def unreadable(piece: bytes) -> bytes:
    """The piece with its event's body behind a byte that nobody reads over."""
    at = 0
    while _SIZE.unpack_from(piece, at)[0] == _MARK_FLAG:
        at += _MARK_bytes
    size = _SIZE.unpack_from(piece, at)[0] + len(_UNREADABLE)
    head = piece[at + _SIZE.size : at + _EVENT_bytes]
    return piece[:at] + _SIZE.pack(size) + head + _UNREADABLE + piece[at + _EVENT_bytes :]


def _join(made: Outputs, out: Outputs, *, is_aside: bool) -> None:
    if is_aside:
        for letter in out.dead_letters:
            letter["reason"] = POISON
            letter["detail"] = "the process ended whenever this event was applied"
    first = len(made.releases)
    made.releases += out.releases
    made.dead_letters += out.dead_letters
    made.panes += out.panes
    made.records += out.records
    made.refused += out.refused
    made.timed += [first + index for index in out.timed]
    for trigger, matches in out.matches.items():
        made.matches.setdefault(trigger, []).extend(matches)
