"""Where each shard of several machines lives: from what lies on real directories."""

import shutil
from itertools import count
from pathlib import Path

import pytest

from augenblick.durability import roster
from augenblick.durability.cluster_file import Cluster
from augenblick.durability.identity import ShardIdentity, enter, load_identity
from augenblick.errors import CorruptionFound, DirectoryForeign, EngineUnavailable, UsageError

CLUSTER = Cluster("c1", bytes(range(16)))
HALVES = ((0, 2047), (2048, 4095))


class World:
    """Machines as folders; what a start of the engine does to them."""

    def __init__(self, folder: Path, *machines: str) -> None:
        self.machines = {name: folder / name for name in machines}
        self.launcher = folder / "launcher"
        self.launcher.mkdir()
        self._names = map(str, count(1))

    def reports(self) -> dict[str, list[roster.FoundShard]]:
        return {
            name: roster.from_plain(roster.plain(roster.report(data)))
            for name, data in self.machines.items()
        }

    def start(self, *, machines_min: int = 1, accepted: tuple[str, ...] = ()) -> roster.Settled:
        known = roster.load_roster(self.launcher)
        settled = roster.settle(
            known,
            self.reports(),
            HALVES,
            machines_min=machines_min,
            accepted=accepted,
            new_name=lambda: next(self._names),
        )
        for index in settled.make:
            directory = settled.directories[index]
            identity = ShardIdentity("c1", f"shard-{index}", (HALVES[index],), directory=directory)
            roster.make(self.machines[settled.machines[index]], CLUSTER, identity)
        roster.save_roster(self.launcher, settled.directories)
        return settled

    def run(self) -> None:
        """Every shard leaves state where it lives."""
        for index, machine in enumerate(self.start().machines):
            (self.machines[machine] / f"shard-{index}" / "journal").mkdir(exist_ok=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, "a", "b")


def test_a_new_cluster_waits_for_every_machine_and_spreads(world: World) -> None:
    with pytest.raises(EngineUnavailable, match=r"2 of 3 machines.*when all are here"):
        world.start(machines_min=3)
    settled = world.start(machines_min=2)
    assert settled.machines == ("a", "b")
    assert settled.make == {0, 1}
    assert len(set(settled.directories)) == 2


def test_a_start_that_was_broken_off_before_the_roster_begins_again(world: World) -> None:
    world.start()
    (world.launcher / roster.FILE_NAME).unlink()
    assert world.start().make == {0, 1}


def test_each_shard_stays_where_its_directory_is(world: World, tmp_path: Path) -> None:
    world.run()
    first = world.start()
    assert first.make == frozenset()
    (tmp_path / "a").rename(tmp_path / "c")  # the disk has come back in another machine
    world.machines = {"c": tmp_path / "c", "b": tmp_path / "b"}
    again = world.start()
    assert again.machines == ("c", "b")
    assert again.directories == first.directories


def test_a_machine_that_is_away_is_waited_for(world: World) -> None:
    world.run()
    away = world.machines.pop("b")
    with pytest.raises(EngineUnavailable, match=r"shard-1 .*\(a\).*--accept-loss shard-1"):
        world.start()
    world.machines["b"] = away
    assert world.start().machines == ("a", "b")


def test_directories_that_are_all_gone_are_not_a_new_cluster(world: World) -> None:
    world.run()
    for data in world.machines.values():
        shutil.rmtree(data)
    with pytest.raises(EngineUnavailable, match="--accept-loss shard-0"):
        world.start()


def test_a_directory_that_was_given_up_is_passed_over_when_it_returns(world: World) -> None:
    world.run()
    lost = world.machines.pop("b")
    settled = world.start(accepted=("shard-1",))
    assert settled.machines == ("a", "a")
    assert settled.make == {1}
    world.run()
    world.machines["b"] = lost
    assert world.start().machines == ("a", "a")
    wanted = ShardIdentity("c1", "shard-1", (HALVES[1],), directory=settled.directories[1])
    with pytest.raises(DirectoryForeign, match="was given up"):
        enter(lost / "shard-1", wanted, may_be_new=False)
    world.machines.pop("a")
    with pytest.raises(DirectoryForeign, match="move it away"):
        world.start(accepted=("shard-0", "shard-1"))


def test_a_new_directory_is_made_where_the_fewest_are(world: World, tmp_path: Path) -> None:
    world.run()
    world.machines["c"] = tmp_path / "c"
    del world.machines["a"]
    assert world.start(accepted=("shard-0",)).machines == ("c", "b")


def test_a_lost_launcher_learns_from_the_machines(world: World) -> None:
    world.run()
    first = world.start()
    (world.launcher / roster.FILE_NAME).unlink()
    assert roster.cluster_of(world.reports(), None) == CLUSTER
    assert world.start().directories == first.directories
    other = Cluster("c2", bytes(16))
    with pytest.raises(DirectoryForeign, match="of cluster c1, not of c2"):
        roster.cluster_of(world.reports(), other)


def test_two_directories_of_one_shard_are_refused_without_a_roster(
    world: World, tmp_path: Path
) -> None:
    world.run()
    shutil.copytree(tmp_path / "a" / "shard-0", tmp_path / "b" / "shard-0")
    (world.launcher / roster.FILE_NAME).unlink()
    with pytest.raises(DirectoryForeign, match="shard-0 has a directory on a and b"):
        world.start()


def test_directories_of_one_machine_get_their_names_and_keep_the_rest(world: World) -> None:
    world.run()
    path = world.machines["a"] / "shard-0"
    found = load_identity(path)
    assert found is not None
    old = ShardIdentity("c1", "shard-0", (HALVES[0],), "127.0.0.1:7")
    roster.save_identity(path, old)
    (world.launcher / roster.FILE_NAME).unlink()
    settled = world.start()
    assert settled.make == {0}
    named = load_identity(path)
    assert named is not None
    assert (named.directory, named.address) == (settled.directories[0], "127.0.0.1:7")


def test_another_number_of_shards_is_refused(world: World) -> None:
    world.run()
    for known in (roster.load_roster(world.launcher), None):
        with pytest.raises(UsageError, match="of 2 shards, not 1: start with --shards 2"):
            roster.settle(known, world.reports(), ((0, 4095),))


def test_a_start_without_ray_is_refused_where_shards_live_elsewhere(world: World) -> None:
    world.run()
    roster.refuse_elsewhere(world.machines["a"])  # no roster
    with pytest.raises(UsageError, match="start with --ray"):
        roster.refuse_elsewhere(world.launcher)
    (world.launcher / roster.FILE_NAME).write_text("{}")
    with pytest.raises(CorruptionFound, match="cannot be read"):
        roster.refuse_elsewhere(world.launcher)
