"""A process that is killed while it writes: what it said was durable is there."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.durability.journals import bodies, new_journal

WRITER = """
import sys
from pathlib import Path
from augenblick.durability.disk import DiskFiles
from augenblick.durability.formats.head import Owner
from augenblick.durability.journal import SegmentJournal

journal = SegmentJournal(
    DiskFiles(Path(sys.argv[1])), Owner("c1", "shard-0"), durability=sys.argv[3],
    segment_bytes=65536,
)
journal.open(int(sys.argv[2]))
number = sum(1 for _ in journal.read_from(0))
while True:
    for _ in range(number % 7 + 1):
        journal.append([b"%08d" % number, bytes(number % 3000)])
        number += 1
    while journal.durable < journal.position:
        journal.commit()
    print(number, flush=True)
"""


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_what_was_reported_is_there(tmp_path: Path, durability: str) -> None:
    reported = 0
    for epoch in range(1, 4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(epoch), durability],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(0.2)
        process.kill()
        lines += process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        reported = max([reported, *(int(line) for line in lines if line.strip())])
    journal = new_journal(tmp_path)
    journal.open(9)
    found = bodies(journal)
    assert len(found) >= reported > 20
    assert found == [b"%08d" % number + bytes(number % 3000) for number in range(len(found))]
    journal.close()
