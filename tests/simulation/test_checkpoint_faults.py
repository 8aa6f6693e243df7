"""Checkpoints on a disk that tears, loses, flips and fills up."""

import random

import pytest
from tests.simulation.checkpoint_story import CheckpointStory

from augenblick.errors import CheckpointCorrupt

BLOCKS = [
    block if block < 3 else pytest.param(block, marks=pytest.mark.long) for block in range(50)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_start_finds_a_whole_state(block: int) -> None:
    crashes = failures = 0
    for seed in range(block * 100, block * 100 + 100):
        story = CheckpointStory(seed)
        story.live(80)
        story.end()
        story.start()
        crashes += story.crashes
        failures += story.failures
    assert crashes > 100
    assert failures > 50


def _start(story: CheckpointStory) -> CheckpointCorrupt | None:
    story.epoch += 1
    try:
        story.start()
    except CheckpointCorrupt as error:
        return error
    return None


@pytest.mark.parametrize("block", BLOCKS)
def test_a_flipped_bit_is_reported_with_its_file(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        story = CheckpointStory(seed)
        story.live(50)
        story.end()
        story.is_calm = True
        story.start()
        chance = random.Random(seed)
        names = story.disk.list("checkpoint")
        for _ in range(20):
            name = f"checkpoint/{chance.choice(names)}"
            bit = chance.randrange(len(story.disk.content(name)) * 8)
            story.disk.flip(name, bit)
            error = _start(story)
            if error is not None:
                assert error.file == story.disk.locate(name)
                assert error.offset <= bit // 8
            else:  # padding, or the snapshot of a unit that has a newer one
                assert _is_dead(story, name, bit // 8)
            story.disk.flip(name, bit)


def _is_dead(story: CheckpointStory, name: str, offset: int) -> bool:
    checkpoint = story.checkpoint
    for pack in checkpoint._packs.values():
        if pack.name == name:
            live = [one for unit, one in pack.entries.items() if _is_live(story, pack.key, unit)]
            inside = any(one.offset <= offset < one.offset + one.bytes for one in live)
            index = max(one.offset + one.bytes for one in pack.entries.values())
            return not inside and offset < index + 8
    return False


def _is_live(story: CheckpointStory, key: tuple[int, int], unit: int) -> bool:
    place = story.checkpoint._places.get(unit)
    return place is not None and place.pack == key
