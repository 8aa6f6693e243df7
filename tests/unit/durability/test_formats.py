"""The bytes on disk are those of the first release of each format."""

from hashlib import blake2b

import pytest
from tests.simulation.disk import SimulatedFiles
from tests.unit.durability.journals import OWNER, opened

from augenblick.durability.checkpoint import Checkpoint
from augenblick.durability.formats.checksum import checksum
from augenblick.durability.formats.head import JOURNAL_MAGIC, Head, Owner, decode_head, encode_head
from augenblick.durability.formats.names import file_name, parse_file_name


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()


def test_the_checksum_is_that_of_rfc_3720() -> None:
    assert checksum(b"123456789") == 0xE3069283
    assert checksum(b"6789", checksum(b"12345")) == 0xE3069283
    assert checksum(bytes(32)) == 0x8A9136AA


def test_a_segment() -> None:
    disk = SimulatedFiles(1)
    journal = opened(disk, segment_bytes=1024)
    journal.append([b"first", b"record"])
    journal.commit()
    journal.append([b"second"])
    journal.commit()
    data = disk.content("journal/000000000001-000000000001")
    assert data[:16].hex() == "415547422d4a4e4c0100690099638f64"
    assert data[256:312].hex() == (
        "0b000000986097c4000000000000000066697273747265636f72640000000000"
        "060000003aa4377320000000000000007365636f6e640000"
    )
    assert _digest(data) == "43c55c2c5222d549"


def test_a_pack_and_a_manifest() -> None:
    disk = SimulatedFiles(1)
    checkpoint = Checkpoint(disk, OWNER)
    checkpoint.open(1)
    checkpoint.add(7, 80, b"seven")
    checkpoint.add(4096, 88, b"the shard's own")
    checkpoint.commit()
    assert disk.list("checkpoint") == ["000000000001-000000000002", "manifest"]
    assert _digest(disk.content("checkpoint/000000000001-000000000002")) == "798116fd93b34bfb"
    assert _digest(disk.content("checkpoint/manifest")) == "62817477579e14a4"


def test_a_head_comes_back() -> None:
    head = Head(Owner("c" * 32, "shard-255", b"\xff" * 16, 3), 10**12 - 1, 10**12 - 1, {"start": 1})
    data = encode_head(JOURNAL_MAGIC, head)
    assert decode_head(JOURNAL_MAGIC, data, "start") == head
    with pytest.raises(ValueError, match="more than"):
        encode_head(JOURNAL_MAGIC, Head(Owner("c" * 300, "s"), 1, 1))


def test_names_sort_as_files_follow_each_other() -> None:
    places = [(1, 2), (1, 10), (2, 11), (10, 12)]
    names = [file_name(*place) for place in places]
    assert names == sorted(names)
    assert [parse_file_name(name) for name in names] == places
    for other in ("manifest", ".new-000000000001-000000000002", "1-2", names[0] + "~"):
        assert parse_file_name(other) is None
