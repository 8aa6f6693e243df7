"""Mutations of files on disk, and checksums put right behind them: what random damage never is."""

import random
import struct

from tests.simulation.disk import SimulatedFile, SimulatedFiles

from augenblick import limits
from augenblick.durability.formats.checksum import Damage, checksum
from augenblick.durability.formats.frames import FRAME_bytes, peek_frame
from augenblick.durability.formats.head import (
    JOURNAL_MAGIC,
    MANIFEST_MAGIC,
    PACK_MAGIC,
    Head,
    HEAD_bytes,
    UnknownFormat,
    decode_head,
)

_FRAME = struct.Struct("<IIQ")
_CHECKED = struct.Struct("<QQI")
_ENTRY = struct.Struct("<IIQQQ")
_FOOTER = struct.Struct("<8sII")
_MAGICS = (JOURNAL_MAGIC, PACK_MAGIC, MANIFEST_MAGIC)
INTERESTING = [0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0xCE, 0xCF, 0xD3]
WORDS = [0, 1, 255, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]


class WatchedFiles(SimulatedFiles):
    """A disk on which no reader may ask for much more than a file has, nor without end."""

    reads = 0

    def open(self, name: str, *, is_writable: bool = False) -> SimulatedFile:
        return _WatchedFile(self, super().open(name)._inode)


class _WatchedFile(SimulatedFile):
    def read(self, count: int, offset: int) -> bytes:
        room = self.size() + limits.journal_record_bytes_max + 1024 * 1024
        assert 0 <= count <= room, f"{count} bytes of a file of {self.size()}"
        assert offset >= 0, f"offset {offset}"
        disk = self._disk
        assert isinstance(disk, WatchedFiles)
        disk.reads += 1
        assert disk.reads < 20_000, "reads without end"
        return super().read(count, offset)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out, put in, copied, or the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at, kind = chance.randrange(len(changed) + 1), chance.randrange(8)
        if chance.random() < 0.4:  # where heads, first frames and footers are
            at = chance.choice([chance.randrange(400), -chance.randrange(1, 100) % len(changed)])
        count = chance.choice([1, 4, 8, 16, 300])
        if kind == 0:
            changed[at : at + count] = chance.randbytes(len(changed[at : at + count]))
        elif kind == 1:
            changed[at:at] = chance.randbytes(count)
        elif kind == 2:
            del changed[at : at + count]
        elif kind == 3:
            begin = chance.randrange(len(changed) + 1)
            changed[at : at + count] = changed[begin : begin + count]
        elif kind == 4:
            changed[at : at + count] = b"\xff" * len(changed[at : at + count])
        elif kind == 5:
            word = chance.choice(WORDS).to_bytes(8, "little")[: chance.choice([4, 8])]
            at -= at % 4
            changed[at : at + len(word)] = word
        elif kind == 6:
            changed[at : at + 1] = bytes([chance.choice(INTERESTING)])
        elif chance.random() < 0.5:
            del changed[at:]
        if not changed:
            return data[:1]
    return bytes(changed)


def put_right(data: bytes) -> bytes:
    """The same bytes with every checksum that can be found made right."""
    if len(data) < HEAD_bytes or data[:8] not in _MAGICS:
        return data
    changed = bytearray(data)
    blank = bytes(data[:12]) + bytes(4)
    struct.pack_into("<I", changed, 12, checksum(bytes(data[16:HEAD_bytes]), checksum(blank)))
    names = ("start",) if data.startswith(JOURNAL_MAGIC) else ()
    try:
        head = decode_head(bytes(data[:8]), bytes(changed), *names)
    except (Damage, UnknownFormat):
        return bytes(changed)
    if names:
        _put_frames_right(changed, head)
    elif data.startswith(MANIFEST_MAGIC):
        if len(changed) >= HEAD_bytes + 4:
            crc = checksum(bytes(changed[HEAD_bytes:-4]), head.seed)
            struct.pack_into("<I", changed, len(changed) - 4, crc)
    else:
        _put_pack_right(changed, head)
    return bytes(changed)


def _put_frames_right(data: bytearray, head: Head) -> None:
    at = HEAD_bytes
    while at + FRAME_bytes <= len(data):
        size = peek_frame(bytes(data[at : at + FRAME_bytes]), 0)
        if not size or at + size > len(data):
            return
        body_bytes, _, durable = _FRAME.unpack_from(data, at)
        position = head.numbers["start"] + at - HEAD_bytes
        crc = checksum(_CHECKED.pack(position, durable, body_bytes), head.seed)
        struct.pack_into("<I", data, at + 4, checksum(bytes(data[at + 16 : at + size]), crc))
        at += size


def _put_pack_right(data: bytearray, head: Head) -> None:
    footer_at = len(data) - _FOOTER.size
    if footer_at < HEAD_bytes:
        return
    magic, count, _ = _FOOTER.unpack_from(data, footer_at)
    index_at = footer_at - count * _ENTRY.size - (16 if head.key else 0)
    if index_at < HEAD_bytes:
        return
    for at in range(index_at, index_at + count * _ENTRY.size, _ENTRY.size):
        unit, _, offset, size, _ = _ENTRY.unpack_from(data, at)
        if not head.key and offset + size <= len(data):
            crc = checksum(struct.pack("<QQ", unit, offset), head.seed)
            crc = checksum(bytes(data[offset : offset + size]), crc)
            struct.pack_into("<I", data, at + 4, crc)
    crc = checksum(_FOOTER.pack(magic, count, 0), head.seed)
    crc = checksum(bytes(data[index_at:footer_at]), crc)
    struct.pack_into("<I", data, footer_at + 12, crc)
