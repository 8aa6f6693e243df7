"""A disk made of a seed: the `Files` that journals and checkpoints write to, with every fault.

Each file has its bytes on the platter and the writes that have not been synced; each folder the
names on the platter and the changes since. A crash of the machine keeps any subset of the unsynced
writes, each whole, in part or not at all, and any number of the first changes of names. A failed
sync may drop what it should have written, although it stays to be read until the machine is lost,
and the next sync says yes: that is what Linux does.
"""

import errno
import random
from collections.abc import Sequence


class Crashed(BaseException):
    """The process or machine is gone in the middle of an operation."""


class _Inode:
    """A file's content, whatever names it has."""

    def __init__(self) -> None:
        self.seen = bytearray()  # what a read gives
        self.synced = bytearray()  # what is on the platter for sure
        self.unsynced: list[tuple[int, bytes | None]] = []  # (offset, bytes) or (new size, None)


class SimulatedFile:
    """An open file."""

    def __init__(self, disk: "SimulatedFiles", inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode

    def read(self, count: int, offset: int) -> bytes:
        return bytes(self._inode.seen[offset : offset + count])

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        data = b"".join(buffers)
        crashes = self._disk._step()
        grows = max(offset + len(data) - len(self._inode.seen), 0)
        room = self._disk._room()
        if crashes or grows > room:
            kept = len(data) if room >= grows else len(data) - grows + room
            self._put(data[: self._disk.random.randint(0, max(kept, 0))], offset)
            if crashes:
                raise Crashed
            raise OSError(errno.ENOSPC, "No space left on device")
        self._put(data, offset)

    def allocate(self, size: int) -> None:
        if self._disk._step():
            raise Crashed
        if size - len(self._inode.seen) > self._disk._room():
            raise OSError(errno.ENOSPC, "No space left on device")
        self._resize(max(size, len(self._inode.seen)))

    def truncate(self, size: int) -> None:
        if self._disk._step():
            raise Crashed
        self._resize(size)

    def size(self) -> int:
        return len(self._inode.seen)

    def sync(self) -> None:
        crashes = self._disk._step()
        inode = self._inode
        if crashes:
            if self._disk.random.random() < 0.5:
                self._disk._settle(inode)
            raise Crashed
        if self._disk._fails_to_sync():
            kept = [one for one in inode.unsynced if self._disk.random.random() < 0.5]
            inode.unsynced = kept  # the others are marked clean, and are not
            raise OSError(errno.EIO, "Input/output error")
        for offset, data in inode.unsynced:
            _apply(inode.synced, offset, data)
        inode.unsynced = []

    def close(self) -> None:
        pass

    def _put(self, data: bytes, offset: int) -> None:
        if data:
            _apply(self._inode.seen, offset, data)
            self._inode.unsynced.append((offset, data))

    def _resize(self, size: int) -> None:
        _apply(self._inode.seen, size, None)
        self._inode.unsynced.append((size, None))


class SimulatedFiles:
    """One directory. `crash_at`: the operation (counted from now) in whose middle Crashed comes.

    `room_bytes`: how much fits, None without end. `failing_syncs`: so many syncs fail from now on.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.crash_at: int | None = None
        self.room_bytes: int | None = None
        self.failing_syncs = 0
        self.syncs = 0
        self.steps = 0
        self._seen: dict[str, _Inode] = {}
        self._synced: dict[str, _Inode] = {}
        self._changes: list[tuple[str, _Inode | None]] = []

    # ---- Files -------------------------------------------------------------------------------

    def list(self, folder: str) -> list[str]:
        prefix = f"{folder}/"
        return sorted(name.removeprefix(prefix) for name in self._seen if name.startswith(prefix))

    def make_folder(self, folder: str) -> None:
        if self._step():
            raise Crashed

    def create(self, name: str) -> SimulatedFile:
        if self._step():
            raise Crashed
        if name in self._seen:
            raise FileExistsError(errno.EEXIST, "File exists")
        inode = _Inode()
        self._change((name, inode))
        return SimulatedFile(self, inode)

    def open(self, name: str, *, is_writable: bool = False) -> SimulatedFile:
        if name not in self._seen:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return SimulatedFile(self, self._seen[name])

    def rename(self, name: str, new_name: str) -> None:
        if self._step():
            raise Crashed
        self._change((new_name, self._seen[name]), (name, None))

    def remove(self, name: str) -> None:
        if self._step():
            raise Crashed
        if name not in self._seen:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._change((name, None))

    def sync_folder(self, folder: str) -> None:
        if self._step():
            raise Crashed
        if self._fails_to_sync():
            raise OSError(errno.EIO, "Input/output error")
        self._synced = dict(self._seen)
        self._changes = []

    def locate(self, name: str) -> str:
        return f"disk:{name}"

    # ---- faults ------------------------------------------------------------------------------

    def crash_process(self) -> None:
        """The process is gone, the machine is not: everything written can be read."""
        self.crash_at = None

    def crash_machine(self) -> None:
        """Only what was synced is there, and some of the rest."""
        self.crash_at = None
        for change in self._changes[: self.random.randint(0, len(self._changes))]:
            _rename(self._synced, change)
        self._seen = dict(self._synced)
        self._changes = []
        for inode in set(self._seen.values()):
            self._settle(inode)
            inode.seen = bytearray(inode.synced)

    def flip(self, name: str, bit: int) -> None:
        """The disk turns one bit of a file over."""
        for content in (self._seen[name].seen, self._seen[name].synced):
            if bit // 8 < len(content):
                content[bit // 8] ^= 1 << bit % 8

    def content(self, name: str) -> bytes:
        """What a read of the whole file gives."""
        return bytes(self._seen[name].seen)

    def overwrite(self, name: str, data: bytes) -> None:
        """Put other bytes in a file's place."""
        inode = _Inode()
        inode.seen, inode.synced = bytearray(data), bytearray(data)
        self._seen[name] = self._synced[name] = inode

    def delete(self, name: str) -> None:
        """Somebody removes a file."""
        del self._seen[name]
        self._synced.pop(name, None)

    # ---- inside ------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Count an operation; is it the one to crash in?"""
        self.steps += 1
        if self.crash_at is None:
            return False
        self.crash_at -= 1
        return self.crash_at < 0

    def _fails_to_sync(self) -> bool:
        self.syncs += 1
        self.failing_syncs -= 1
        return self.failing_syncs >= 0

    def _room(self) -> int:
        if self.room_bytes is None:
            return 1 << 60
        return max(self.room_bytes - sum(len(one.seen) for one in set(self._seen.values())), 0)

    def _change(self, *changes: tuple[str, _Inode | None]) -> None:
        for change in changes:
            _rename(self._seen, change)
        self._changes += changes

    def _settle(self, inode: _Inode) -> None:
        """Some of the unsynced writes reach the platter."""
        for offset, data in inode.unsynced:
            fate = self.random.randrange(4)
            if fate == 0:
                continue
            if data is not None and fate == 1:  # torn: a part from anywhere inside
                begin = self.random.randint(0, len(data))
                end = self.random.randint(begin, len(data))
                offset, data = offset + begin, data[begin:end]
            _apply(inode.synced, offset, data)
        inode.unsynced = []


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    size = offset if data is None else offset + len(data)
    if len(content) < size:
        content.extend(bytes(size - len(content)))
    if data is None:
        del content[size:]
    else:
        content[offset:size] = data


def _rename(names: dict[str, _Inode], change: tuple[str, _Inode | None]) -> None:
    name, inode = change
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode
