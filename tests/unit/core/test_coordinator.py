import json
from typing import Any

import msgpack
from tests.unit.core.programs import code, metric, metric_trigger, with_metrics

from augenblick import limits
from augenblick.core.coordinator import CoordinatorCore, Layout
from augenblick.core.effects import Effect, Send, StartShard, StartSpare, Stopped
from augenblick.core.routing import RoutingTable
from augenblick.link.messages import Kind
from augenblick.plan.program import Op

PROGRAM = with_metrics(
    metrics=(metric("traffic", 1000),),
    metric_triggers=(metric_trigger("died", (0,)),),
    consts=(0,),
    codes=(code((Op.METRIC, 0), (Op.CONST, 0), Op.EQ), code((Op.METRIC, 0))),
)
ALL = ("shard-0", "shard-1", "gateway-0", "delivery")


def _core(incarnation: int = 1000) -> CoordinatorCore:
    return CoordinatorCore(PROGRAM, Layout(shards=2, gateways=1), incarnation=incarnation)


def _join(
    core: CoordinatorCore, name: str, incarnation: int = 1, epoch: int = 1, host: str = ""
) -> list[Effect]:
    role = name.partition("-")[0]
    effects = core.on_peer_connected(name, {"role": role}, 0.0)
    facts = {
        "role": role,
        "name": name,
        "incarnation": incarnation,
        "epoch": epoch,
        "address": f"{host or name}:{incarnation}",
    }
    return effects + core.on_message(name, Kind.REGISTER, facts, b"", 0.0)


def _formed(incarnation: int = 1000) -> CoordinatorCore:
    core = _core(incarnation)
    for name in ALL:
        _join(core, name)
    return core


def _tables(effects: list[Effect]) -> dict[str, RoutingTable]:
    return {
        one.peer: RoutingTable.from_header(one.header)
        for one in effects
        if isinstance(one, Send) and one.kind == Kind.TABLE
    }


def _ask(core: CoordinatorCore, method: str, path: str) -> tuple[int, Any]:
    answer = core.on_message(
        "control", Kind.REQUEST, {"id": 1, "method": method, "path": path}, b"", 5.0
    )[0]
    assert isinstance(answer, Send)
    return answer.header["status"], json.loads(bytes(answer.payload))


def test_the_table_is_pushed_once_everybody_needed_is_there() -> None:
    core = _core()
    assert _tables(_join(core, "shard-0")) == {}
    assert _tables(_join(core, "gateway-0")) == {}
    assert _tables(_join(core, "delivery")) == {}
    tables = _tables(_join(core, "shard-1"))
    assert set(tables) == set(ALL)
    table = tables["gateway-0"]
    assert [(one.first, one.last) for one in table.shards] == [(0, 2047), (2048, 4095)]
    assert table.shard_of_key_group()[2047:2049] == [0, 1]
    assert table.delivery.address == "delivery:1"
    assert table.epoch > 1000


def test_a_registration_that_changes_nothing_pushes_nothing() -> None:
    core = _formed()
    effects = _join(core, "shard-0")
    assert list(_tables(effects)) == ["shard-0"]


def test_a_shard_that_has_gone_is_asked_for_and_its_successor_gets_a_new_table() -> None:
    core = _formed()
    assert core.on_tick(5000.0) == []
    core.on_peer_lost("shard-1", 10_000.0)
    assert core.on_tick(10_000.0 + limits.shard_lost_ms - 1) == []
    effects = core.on_tick(10_000.0 + limits.shard_lost_ms)
    assert effects[0] == StartShard(1, 10_000 + limits.shard_lost_ms, ("shard-0", ""))
    assert "lost" in effects[1].text
    assert core.on_tick(11_000.0) == []
    again = core.on_tick(10_000.0 + limits.shard_lost_ms + limits.shard_start_ms_max)
    assert isinstance(again[0], StartShard)
    assert again[0].incarnation > effects[0].incarnation
    tables = _tables(_join(core, "shard-1", incarnation=20_000, epoch=2))
    assert tables["gateway-0"].shards[1].epoch == 2
    assert tables["gateway-0"].shards[1].address == "shard-1:20000"
    assert core.on_tick(90_000.0) == []
    status = _ask(core, "GET", "/v1/status")[1]
    assert status["state_lost"] == {"shard-1": 1}
    assert any("shard-1 is started anew" in line["text"] for line in status["log"])


def test_a_shard_that_could_not_be_started_is_asked_for_again_soon_then_later() -> None:
    core = _formed()
    core.on_tick(1.0)
    core.on_peer_lost("shard-1", 100_000.0)
    now_ms, pauses = 100_000.0 + limits.shard_lost_ms, []
    (first, _) = core.on_tick(now_ms)
    for _ in range(8):
        assert core.on_shard_not_started(1, first.incarnation - 1, "", now_ms)  # of an earlier one
        assert core.on_tick(now_ms) == []
        assert (
            "could not be started: its machine is away"
            in core.on_shard_not_started(1, first.incarnation, "its machine is away", now_ms)[
                0
            ].text
        )
        pause_ms = 0
        while not (effects := core.on_tick(now_ms + pause_ms)):
            pause_ms += limits.tick_ms
        pauses.append(pause_ms)
        now_ms += pause_ms
        assert effects[0].incarnation > first.incarnation
        first = effects[0]
    assert pauses[:3] == [
        2 * limits.shard_lost_ms,
        4 * limits.shard_lost_ms,
        8 * limits.shard_lost_ms,
    ]
    assert pauses[-1] == limits.shard_pause_ms_max
    _join(core, "shard-1", incarnation=first.incarnation, epoch=2)
    core.on_shard_not_started(1, first.incarnation, "", now_ms)
    assert core.on_tick(now_ms + 60_000.0) == []


def _with_spare(hosts: tuple[str, str] = ("here", "here")) -> CoordinatorCore:
    core = CoordinatorCore(PROGRAM, Layout(shards=2, gateways=1, spares=1), incarnation=1000)
    for name, host in zip(ALL, (*hosts, "here", "here"), strict=True):
        _join(core, name, host=host)
    status = msgpack.packb({"is_ready": True})
    assert core.on_tick(1.0) == []  # not yet: the gateway does not reach everybody
    core.on_message("gateway-0", Kind.HEARTBEAT, {}, status, 1.0)
    return core


def test_a_spare_is_asked_for_once_all_is_well_and_after_it_has_become_a_shard() -> None:
    core = _with_spare()
    assert core.on_tick(50_000.0) == [StartSpare(0, 50_000, "here")]
    assert core.on_tick(50_000.0 + limits.spare_pause_ms - 1) == []
    assert core.on_tick(50_000.0 + limits.spare_pause_ms) == [StartSpare(0, 60_000, "here")]
    _join(core, "spare-0", incarnation=60_000)
    assert core.on_tick(90_000.0) == []
    status = _ask(core, "GET", "/v1/status")[1]
    assert status["spares"]["spare-0"]["up"]
    core.on_peer_lost("shard-0", 100_000.0)
    assert core.on_tick(100_000.0 + limits.spare_ms_max - 1) == []  # the spare is quicker
    core.on_peer_lost("spare-0", 100_100.0)
    _join(core, "shard-0", incarnation=100_100, epoch=2, host="here")
    core.on_message("gateway-0", Kind.HEARTBEAT, {}, msgpack.packb({"is_ready": True}), 100_200.0)
    assert core.on_tick(100_300.0) == [StartSpare(0, 100_300, "here")]


def test_ray_is_asked_when_the_spare_does_not_take_over() -> None:
    core = _with_spare()
    core.on_tick(50_000.0)
    _join(core, "spare-0", incarnation=50_000)
    core.on_peer_lost("shard-0", 100_000.0)
    effects = core.on_tick(100_000.0 + limits.spare_ms_max)
    assert isinstance(effects[0], StartShard)


def test_each_machine_has_a_spare_that_helps_its_own_shards_only() -> None:
    core = _with_spare(("here", "there"))
    assert core.on_tick(50_000.0) == [
        StartSpare(0, 50_000, "here"),
        StartSpare(1, 50_000, "there"),
    ]
    _join(core, "spare-0", incarnation=50_000)
    core.on_peer_lost("shard-1", 100_000.0)
    [wanted] = core.on_tick(100_000.0 + limits.shard_lost_ms)[:1]  # the other's is not waited for
    assert isinstance(wanted, StartShard)
    assert set(_ask(core, "GET", "/v1/status")[1]["spares"]) == {"spare-0", "spare-1"}


def test_a_spare_is_stopped_before_everybody_whom_it_would_replace() -> None:
    core = _with_spare()
    _join(core, "spare-0", incarnation=50_000)
    assert core.on_stop(60_000.0) == [Send("spare-0", Kind.STOP)]
    [stop] = core.on_message("spare-0", Kind.STOPPED, {"name": "spare-0"}, b"", 60_001.0)
    assert stop == Send("gateway-0", Kind.STOP)


def test_a_shard_that_comes_back_at_once_is_not_replaced() -> None:
    core = _formed()
    core.on_tick(1.0)
    core.on_peer_lost("shard-1", 10_000.0)
    core.on_peer_connected("shard-1", {"role": "shard"}, 10_050.0)
    assert core.on_tick(20_000.0) == []


def test_an_old_incarnation_changes_nothing() -> None:
    core = _formed()
    _join(core, "shard-0", incarnation=9, epoch=2)
    assert (
        _tables(
            core.on_message("shard-0", Kind.REGISTER, {"incarnation": 3, "address": "x"}, b"", 0.0)
        )
        == {}
    )


def test_a_new_coordinators_table_is_newer() -> None:
    first, second = _formed(1000), _formed(2_000_000)
    assert first._members.table is not None
    assert second._members.table is not None
    assert second._members.table.epoch > first._members.table.epoch


def test_metric_firings_leave_for_delivery_and_wait_for_its_answer() -> None:
    core = _formed()
    panes = [(0, 0, 10_000, None, 1, (0).to_bytes(16, "little"))]
    header = {"epoch": 1, "clock_ms": 5_200, "origin_ms": 5_200, "away": None}
    core.on_message("shard-0", Kind.PANES, header, msgpack.packb([None, panes]), 0.0)
    core.on_message(
        "shard-1", Kind.PANES, {**header, "origin_ms": None}, msgpack.packb([None, []]), 0.0
    )
    late = {**header, "clock_ms": 13_000}
    core.on_message("shard-0", Kind.PANES, late, msgpack.packb([None, []]), 0.0)
    effects = core.on_message("shard-1", Kind.PANES, late, msgpack.packb([None, []]), 777.5)
    sent = next(one for one in effects if isinstance(one, Send) and one.kind == Kind.RECORDS)
    items = msgpack.unpackb(sent.payload)
    assert [(i["record"]["kind"], i["record"].get("value")) for i in items] == [
        ("metric", 1),
        ("firing", None),
    ]
    assert items[1]["record"]["fired_at"] == 777
    assert items[1]["actions"] == ["call"]
    again = core.on_peer_connected("delivery", {"role": "delivery"}, 1.0)
    assert sent in again
    outcomes = [[n, "delivered"] for n in range(2)]
    done = core.on_message(
        "delivery", Kind.RECORDS_DONE, {"seq": sent.header["seq"], "outcomes": outcomes}, b"", 0.0
    )
    assert [(one.peer, one.kind) for one in done] == [
        ("shard-0", Kind.PANES_DONE),
        ("shard-1", Kind.PANES_DONE),
    ]
    assert sent not in core.on_peer_connected("delivery", {"role": "delivery"}, 1.0)
    assert _ask(core, "GET", "/v1/status")[1]["triggers"]["died"]["firings"] == 1


def test_panes_of_an_old_epoch_do_not_count() -> None:
    core = _formed()
    header = {"epoch": 0, "clock_ms": 5_200, "origin_ms": 5_200, "away": None}
    assert core.on_message("shard-0", Kind.PANES, header, msgpack.packb([None, []]), 0.0) == []


def test_the_stop_follows_the_way_of_an_event() -> None:
    core = _formed()
    effects = core.on_message(
        "control", Kind.REQUEST, {"id": 1, "method": "POST", "path": "/v1/stop"}, b"", 0.0
    )
    order = [[one.peer for one in effects if isinstance(one, Send) and one.kind == Kind.STOP]]
    for name in ("gateway-0", "shard-1", "shard-0", "delivery"):
        effects = core.on_message(name, Kind.STOPPED, {"name": name}, b"", 1.0)
        order.append(
            [one.peer for one in effects if isinstance(one, Send) and one.kind == Kind.STOP]
        )
    assert order == [["gateway-0"], ["shard-0", "shard-1"], [], ["delivery"], []]
    assert effects == [Send("control", Kind.STOPPED, {}), Stopped()]


def test_who_dies_or_hangs_in_the_stop_is_left_behind() -> None:
    core = _formed()
    core.on_stop(0.0)
    assert core.on_peer_lost("gateway-0", 1.0)[0] == Send("shard-0", Kind.STOP)
    core.on_message("shard-0", Kind.STOPPED, {}, b"", 2.0)
    assert core.on_tick(1.0 + limits.stop_phase_ms_max) == []
    assert core.on_tick(2.0 + limits.stop_phase_ms_max) == [Send("delivery", Kind.STOP)]
    assert core.on_tick(3.0 + 2 * limits.stop_phase_ms_max) == [Stopped()]


def test_status_says_who_is_ready() -> None:
    core = _formed()
    assert _ask(core, "GET", "/v1/status")[1]["ready"] is False
    core.on_message("gateway-0", Kind.HEARTBEAT, {}, msgpack.packb({"is_ready": True}), 0.0)
    assert _ask(core, "GET", "/v1/status")[1]["ready"] is True
    core.on_peer_lost("gateway-0", 1.0)
    assert _ask(core, "GET", "/v1/status")[1]["ready"] is False
    assert _ask(core, "GET", "/v1/nothing")[0] == 404


def test_a_new_coordinator_goes_on_where_the_last_one_stood() -> None:
    releases = []
    kept = b""
    for clocks in ((5_200, 13_000), (13_000, 15_500)):
        core = _formed()
        for clock_ms in clocks:
            for shard in ("shard-0", "shard-1"):
                start_ms = {5_200: 10_000, 15_500: 14_000}.get(clock_ms)
                rows = [(0, 0, start_ms, None, 1, bytes(16))] if start_ms else []
                header = {"epoch": 1, "clock_ms": clock_ms, "origin_ms": 5_200, "away": None}
                payload = msgpack.packb([kept or None, rows])
                for one in core.on_message(shard, Kind.PANES, header, payload, 0.0):
                    assert isinstance(one, Send)
                    items = msgpack.unpackb(one.payload)
                    releases.append([item["record"].get("value", "fired") for item in items])
                    outcomes = [[n, "delivered"] for n in range(len(items))]
                    done = {"seq": one.header["seq"], "outcomes": outcomes}
                    answer = core.on_message("delivery", Kind.RECORDS_DONE, done, b"", 0.0)[0]
                    assert isinstance(answer, Send)
                    kept = bytes(answer.payload)
    assert releases == [[1, "fired"], [1]]
