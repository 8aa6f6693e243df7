import random

from augenblick.core.placement import ShardPlaces


def test_as_many_shards_as_machines_are_one_to_a_machine_in_any_order() -> None:
    living = [f"10.0.0.{number}" for number in range(1, 8)]
    for seed in range(50):
        shards = list(range(7))
        random.Random(seed).shuffle(shards)
        places = ShardPlaces()
        assert sorted(living[places.choose(shard, living)] for shard in shards) == living


def test_twice_as_many_shards_are_two_to_a_machine() -> None:
    places = ShardPlaces()
    assert [places.choose(shard, ["a", "b", "c"]) for shard in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_lost_machines_shards_go_to_the_least_used_ones() -> None:
    places = ShardPlaces()
    places.learn(["", "b", "", "c", "c"])
    living = ["b", "c", "spare"]
    assert living[places.choose(0, living)] == "spare"
    assert living[places.choose(2, living)] in {"b", "spare"}
    places.learn(["spare", "b", "b", "c", "c"])
    assert places.choose(4, ["b", "spare"]) == 1


def test_a_shard_that_is_asked_for_again_does_not_count_itself() -> None:
    places = ShardPlaces()
    places.learn(["a", "b"])
    assert {places.choose(1, ["a", "b"]) for _ in range(3)} == {1}


def test_where_nothing_is_known_each_shard_begins_with_another_machine() -> None:
    assert [ShardPlaces().choose(shard, ["a", "b", "c"]) for shard in range(4)] == [0, 1, 2, 0]
