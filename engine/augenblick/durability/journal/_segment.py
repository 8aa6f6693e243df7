"""One segment file: made whole, read from any position, checked to its end."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from augenblick import limits
from augenblick.durability.disk import File, Files, is_full
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.frames import (
    Frame,
    FRAME_bytes,
    Sealer,
    encode_frame,
    parse_frame,
    peek_frame,
    search_frames,
)
from augenblick.durability.formats.head import (
    JOURNAL_MAGIC,
    Head,
    HEAD_bytes,
    Owner,
    UnknownFormat,
    decode_head,
    encode_head,
)
from augenblick.durability.formats.names import (
    JOURNAL_FOLDER,
    TEMPORARY,
    file_name,
    parse_file_name,
)
from augenblick.durability.formats.sealing import Cipher, KeyRing, find_cipher
from augenblick.errors import DirectoryForeign, JournalCorrupt, StorageError

_READ_bytes: Final = 1024 * 1024
_ZEROS: Final = bytes(_READ_bytes)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's name and what its head says; positions count over the whole journal.

    `start` is the position of the first record; `durable` was known durable when the segment was
    made; `size` is the bytes of the file then. `cipher`: None if it is not encrypted.
    """

    name: str
    head: Head
    cipher: Cipher | None = None

    @property
    def start(self) -> int:
        return self.head.numbers["start"]

    @property
    def durable(self) -> int:
        return self.head.numbers["durable"]

    @property
    def size(self) -> int:
        return self.head.numbers["size"]

    def offset(self, position: int) -> int:
        """Where a position is in the file."""
        return HEAD_bytes + position - self.start


@dataclass(frozen=True, slots=True)
class End:
    """Where a last segment's records end.

    `durable`: no damage below it would be a torn tail. `frames`: those from there to `position`.
    `torn_bytes`: what lies behind `position` and is no record.
    """

    position: int
    durable: int
    frames: Sequence[Frame]
    torn_bytes: int


def load_segments(files: Files, owner: Owner, keys: KeyRing | None) -> list[Segment]:
    """All segments in order; raises JournalCorrupt, DirectoryForeign, KeyMissing or
    StorageError.
    """
    names = [name for name in files.list(JOURNAL_FOLDER) if parse_file_name(name)]
    segments = [_load(files, f"{JOURNAL_FOLDER}/{name}", owner, keys) for name in names]
    for before, after in pairwise(segments):
        if before.start > after.start or before.head.sequence >= after.head.sequence:
            reason = f"it begins before {before.name}"
            raise JournalCorrupt(reason, file=files.locate(after.name), offset=0)
    return segments


def make_segment(
    files: Files,
    head: Head,
    keys: KeyRing | None,
    frames: Iterable[Frame] = (),
) -> tuple[Segment, File, Sealer | None]:
    """A new segment, durable and under its name, which holds the frames; raises OSError.

    It is encrypted if the head has a key; then a sealer for what follows comes with it. The caller
    has made all below the head's `durable` durable, except for the frames.
    """
    name = f"{JOURNAL_FOLDER}/{file_name(head.epoch, head.sequence)}"
    temporary = f"{JOURNAL_FOLDER}/{TEMPORARY}{file_name(head.epoch, head.sequence)}"
    buffers = [encode_head(JOURNAL_MAGIC, head)]
    cipher = find_cipher(keys, head, buffers[0], files.locate(name))
    segment = Segment(name, head, cipher)
    sealer = Sealer(cipher) if cipher is not None else None
    position = segment.start
    for frame in frames:
        parts = (frame.body,) if frame.body else ()
        position = encode_frame(buffers, head.seed, position, segment.start, parts, sealer)
    file = files.create(temporary)
    try:
        file.allocate(segment.size)
        file.write(buffers, 0)
        file.sync()
        files.rename(temporary, segment.name)
        files.sync_folder(JOURNAL_FOLDER)
    except OSError as error:
        file.close()
        if is_full(error):
            with contextlib.suppress(OSError):
                files.remove(temporary)
        raise
    return segment, file, sealer


def read_frames(file: File, segment: Segment, position: int, until: int) -> Iterator[Frame]:
    """Frames from a position up to `until`, or to the first place where no whole frame is."""
    seed = segment.head.seed
    data, at = b"", 0
    while position < until:
        if at + FRAME_bytes > len(data):
            data, at = file.read(_READ_bytes, segment.offset(position)), 0
            if len(data) < FRAME_bytes:
                return
        size = peek_frame(data, at)
        if at + size > len(data):
            data, at = file.read(max(size, _READ_bytes), segment.offset(position)), 0
        if not size or size > len(data):
            return
        frame = parse_frame(data, at, size, seed, position, segment.cipher)
        if frame is None:
            return
        yield frame
        at += size
        position = frame.end


def find_end(files: Files, segment: Segment) -> End:
    """Read a last segment to its end; raises JournalCorrupt for damage that is no torn tail."""
    file = files.open(segment.name)
    try:
        size = file.size()
        if size < segment.size:
            reason = f"the file ends there; it was made with {segment.size} bytes"
            raise JournalCorrupt(reason, file=files.locate(segment.name), offset=size)
        durable, end = segment.durable, segment.start
        frames: deque[Frame] = deque()
        for frame in read_frames(file, segment, end, segment.start + size):
            end = frame.end
            durable = max(durable, frame.durable)
            frames.append(frame)
            while frames and frames[0].position < durable:
                frames.popleft()
        offset = segment.offset(end)
        torn_bytes = _written_end(file, offset, size) - offset
        rest = b""
        if torn_bytes:  # its last frame may end with zeros
            rest = file.read(torn_bytes + limits.journal_record_bytes_max, offset)
    finally:
        file.close()
    proof = next(search_frames(rest, segment.head.seed, end), None)
    if proof is not None:
        durable = proof.durable
    if end < durable:
        reason = f"damaged, and known durable up to byte {segment.offset(durable)}"
        raise JournalCorrupt(reason, file=files.locate(segment.name), offset=offset)
    return End(end, durable, tuple(frames), torn_bytes)


def carried_bytes(frames: Iterable[Frame]) -> int:
    """What the frames take in a segment of the same kind, encrypted or not."""
    return sum(frame.end - frame.position for frame in frames)


def _written_end(file: File, offset: int, size: int) -> int:
    """Behind the last byte from `offset` on that is not zero."""
    while size > offset:
        begin = max(offset, size - _READ_bytes)
        piece = file.read(size - begin, begin)
        if piece != _ZEROS[: len(piece)]:
            return begin + len(piece.rstrip(b"\0"))
        size = begin
    return offset


def _load(files: Files, name: str, owner: Owner, keys: KeyRing | None) -> Segment:
    place = files.locate(name)
    file = files.open(name)
    try:
        data = file.read(HEAD_bytes, 0)
    finally:
        file.close()
    try:
        head = decode_head(JOURNAL_MAGIC, data, "start", "durable", "size")
    except Damage as damage:
        raise JournalCorrupt(damage.reason, file=place, offset=damage.offset) from damage
    except UnknownFormat as error:
        raise StorageError(f"{place}: {error}") from error
    if (head.owner.cluster, head.owner.name) != (owner.cluster, owner.name):
        text = f"belongs to {head.owner.name} of cluster {head.owner.cluster}"
        raise DirectoryForeign(f"{place} {text}, not to {owner.name} of {owner.cluster}")
    segment = Segment(name, head, find_cipher(keys, head, data, place))
    if file_name(head.epoch, head.sequence) != name.rpartition("/")[2]:
        reason = f"it was written as {file_name(head.epoch, head.sequence)}"
        raise JournalCorrupt(reason, file=place, offset=0)
    return segment
