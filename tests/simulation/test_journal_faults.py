"""Journals on a disk that tears, loses, flips, fills up and lies: thousands of seeds."""

import random
from collections.abc import Iterator

import pytest
from tests.simulation.journal_story import JournalStory

from augenblick.durability.formats.frames import SEALED_bytes, framed_bytes
from augenblick.durability.formats.head import HEAD_bytes
from augenblick.durability.journal._segment import Segment
from augenblick.errors import JournalCorrupt

BLOCKS = [
    block if block < 5 else pytest.param(block, marks=pytest.mark.long) for block in range(100)
]


@pytest.mark.parametrize("durability", ["fsync", "os"])
@pytest.mark.parametrize("block", BLOCKS)
def test_what_was_reported_durable_is_read_back_and_nothing_else(block: int, durability) -> None:
    crashes = carried = torn = 0
    for seed in range(block * 100, block * 100 + 100):
        story = JournalStory(seed, durability)
        story.live(80)
        story.end()
        story.start()
        crashes += story.crashes
        carried += story.carried
        torn += story.torn
    assert crashes > 100
    assert carried
    assert torn


def _checked_bytes(story: JournalStory) -> Iterator[tuple[str, int, int]]:
    """(name, begin, end) of every stretch in which a flipped bit has to be found: the heads, and
    what lies between the position that is still read and the one that is named durable.
    """
    segments: list[Segment] = story.journal._segments
    mark_bytes = framed_bytes(0 if story.journal._keys is None else SEALED_bytes)
    named = story.journal.durable - mark_bytes  # the last mark itself is not named yet
    starts = [segment.start for segment in segments]
    for segment, until in zip(segments, [*starts[1:], named], strict=True):
        yield segment.name, 0, HEAD_bytes
        begin = max(segment.start, story.begin)
        if begin < until:
            yield segment.name, segment.offset(begin), segment.offset(until)


def _read_all(story: JournalStory) -> None:
    journal = story._new_journal()
    journal.open(story.epoch + 1)
    for _record in journal.read_from(story.begin):
        pass


@pytest.mark.parametrize("block", BLOCKS)
def test_a_flipped_bit_below_the_durable_position_is_reported_with_its_place(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        story = JournalStory(seed)
        story.live(60)
        story.end()
        chance = random.Random(seed)
        places = list(_checked_bytes(story))
        for _ in range(15):
            name, begin, end = chance.choice(places)
            bit = chance.randrange(begin * 8, end * 8)
            story.disk.flip(name, bit)
            with pytest.raises(JournalCorrupt) as caught:
                _read_all(story)
            story.disk.flip(name, bit)
            story.epoch += 1
            assert caught.value.file == story.disk.locate(name)
            assert begin - 1 <= caught.value.offset <= bit // 8
            assert caught.value.file in str(caught.value)
