"""The rolling checkpoint of one shard: snapshots of its units, each with its journal position.

Units are snapshotted in turn, written together in packs, and a manifest says where the newest of
each is. Whatever happens in between, the manifest on disk names only whole packs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from augenblick import limits
from augenblick.durability.checkpoint._packs import (
    Pack,
    check_owner,
    load_pack,
    make_pack,
    read_snapshots,
    write_file,
)
from augenblick.durability.disk import Files, is_full
from augenblick.durability.formats.checksum import Damage
from augenblick.durability.formats.head import Head, Owner, UnknownFormat
from augenblick.durability.formats.manifest import (
    PackKey,
    Place,
    decode_manifest,
    encode_manifest,
)
from augenblick.durability.formats.names import CHECKPOINT_FOLDER, TEMPORARY, parse_file_name
from augenblick.durability.formats.sealing import KeyRing
from augenblick.errors import CheckpointCorrupt, JournalFenced, OurError, StorageError, StorageFull

_MANIFEST: Final = f"{CHECKPOINT_FOLDER}/manifest"
_FORGET: Final = -1
_NO_EPOCH: Final = 2**63  # later than any
_NO_POSITION: Final = 2**63  # behind all: there is no snapshot


class Checkpoint:
    """Files in the folder `checkpoint` of a shard's directory.

    The caller holds the directory's lock. `add`, `confirm` and `forget` belong to one thread and
    wait for nothing; `open`, `commit` and `read` to another. `positions` and what follows from it
    is what the manifest on disk says, and changes only in `commit`.

    With `keys` each new pack and manifest is encrypted with the newest of them, and packs that are
    not are written anew, one with each commit.
    """

    def __init__(
        self,
        files: Files,
        owner: Owner,
        *,
        keys: KeyRing | None = None,
        pack_bytes_max: int = limits.checkpoint_pack_bytes_max,
        live_share_min: float = limits.checkpoint_live_share_min,
    ) -> None:
        self._files = files
        self._owner = owner
        self._keys = keys
        self._pack_bytes_max = pack_bytes_max
        self._live_share_min = live_share_min
        self._epoch = 0
        self._sequence = 0
        self._packs: dict[PackKey, Pack] = {}
        self._places: dict[int, Place] = {}  # as the next manifest will say
        self._written: dict[int, Place] = {}  # as the manifest on disk says
        self._orders: deque[tuple[int, int, bytes | None]] = deque()
        self._filling: dict[int, tuple[int, bytes]] = {}  # position, snapshot: the next pack
        self._waiting_bytes = 0
        self._renews: PackKey | None = None

    @property
    def positions(self) -> Mapping[int, int]:
        """The journal position of each unit's newest snapshot."""
        return {unit: place.position for unit, place in self._written.items()}

    @property
    def reach(self) -> int:
        """The largest of these positions, 0 if there is none: `Journal.open` is told."""
        return max((place.position for place in self._written.values()), default=0)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of snapshots added and not yet taken by `commit`; a full pack is worth one."""
        return self._waiting_bytes

    def tail(self, units: Iterable[int]) -> tuple[int, int]:
        """Of these units the one that holds the journal's tail, and its position: snapshot it next.

        Below this position nobody reads the journal. A unit without a snapshot stands at 0.
        """
        written = self._written
        return min(
            ((unit, written[unit].position if unit in written else 0) for unit in units),
            key=lambda found: found[1],
        )

    def open(self, epoch: int) -> None:
        """Load manifest and indexes and remove files that no manifest names.

        Raises CheckpointCorrupt, DirectoryForeign, JournalFenced, KeyMissing or StorageError.
        """
        try:
            self._files.make_folder(CHECKPOINT_FOLDER)
            self._epoch = epoch
            names = self._files.list(CHECKPOINT_FOLDER)
            for name in names:
                if name.startswith(TEMPORARY):
                    self._files.remove(f"{CHECKPOINT_FOLDER}/{name}")
            if _MANIFEST.rpartition("/")[2] in names:
                self._load(epoch)
            elif any(map(parse_file_name, names)):
                reason = "it is gone, and there are packs"
                raise CheckpointCorrupt(reason, file=self._files.locate(_MANIFEST))
            self._put_manifest()  # the one that was found may not be durable yet
            for name in names:
                key = parse_file_name(name)
                if key and key not in self._packs:
                    self._files.remove(f"{CHECKPOINT_FOLDER}/{name}")
        except OSError as error:
            raise self._failed(error) from error

    def load(self) -> None:
        """Only `read` what nobody writes any more; raises as `open` does, and writes nothing."""
        try:
            self._load(_NO_EPOCH)
        except OSError as error:
            raise self._failed(error) from error

    def add(self, unit: int, position: int, snapshot: bytes) -> None:
        """A unit's state as it stands at a journal position that is synced."""
        if len(snapshot) > limits.checkpoint_snapshot_bytes_max:
            raise OurError(f"a snapshot of {len(snapshot)} bytes")
        self._orders.append((unit, position, snapshot))
        self._waiting_bytes += len(snapshot)

    def confirm(self, unit: int, position: int) -> None:
        """Nothing of a unit has changed up to this position: its newest snapshot stands for it."""
        self._orders.append((unit, position, None))

    def forget(self, unit: int) -> None:
        """The unit is another shard's."""
        self._orders.append((unit, _FORGET, None))

    def roll(self, owner: Owner) -> None:
        """Packs from now on name this plan and these rules; called where `commit` is."""
        self._owner = owner

    def commit(self) -> None:
        """Write what was added and the manifest, then remove packs that hold nothing any more.

        Raises StorageFull or StorageError: everything is kept and can be tried again, also after a
        failed sync, since all is written anew to another file. CheckpointCorrupt: a pack was to be
        joined with others and is damaged; add fresh snapshots of all units.
        """
        try:
            self._write_pack()  # of an attempt that failed
            while self._orders:
                self._take()
                self._write_pack()
            self._gather()
            self._write_pack()
            self._write_manifest()
        except OSError as error:
            raise self._failed(error) from error

    def oldest(self, unit: int) -> int:
        """No file holds anything of the unit that is older than this journal position; called where
        `commit` is.
        """
        found = [
            self._written[unit].position
            if unit in self._written and self._written[unit].pack == key
            else pack.entries[unit].position
            for key, pack in self._packs.items()
            if unit in pack.entries
        ]
        return min(found, default=_NO_POSITION)

    def renew(self) -> bool:
        """Write what is left of one pack that holds superseded snapshots anew, and remove it;
        False: there is none any more. Called where `commit` is, and raises as it does.
        """
        self._renews = next(
            (key for key, pack in self._packs.items() if self._is_mixed(pack)), None
        )
        if self._renews is None:
            return False
        try:
            self.commit()
            self._files.sync_folder(CHECKPOINT_FOLDER)  # else a lost machine could bring it back
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._renews = None
        return True

    def read(self, unit: int) -> tuple[int, bytes]:
        """A unit's journal position and snapshot; raises CheckpointCorrupt, KeyError if none."""
        place = self._written[unit]
        try:
            [(_, data)] = read_snapshots(self._files, self._packs[place.pack], [unit])
        except OSError as error:
            raise self._failed(error) from error
        return place.position, data

    def read_all(self) -> Iterator[tuple[int, bytes]]:
        """Every unit and its snapshot, pack by pack; raises CheckpointCorrupt."""
        units_of: dict[PackKey, list[int]] = {}
        for unit, place in self._written.items():
            units_of.setdefault(place.pack, []).append(unit)
        try:
            for key, units in units_of.items():
                yield from read_snapshots(self._files, self._packs[key], units)
        except OSError as error:
            raise self._failed(error) from error

    # ---- inside ------------------------------------------------------------------------------

    def _load(self, epoch: int) -> None:
        place = self._files.locate(_MANIFEST)
        file = self._files.open(_MANIFEST)
        try:
            head, places = decode_manifest(file.read(file.size(), 0), self._keys, place)
        except Damage as damage:
            raise CheckpointCorrupt(damage.reason, file=place, offset=damage.offset) from damage
        except UnknownFormat as error:
            raise StorageError(f"{place}: {error}") from error
        finally:
            file.close()
        check_owner(place, head, self._owner)
        if head.epoch >= epoch:
            raise JournalFenced(f"{place} is of a later owner than {epoch}")
        packs = {
            key: load_pack(self._files, key, self._owner, self._keys) for key in _packs(places)
        }
        for unit, (key, _) in places.items():
            if unit not in packs[key].entries:
                reason = f"key group {unit} is not in {packs[key].name}"
                raise CheckpointCorrupt(reason, file=place)
        self._packs, self._places, self._written = packs, dict(places), places
        self._sequence = head.sequence

    def _take(self) -> None:
        """Move orders to the next pack until it is full."""
        size = sum(len(snapshot) for _, snapshot in self._filling.values())
        while self._orders:
            unit, position, snapshot = self._orders[0]
            if snapshot is None:
                self._settle(unit, position)
            else:
                if size and size + len(snapshot) > self._pack_bytes_max:
                    return
                self._filling[unit] = (position, snapshot)
                self._waiting_bytes -= len(snapshot)
                size += len(snapshot)
            self._orders.popleft()

    def _settle(self, unit: int, position: int) -> None:
        """Carry out `confirm` or `forget`."""
        if position == _FORGET:
            self._places.pop(unit, None)
            self._filling.pop(unit, None)
        elif unit in self._filling:
            self._filling[unit] = (position, self._filling[unit][1])
        elif unit in self._places:
            self._places[unit] = self._places[unit]._replace(position=position)

    def _is_mixed(self, pack: Pack) -> bool:
        """Does it hold what a newer snapshot has taken the place of?"""
        places = self._places
        return any(unit not in places or places[unit].pack != pack.key for unit in pack.entries)

    def _gather(self) -> None:
        """Take what is left of one pack over to the next: of one that is to be renewed, else of one
        that is not under the newest key, else of the emptiest, if it is little.
        """
        live = dict.fromkeys(self._packs, 0)
        for unit, (key, _) in self._places.items():
            live[key] += self._packs[key].entries[unit].bytes
        shares = {
            key: live[key] / max(pack.snapshot_bytes, 1)
            for key, pack in self._packs.items()
            if live[key]
        }
        newest = self._keys.newest if self._keys is not None else 0
        strange = [key for key in shares if newest and self._packs[key].head.key != newest]
        if self._renews is not None:
            strange = [self._renews] if self._renews in shares else []
        emptiest = min(strange or shares, key=lambda key: shares[key], default=None)
        if emptiest is None or not (strange or shares[emptiest] < self._live_share_min):
            return
        pack = self._packs[emptiest]
        units = [unit for unit, place in self._places.items() if place.pack == emptiest]
        self._filling = {
            unit: (self._places[unit].position, data)
            for unit, data in read_snapshots(self._files, pack, units)
        }

    def _write_pack(self) -> None:
        if not self._filling:
            return
        snapshots = [(unit, *found) for unit, found in self._filling.items()]
        pack = make_pack(self._files, self._next_head(), self._keys, snapshots)
        self._packs[pack.key] = pack
        for unit, position, _ in snapshots:
            self._places[unit] = Place(pack.key, position)
        self._filling = {}

    def _write_manifest(self) -> None:
        if self._places != self._written:
            self._put_manifest()
        live = _packs(self._written)
        for key in [key for key in self._packs if key not in live]:
            self._files.remove(self._packs[key].name)
            del self._packs[key]

    def _put_manifest(self) -> None:
        places = dict(self._places)
        data = encode_manifest(self._next_head(), places, self._keys)
        write_file(self._files, _MANIFEST, [data])
        self._written = places

    def _next_head(self) -> Head:
        self._sequence += 1
        return Head(self._owner, self._epoch, self._sequence)

    def _failed(self, error: OSError) -> StorageError:
        place = self._files.locate(CHECKPOINT_FOLDER)
        if is_full(error):
            return StorageFull(f"{place}: no room")
        return StorageError(f"{place}: {error.strerror or error}")


def _packs(places: Mapping[int, Place]) -> set[PackKey]:
    return {place.pack for place in places.values()}
