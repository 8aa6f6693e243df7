from typing import Any

import msgpack
import pytest
from tests.unit.core.kernel_stub import StubKernel, stream
from tests.unit.core.programs import EMPTY, actor_trigger, metric, with_metrics

from augenblick import limits
from augenblick.core.effects import Append, Connect, Effect, Send, Stopped
from augenblick.core.routing import Route, RoutingTable, ShardRoute
from augenblick.core.shard import ShardCore
from augenblick.link.messages import Kind

GATEWAY = {"role": "gateway", "name": "gateway-0", "incarnation": 5}
PROGRAM = with_metrics(metrics=(metric("views", 1000),), triggers=(actor_trigger("mine"),))
TABLE = RoutingTable(
    1,
    (ShardRoute(0, "h:1", 7, 3, 0, 4095),),
    ("gateway-0", "gateway-1"),
    Route("delivery", "h:2", 1),
    (Route("trigger-mine", "h:3", 1),),
)


class Shard:
    """A shard core with the store `none`: appends are answered at once unless `holds` is set."""

    def __init__(self) -> None:
        self.kernel = StubKernel()
        self.core = ShardCore(PROGRAM, self.kernel, index=0, incarnation=7, epoch=3)
        self.holds = False
        self.tokens: list[int] = []

    def run(self, effects: list[Effect], now_ms: float = 1000.0) -> list[Effect]:
        out: list[Effect] = []
        for effect in effects:
            if not isinstance(effect, Append):
                out.append(effect)
            elif self.holds:
                self.tokens.append(effect.token)
            else:
                out += self.run(self.core.on_appended(effect.token, now_ms), now_ms)
        return out

    def batch(self, seq: int, *items: Any, gateway: int = 0, **header: Any) -> list[Effect]:
        full = {
            "seq": seq,
            "gateway": f"gateway-{gateway}",
            "incarnation": 5,
            "epoch": 3,
            "watermark_ms": max((one for one in items if isinstance(one, int)), default=-(2**63)),
            "is_running": True,
            "received_us": 999_000,
            **header,
        }
        return self.message(f"gateway-{gateway}", Kind.BATCH, full, stream(*items))

    def message(self, peer: str, kind: int, header: dict, payload: bytes = b"") -> list[Effect]:
        return self.run(self.core.on_message(peer, kind, header, payload, 1000.0))


def _kinds(effects: list[Effect]) -> list[tuple[str, int]]:
    return [(one.peer, one.kind) for one in effects if isinstance(one, Send)]


def _items(effects: list[Effect], kind: int) -> list[Any]:
    found = [one for one in effects if isinstance(one, Send) and one.kind == kind]
    return [item for one in found for item in msgpack.unpackb(one.payload)]


def test_a_batch_is_acked_and_its_firings_leave() -> None:
    shard = Shard()
    effects = shard.batch(1, 100, (200, "a"), (300, "b"))
    assert _kinds(effects) == [("gateway-0", Kind.BATCH_ACK), ("delivery", Kind.RECORDS)]
    assert [item["record"]["user"] for item in _items(effects, Kind.RECORDS)] == ["a", "b"]


def test_nothing_leaves_before_the_record_is_durable() -> None:
    shard = Shard()
    shard.holds = True
    assert shard.batch(1, 100, (200, "a")) == []
    assert shard.batch(2, 100, (200, "b")) == []
    assert shard.batch(1, 100, (200, "a")) == []
    assert shard.run(shard.core.on_tick(1010.0))[:-1] == []
    effects = shard.core.on_appended(shard.tokens[0], 1020.0)
    assert _kinds(effects) == [("gateway-0", Kind.BATCH_ACK), ("delivery", Kind.RECORDS)]
    effects = shard.core.on_appended(shard.tokens[1], 1030.0)
    assert [item["record"]["user"] for item in _items(effects, Kind.RECORDS)] == ["b"]


def test_a_batch_is_applied_once_and_in_order() -> None:
    shard = Shard()
    shard.batch(1, 100, (200, "a"))
    assert _kinds(shard.batch(1, 100, (200, "a"))) == [("gateway-0", Kind.BATCH_ACK)]
    assert shard.kernel.events == 1
    refusals = [
        shard.batch(3, 100, (200, "b")),
        shard.batch(2, 100, (200, "b"), epoch=2),
        shard.batch(2, 100, (200, "b"), incarnation=4),
    ]
    assert [one[0].header["reason"] for one in refusals] == ["gap", "epoch", "incarnation"]
    assert shard.kernel.events == 1
    shard.batch(1, 100, (200, "c"), incarnation=6)
    assert shard.kernel.events == 2


def test_records_wait_for_delivery_and_are_sent_again() -> None:
    shard = Shard()
    first = _items(shard.batch(1, 100, (200, "a"), (201, "b")), Kind.RECORDS)
    again = shard.core.on_peer_connected("delivery", {"role": "delivery"}, 1.0)
    assert _items(again, Kind.RECORDS) == first
    seq = again[0].header["seq"]
    shard.message("delivery", Kind.RECORDS_DONE, {"seq": seq, "outcomes": [[0, "delivered"]]})
    assert shard.core.on_peer_connected("delivery", {"role": "delivery"}, 1.0)
    shard.message("delivery", Kind.RECORDS_DONE, {"seq": seq, "outcomes": [[0, "dead_letter"]]})
    assert shard.core.on_peer_connected("delivery", {"role": "delivery"}, 1.0) == []


def test_a_full_outbox_gives_its_oldest_to_the_dead_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "outbox_items_max", 2)
    shard = Shard()
    shard.core = ShardCore(PROGRAM, shard.kernel, index=0, incarnation=7, epoch=3)
    shard.core._records._items_max = 2
    shard.batch(1, 100, (200, "a"), (201, "b"))
    letters = _items(shard.batch(2, 100, (300, "c")), Kind.DEAD_LETTERS)
    assert [(one["reason"], one["firing"]["user"]) for one in letters] == [
        ("outbox_full", "a"),
        ("outbox_full", "b"),
    ]


def test_the_clock_is_the_minimum_over_the_gateways_that_run() -> None:
    shard = Shard()
    shard.message("coordinator", Kind.TABLE, TABLE.to_header())
    shard.batch(1, 500)
    shard.batch(1, 300, gateway=1)
    shard.batch(2, 900)
    assert [call[3] for call in shard.kernel.calls] == [2**63 - 1, 500, 300]
    assert shard.kernel.clock_ms == 500
    shard.batch(2, 300, gateway=1, is_running=False)
    shard.run(shard.core.on_tick(1010.0))
    assert shard.kernel.clock_ms == 900


def test_a_gateway_that_is_away_holds_the_clock_for_a_while() -> None:
    shard = Shard()
    shard.batch(1, 300, gateway=1)
    shard.batch(1, 900)
    shard.core.on_peer_lost("gateway-1", 2000.0)
    shard.run(shard.core.on_tick(2000.0 + limits.gateway_absent_ms_max))
    assert shard.kernel.clock_ms == 300
    shard.run(shard.core.on_tick(2001.0 + limits.gateway_absent_ms_max))
    assert shard.kernel.clock_ms == 900


def test_the_table_is_dialled() -> None:
    shard = Shard()
    effects = shard.message("coordinator", Kind.TABLE, TABLE.to_header())
    assert effects == [Connect("delivery", "h:2", 1), Connect("trigger-mine", "h:3", 1)]
    assert shard.core.status(1.0)["key_groups"] == 4096


def test_panes_are_reported_by_the_tick_and_kept_until_closed() -> None:
    shard = Shard()
    shard.batch(1, 100, (200, "a"))
    report = [one for one in shard.run(shard.core.on_tick(1010.0)) if one.kind == Kind.PANES]
    assert report[0].header == {
        "epoch": 3,
        "clock_ms": 100,
        "origin_ms": 100,
        "away": None,
    }
    assert len(msgpack.unpackb(report[0].payload)[1]) == 1
    assert shard.core._panes.report(100) == []
    again = shard.core.on_peer_connected("coordinator", {"role": "coordinator"}, 1.0)
    assert _kinds(again) == [("coordinator", Kind.REGISTER), ("coordinator", Kind.PANES)]
    shard.message("coordinator", Kind.PANES_DONE, {"open_from": {0: 1000}}, b"kept")
    again = shard.core.on_peer_connected("coordinator", {"role": "coordinator"}, 1.0)
    assert msgpack.unpackb(again[1].payload) == [b"kept", []]


def test_custom_triggers_get_columns_and_their_firings_leave() -> None:
    shard = Shard()
    sent = shard.batch(1, 100, (200, "custom-1"), (300, "custom-2"))[1]
    assert isinstance(sent, Send)
    assert (sent.peer, sent.kind) == ("trigger-mine", Kind.ACTOR_BATCH)
    columns = msgpack.unpackb(sent.payload)
    assert columns["user"] == ["custom-1", "custom-2"]
    assert columns["values"] == {"n": [1, 1]}
    answer = msgpack.packb([[1, "k", {"score": 0.5}]])
    header = {"seq": sent.header["seq"]}
    effects = shard.message("trigger-mine", Kind.ACTOR_FIRINGS, header, answer)
    record = _items(effects, Kind.RECORDS)[0]["record"]
    assert (record["user"], record["values"]) == ("custom-2", {"n": 1, "score": 0.5})
    assert shard.message("trigger-mine", Kind.ACTOR_FIRINGS, header, answer) == []


def test_a_batch_that_its_host_never_survives_is_dropped() -> None:
    shard = Shard()
    shard.batch(1, 100, (200, "custom-1"))
    sends = []
    for incarnation in (1, 1, 1, 1, 2, 3, 4):
        hello = {"role": "host", "incarnation": incarnation}
        sends.append(_kinds(shard.core.on_peer_connected("trigger-mine", hello, 1.0)))
    assert sends == [[("trigger-mine", Kind.ACTOR_BATCH)]] * 5 + [[], []]
    assert shard.core.status(1.0)["actors"]["mine"]["failed"] == 1


def test_the_stop_waits_for_every_answer() -> None:
    shard = Shard()
    sent = shard.batch(1, 100, (200, "a"), (201, "bad"))
    effects = shard.message("coordinator", Kind.STOP, {})
    assert Stopped() not in effects
    for one in sent[1:]:
        assert isinstance(one, Send)
        assert Stopped() not in effects
        kind = Kind.RECORDS_DONE if one.kind == Kind.RECORDS else Kind.DEAD_LETTERS_DONE
        outcomes = [[0, "delivered"]] if one.kind == Kind.RECORDS else None
        effects = shard.message("delivery", kind, {"seq": one.header["seq"], "outcomes": outcomes})
    assert effects == [Send("coordinator", Kind.STOPPED, {"name": "shard-0"}), Stopped()]


def test_status_has_the_firings_and_their_latency() -> None:
    shard = Shard()
    shard.batch(1, 100, (200, "a"))
    status = shard.core.status(1000.0)
    assert status["triggers"]["t"]["firings"] == 1
    assert status["triggers"]["t"]["latency"]["maximum"] == 1000
    assert msgpack.unpackb(msgpack.packb(status), strict_map_key=False) == status
    assert EMPTY.triggers == ()


def test_when_much_waits_for_the_disk_batches_wait_before_they_are_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "journal_unanswered_bytes_max", 100)
    shard = Shard()
    shard.holds = True
    for seq in range(1, 6):
        shard.batch(seq, 100, (200 + seq, "a"))
    assert (shard.kernel.events, shard.core.status(1.0)["held_batches"]) == (2, 3)
    shard.holds = False
    effects = shard.run(shard.core.on_appended(shard.tokens[-1], 1.0))
    assert shard.kernel.events == 5
    acks = [one.header["seq"] for one in effects if isinstance(one, Send) and one.header.get("seq")]
    assert 5 in acks
    shard.holds = True
    for seq in range(6, 10):
        shard.batch(seq, 100, (200 + seq, "a"))
    shard.core.on_peer_connected("gateway-0", GATEWAY, 1.0)  # it sends them again
    assert shard.core.status(1.0)["held_batches"] == 0


def test_a_mark_that_changes_nothing_has_no_record() -> None:
    shard = Shard()
    shard.holds = True
    assert shard.batch(1, 100) == []  # the gateway is new
    shard.run(shard.core.on_appended(shard.tokens.pop(), 1.0))
    assert _kinds(shard.batch(2, 200)) == [("gateway-0", Kind.BATCH_ACK)]
    assert shard.tokens == []
    assert shard.core.facts()["watermark_ms"] == 200
    shard.batch(3, 200, (300, "a"))
    assert shard.batch(4, 250) == []  # behind what is not durable
    assert len(shard.tokens) == 2
    assert shard.core.facts()["watermark_ms"] == 100
    shard.run(shard.core.on_appended(shard.tokens[-1], 1.0))
    assert shard.core.facts()["watermark_ms"] == 250
