import msgpack

from augenblick import limits
from augenblick.core.actor_host import ActorHostCore
from augenblick.core.effects import CallCustom, EndProcess, Log, Send, Stopped
from augenblick.link.messages import Kind

COLUMNS = {"user": ["a", "b"], "time": [1, 2]}


def _batch(core: ActorHostCore, peer: str, seq: int) -> list:
    payload = msgpack.packb(COLUMNS)
    return core.on_message(peer, Kind.ACTOR_BATCH, {"seq": seq}, payload, 0.0)


def test_one_call_at_a_time_in_order() -> None:
    core = ActorHostCore("t", 1)
    assert _batch(core, "shard-0", 1) == [CallCustom(1, COLUMNS)]
    assert _batch(core, "shard-1", 7) == []
    effects = core.on_called(1, [(1, "k", {"x": 1})], "", 5.0)
    sent, called = effects
    assert isinstance(sent, Send)
    assert (sent.peer, sent.header, msgpack.unpackb(sent.payload)) == (
        "shard-0",
        {"seq": 1},
        [[1, "k", {"x": 1}]],
    )
    assert called == CallCustom(2, COLUMNS)
    assert core.on_called(1, [], "", 6.0) == []


def test_a_call_that_fails_answers_with_its_error() -> None:
    core = ActorHostCore("t", 1)
    _batch(core, "shard-0", 1)
    effects = core.on_called(1, [(0, "k", {})], "ValueError: no", 5.0)
    assert isinstance(effects[0], Log)
    assert isinstance(effects[1], Send)
    assert effects[1].header == {"seq": 1, "error": "ValueError: no"}
    assert msgpack.unpackb(effects[1].payload) == []
    assert core.status(6.0)["errors"] == 1
    assert core.status(6.0)["last_error"] == "ValueError: no"


def test_a_call_that_hangs_ends_the_process() -> None:
    core = ActorHostCore("t", 1)
    core.on_tick(0.0)
    _batch(core, "shard-0", 1)
    limit_ms = limits.actor_call_seconds_max * 1000
    assert not [one for one in core.on_tick(limit_ms) if isinstance(one, EndProcess)]
    assert [one for one in core.on_tick(limit_ms + 1) if isinstance(one, EndProcess)]
    assert core.status(limit_ms + 1)["state"] == "hanging"


def test_what_a_lost_shard_had_sent_is_forgotten() -> None:
    core = ActorHostCore("t", 1)
    _batch(core, "shard-0", 1)
    _batch(core, "shard-1", 2)
    core.on_peer_lost("shard-1", 1.0)
    assert len(core.on_called(1, [], "", 2.0)) == 1


def test_the_stop_waits_for_what_has_come() -> None:
    core = ActorHostCore("t", 1)
    _batch(core, "shard-0", 1)
    assert core.on_message("coordinator", Kind.STOP, {}, b"", 1.0) == []
    assert core.on_called(1, [], "", 2.0)[-1] == Stopped()


def test_it_reports_for_duty_and_says_when_it_is_unusable() -> None:
    core = ActorHostCore("t", 3, address="h:1")
    register = core.on_peer_connected("coordinator", {}, 0.0)[0]
    assert isinstance(register, Send)
    assert register.header["address"] == "h:1"
    assert core.on_peer_connected("shard-0", {}, 0.0) == []
    core.on_unusable("no such class", 0.0)
    assert core.status(0.0)["last_error"] == "no such class"
