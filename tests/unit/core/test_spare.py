from augenblick import limits
from augenblick.core.effects import KillOwner, Log, Send, Stopped
from augenblick.core.routing import Route, RoutingTable, ShardRoute
from augenblick.core.spare import SpareCore
from augenblick.link.messages import Kind

PATIENCE_ms = limits.lock_patience_seconds * 1000


def _table(epoch: int, incarnation: int = 7) -> dict[str, object]:
    shard = ShardRoute(0, "127.0.0.1:1", incarnation, 1, 0, 4095)
    delivery = Route("delivery", "127.0.0.1:2", 1)
    return RoutingTable(epoch, (shard,), ("gateway-0",), delivery, ()).to_header()


def _killed(core: SpareCore, signs: dict[int, int], now_ms: float) -> list[int]:
    effects = core.on_signs(signs, now_ms)
    return [one.shard for one in effects if isinstance(one, KillOwner)]


def test_only_an_owner_that_gives_no_sign_is_ended() -> None:
    core = SpareCore(0, 1)
    killed = [(now, _killed(core, {0: 5, 1: now}, now)) for now in range(0, 8_000, 1_000)]
    assert [(now, shards) for now, shards in killed if shards] == [(PATIENCE_ms + 1_000, [0])]


def test_an_owner_is_given_its_time_again_after_the_attempt() -> None:
    core = SpareCore(0, 1)
    times = [now for now in range(0, 14_000, 1_000) if _killed(core, {0: 5}, now)]
    assert times == [6_000, 12_000]


def test_time_in_which_the_spare_itself_stood_still_does_not_count() -> None:
    core = SpareCore(0, 1)
    assert _killed(core, {0: 5}, 0) == []
    assert _killed(core, {0: 5}, 60_000) == []  # the whole machine slept
    assert _killed(core, {0: 5}, 61_000) == []


def test_the_latest_table_is_kept_and_a_new_owner_is_newer_than_every_known_one() -> None:
    core = SpareCore(0, 1)
    assert core.next_incarnation(0, 100.0) == 100
    core.on_message("coordinator", Kind.TABLE, _table(5, incarnation=900), b"", 0.0)
    core.on_message("coordinator", Kind.TABLE, _table(4, incarnation=1), b"", 0.0)
    assert core.table == _table(5, incarnation=900)
    assert core.next_incarnation(0, 100.0) == 901


def test_it_reports_for_duty_and_stops_when_told() -> None:
    core = SpareCore(2, 3)
    [register] = core.on_peer_connected("coordinator", {}, 0.0)
    assert isinstance(register, Send)
    assert (register.kind, register.header["role"]) == (Kind.REGISTER, "spare")
    assert register.header["name"] == "spare-2"
    effects = core.on_message("coordinator", Kind.STOP, {}, b"", 0.0)
    assert core.is_stopping
    assert any(isinstance(one, Stopped) for one in effects)
    [unexpected] = core.on_message("coordinator", Kind.BATCH, {}, b"", 0.0)
    assert isinstance(unexpected, Log)
