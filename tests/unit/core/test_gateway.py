"""The gateway core with the real router: answers, back-pressure, marks, link, stop."""

import msgpack
import pytest
from tests.unit.native.routing import KEY, NOW, PROGRAM, Event, Mark, items
from tests.unit.native.siphash import siphash13

from augenblick.binding.scanning import ENTRIES, NDJSON, RECORDS, Router
from augenblick.core import gateway as gateway_module
from augenblick.core.effects import (
    Answer,
    CloseClient,
    Connect,
    Disconnect,
    PauseReading,
    ResumeReading,
    Send,
    Stopped,
    WriteClient,
)
from augenblick.core.gateway import GatewayCore
from augenblick.core.gateway_sources import NO_WATERMARK, ClockRules
from augenblick.core.routing import Route, RoutingTable, ShardRoute, even_ranges
from augenblick.ingest.dialects import Chunk
from augenblick.link.messages import Kind


def table(shards=2, epoch=1, shard_epoch=1, addresses=True) -> dict:
    routes = tuple(
        ShardRoute(index, f"h:{index}" if addresses else "", 1, shard_epoch, first, last)
        for index, (first, last) in enumerate(even_ranges(shards))
    )
    delivery = Route("delivery", "h:9", 1)
    return RoutingTable(epoch, routes, ("gateway-0",), delivery, ()).to_header()


class Gateway:
    """A core and what it asked for, most conveniently."""

    def __init__(self, *, shards=2, clock="wall", is_up=True):
        self.shards = shards
        rules = ClockRules.of(PROGRAM, clock)
        self.core = GatewayCore("gateway-0", 7, Router(PROGRAM, KEY), rules, address="h:1")
        self.now = float(NOW)
        if is_up:
            self.message("coordinator", Kind.TABLE, **table(shards))
            for index in range(shards):
                self.connect(f"shard-{index}")

    def connect(self, peer, **hello):
        return self.core.on_peer_connected(peer, hello, self.now)

    def message(self, peer, kind, **header):
        return self.core.on_message(peer, kind, header, b"", self.now)

    def ack(self, sent: Send):
        return self.message(sent.peer, Kind.BATCH_ACK, seq=sent.header["seq"])

    def send(self, connection, *users, ack=b"", request=0, time=NOW, **options):
        """A chunk with one event per user; returns all effects up to the turn's end."""
        data = b"".join(
            msgpack.packb({"user": user, "event": "view", "time": time}) for user in users
        )
        chunk = Chunk(RECORDS, data, 0, len(data), ack=ack, **options)
        effects = self.core.on_chunk(connection, chunk, self.now, request=request)
        return effects + self.core.on_turn_end(self.now)

    def tick(self, ms=0):
        """Ticks over so many ms, as often as in life or nearly so."""
        effects = []
        while ms > 100:
            effects += self.tick(100)
            ms -= 100
        self.now += ms
        return effects + self.core.on_tick(self.now)


def batches(effects):
    return [effect for effect in effects if isinstance(effect, Send) and effect.kind == Kind.BATCH]


def marks(effects):
    found = {}
    for batch in batches(effects):
        own = [item.watermark_ms for item in items(batch.payload) if isinstance(item, Mark)]
        found.setdefault(batch.peer, []).extend(own)
    return found


def without_heartbeat(effects):
    return [
        effect
        for effect in effects
        if not (isinstance(effect, Send) and effect.kind == Kind.HEARTBEAT)
    ]


def user_of_shard(shard, shards=2):
    """A user whose key group belongs to the shard."""
    ranges = even_ranges(shards)
    for number in range(1000):
        user = f"u{number}"
        group = siphash13(KEY, user.encode()) >> 52
        if ranges[shard][0] <= group <= ranges[shard][1]:
            return user
    raise AssertionError


@pytest.fixture
def gateway():
    made = Gateway()
    made.core.on_opened(1, "1.1.1.1:1", made.now)
    return made


# ---- answers ---------------------------------------------------------------------------------


def test_a_chunk_is_answered_when_every_shard_that_got_a_part_has_it(gateway):
    effects = gateway.send(1, user_of_shard(0), user_of_shard(1), ack=b"ACK")
    first, second = batches(effects)
    assert {first.peer, second.peer} == {"shard-0", "shard-1"}
    assert gateway.ack(first) == []
    assert gateway.ack(second) == [WriteClient(1, b"ACK")]
    assert gateway.ack(second) == []


def test_shards_without_a_part_are_not_waited_for(gateway):
    [only] = batches(gateway.send(1, user_of_shard(1), ack=b"ACK"))
    assert only.peer == "shard-1"
    assert gateway.ack(only) == [WriteClient(1, b"ACK")]


def test_several_chunks_share_a_batch(gateway):
    user = user_of_shard(0)
    data = msgpack.packb({"user": user, "event": "view"})
    for name in (b"A", b"B"):
        gateway.core.on_chunk(1, Chunk(RECORDS, data, 0, len(data), ack=name), gateway.now)
    [batch] = batches(gateway.core.on_turn_end(gateway.now))
    assert gateway.ack(batch) == [WriteClient(1, b"AB", 2)]


def test_a_chunk_without_accepted_events_is_answered_at_once(gateway):
    effects = gateway.core.on_chunk(1, Chunk(RECORDS, b"\x80", 0, 1, ack=b"ACK"), gateway.now)
    assert effects == [WriteClient(1, b"ACK")]
    empty = Chunk(RECORDS, b"", 0, 0, ack=b"ACK")
    assert gateway.core.on_chunk(1, empty, gateway.now) == [WriteClient(1, b"ACK")]


def test_a_refused_frame_is_a_dead_letter_and_answered(gateway):
    frame = Chunk(ENTRIES, b"\x91\xa1t", 0, 3, ack=b"ACK", refusal="bad_frame", detail="why")
    assert gateway.core.on_chunk(1, frame, gateway.now) == [WriteClient(1, b"ACK")]
    [sent] = gateway.core.on_turn_end(gateway.now)
    [letter] = msgpack.unpackb(sent.payload)
    assert (letter["reason"], letter["detail"], letter["source"]) == (
        "bad_frame",
        "why",
        "1.1.1.1:1",
    )
    assert gateway.core.letters.resend() == [sent]
    gateway.message("delivery", Kind.DEAD_LETTERS_DONE, seq=sent.header["seq"])
    assert gateway.core.letters.is_empty


def test_without_an_ack_nothing_is_answered(gateway):
    [batch] = batches(gateway.send(1, "u"))
    assert gateway.ack(batch) == []


def test_an_ack_for_a_client_that_has_gone_is_dropped(gateway):
    [batch] = batches(gateway.send(1, "u", ack=b"ACK"))
    gateway.core.on_closed(1, "", gateway.now)
    assert gateway.ack(batch) == []


def test_http_answers_per_event(gateway):
    gateway.core.on_opened(0, "http", gateway.now, is_http=True)
    gateway.core.on_request_opened(0, gateway.now)
    lines = b'{"user":"u","event":"view"}\n{"event":"view"}\nbad\n'
    chunk = Chunk(NDJSON, lines, 0, len(lines))
    gateway.core.on_chunk(0, chunk, gateway.now, request=5)
    [batch] = batches(gateway.core.on_turn_end(gateway.now))
    assert gateway.ack(batch) == [Answer(0, 5, 200, (None, "no_user", "bad_json"))]


def test_before_there_is_a_table():
    gateway = Gateway(is_up=False)
    assert gateway.core.on_opened(1, "peer", gateway.now) == [PauseReading(1)]
    gateway.core.on_opened(0, "http", gateway.now, is_http=True)
    assert gateway.send(0, "u", request=3) == [Answer(0, 3, 503)]
    assert not gateway.core.is_ready
    effects = gateway.message("coordinator", Kind.TABLE, **table())
    assert effects == [
        Connect("shard-0", "h:0", 1),
        Connect("shard-1", "h:1", 1),
        Connect("delivery", "h:9", 1),
        ResumeReading(1),
        ResumeReading(0),
    ]


# ---- batches ---------------------------------------------------------------------------------


def test_the_header_of_a_batch(gateway):
    gateway.now += 0.25
    [batch] = batches(gateway.send(1, "u", ack=b"A"))
    assert batch.header == {
        "seq": 1,
        "epoch": 1,
        "gateway": "gateway-0",
        "incarnation": 7,
        "watermark_ms": NOW - 5000,
        "is_running": True,
        "received_us": int(gateway.now * 1000),
    }


def test_tag_warm_and_chunk_go_on_with_the_events(gateway):
    [batch] = batches(gateway.send(1, "u", tag=b"shop", is_warm=True, chunk=b"id"))
    [event] = [item for item in items(batch.payload) if isinstance(item, Event)]
    assert event.record["context"] == {"stream": "shop"}
    assert event.flags == 1
    assert event.fingerprint
    [again] = batches(gateway.send(1, "u", tag=b"shop", is_warm=True, chunk=b"id"))
    assert items(again.payload)[-1].fingerprint == event.fingerprint


def test_unacknowledged_batches_come_again_in_order_after_a_reconnect(gateway):
    user = user_of_shard(0)
    sent = [batches(gateway.send(1, user, ack=b"%d" % n))[0] for n in range(3)]
    gateway.ack(sent[0])
    gateway.core.on_peer_lost("shard-0", gateway.now)
    assert not gateway.core.is_ready
    assert batches(gateway.send(1, user, ack=b"3")) == []
    again = batches(gateway.connect("shard-0"))
    assert [one.header["seq"] for one in again] == [2, 3, 4]
    assert [one.payload for one in again[:2]] == [sent[1].payload, sent[2].payload]
    assert gateway.ack(again[2]) == [WriteClient(1, b"123", 3)]


def test_an_old_epoch_waits_for_the_new_table(gateway):
    user = user_of_shard(0)
    [sent] = batches(gateway.send(1, user))
    gateway.message("shard-0", Kind.REFUSED, seq=1, reason="epoch", epoch=2)
    assert batches(gateway.send(1, user)) == []
    older = gateway.message("coordinator", Kind.TABLE, **table(epoch=0))
    assert older == []
    again = batches(gateway.message("coordinator", Kind.TABLE, **table(epoch=2, shard_epoch=2)))
    assert [one.header["seq"] for one in again] == [1, 2]
    assert {one.header["epoch"] for one in again} == {2}
    assert again[0].payload == sent.payload


def test_a_new_owner_is_followed_before_any_table(gateway):
    shard, user = 0, user_of_shard(0)
    gateway.send(1, user, ack=b"a")
    gateway.core.on_peer_lost(f"shard-{shard}", NOW)
    [again] = batches(gateway.connect(f"shard-{shard}", epoch=9))
    assert again.header["epoch"] == 9
    gateway.message("coordinator", Kind.TABLE, **table(epoch=2, shard_epoch=1))
    [later] = batches(gateway.send(1, user, ack=b"b"))
    assert later.header["epoch"] == 9  # a table of before knows less


def test_a_shard_without_address_is_not_dialled(gateway):
    effects = gateway.message("coordinator", Kind.TABLE, **table(epoch=2, addresses=False))
    assert Disconnect("shard-0") in effects


def test_an_incarnation_is_raised_above_what_a_shard_knows():
    gateway = Gateway(is_up=False)
    gateway.message("coordinator", Kind.TABLE, **table())
    gateway.connect("shard-0", gateways={"gateway-0": 20})
    gateway.connect("shard-1", gateways={"gateway-0": 12})
    gateway.core.on_opened(1, "peer", gateway.now)
    [batch] = batches(gateway.send(1, "u"))
    assert batch.header["incarnation"] == 21


# ---- back-pressure ---------------------------------------------------------------------------


def test_too_much_unacknowledged_pauses_everybody(gateway, monkeypatch):
    monkeypatch.setattr(gateway_module, "shard_unacked_bytes_max", 1000)
    monkeypatch.setattr("augenblick.core.gateway_shards.batches_in_flight_max", 20)
    gateway.core.on_opened(2, "other", gateway.now)
    user = user_of_shard(0)
    sent = []
    for _ in range(20):
        effects = gateway.send(1, user)
        sent += batches(effects)
        if PauseReading(1) in effects:
            break
    assert PauseReading(2) in effects
    assert gateway.core.on_opened(3, "third", gateway.now) == [PauseReading(3)]
    effects = []
    while ResumeReading(1) not in effects:
        effects = gateway.ack(sent.pop(0))
        sent += batches(effects)
    assert effects[-3:] == [ResumeReading(1), ResumeReading(2), ResumeReading(3)]
    assert sent, "half of it is still under way"
    assert not gateway.core.is_paused


def test_a_shard_that_is_away_pauses_clients_before_memory_ends(gateway, monkeypatch):
    monkeypatch.setattr(gateway_module, "gateway_unacked_bytes_max", 1000)
    gateway.core.on_peer_lost("shard-0", gateway.now)
    gateway.core.on_peer_lost("shard-1", gateway.now)
    effects = [effect for _ in range(20) for effect in gateway.send(1, "u")]
    assert PauseReading(1) in effects
    gateway.connect("shard-0")
    effects = gateway.connect("shard-1")
    for batch in batches(effects):
        gateway.ack(batch)


# ---- time ------------------------------------------------------------------------------------


def test_a_tick_tells_every_shard_of_a_watermark_that_rose(gateway):
    effects = gateway.send(1, user_of_shard(0))
    assert marks(effects) == {"shard-0": [NOW - 5000]}
    assert marks(gateway.tick()) == {"shard-0": [NOW - 5000], "shard-1": [NOW - 5000]}
    assert without_heartbeat(gateway.tick(10)) == []


def test_silence_moves_the_clock_on_ticks(gateway):
    gateway.send(1, "u")
    gateway.tick()
    assert marks(gateway.tick(1000)) == {"shard-0": [NOW - 4000], "shard-1": [NOW - 4000]}
    gateway.core.on_closed(1, "", gateway.now)
    assert marks(gateway.tick(10)) == {"shard-0": [NOW - 3990], "shard-1": [NOW - 3990]}


def test_after_a_standstill_sources_are_read_before_they_count_as_silent(gateway):
    gateway.send(1, "u")
    gateway.tick()
    gateway.now += 30_000
    assert batches(gateway.core.on_tick(gateway.now)) == []
    effects = gateway.send(1, user_of_shard(0), time=int(gateway.now) - 29_000)
    assert marks(effects) == {"shard-0": [NOW - 4000]}
    assert set(marks(gateway.tick(1000))["shard-1"]) == {NOW - 4000, NOW - 3000}


def test_after_back_pressure_sources_are_read_before_they_count_as_silent(gateway, monkeypatch):
    monkeypatch.setattr(gateway_module, "shard_unacked_bytes_max", 80)
    [batch] = batches(gateway.send(1, user_of_shard(0)))
    assert gateway.core.is_paused
    sent = batches(gateway.tick(5000))
    for one in [batch, *sent]:
        sent += batches(gateway.ack(one))
    assert not gateway.core.is_paused
    before = gateway.core.status()["watermark_ms"]
    gateway.tick(900)
    assert gateway.core.status()["watermark_ms"] == before
    gateway.tick(200)
    assert gateway.core.status()["watermark_ms"] > before


def test_an_end_mark_reaches_every_shard_before_its_answer():
    gateway = Gateway(clock="event")
    gateway.core.on_opened(1, "peer", gateway.now)
    effects = gateway.send(1, user_of_shard(0), ack=b"ACK", is_end=True, time=5000)
    assert marks(effects) == {"shard-0": [0, 5001], "shard-1": [5001]}
    first, second = batches(effects)
    assert items(second.payload)[0].ingest_ms == 5000
    assert gateway.ack(first) == []
    assert gateway.ack(second) == [WriteClient(1, b"ACK")]


def test_an_end_without_events_in_its_chunk(gateway):
    gateway.send(1, "u")
    effects = gateway.send(1, ack=b"ACK", is_end=True)
    assert set(marks(effects)["shard-0"]) == {NOW + 1}


def test_a_new_gateway_begins_where_its_shards_stand():
    gateway = Gateway(is_up=False)
    gateway.message("coordinator", Kind.TABLE, **table())
    gateway.connect("shard-0", watermark_ms=NOW - 9000)
    gateway.connect("shard-1", watermark_ms=NOW - 8000)
    assert marks(gateway.tick(10)) == {"shard-0": [NOW - 9000], "shard-1": [NOW - 9000]}


def test_a_new_gateway_of_a_new_engine_has_no_clock():
    gateway = Gateway(is_up=False)
    gateway.message("coordinator", Kind.TABLE, **table())
    gateway.connect("shard-0", watermark_ms=NO_WATERMARK)
    gateway.connect("shard-1", watermark_ms=NO_WATERMARK)
    assert batches(gateway.tick(10)) == []


def test_it_says_when_its_clock_stands():
    gateway = Gateway(clock="event")
    gateway.core.on_opened(1, "peer", gateway.now)
    gateway.send(1, "u")
    assert all(batch.header["is_running"] for batch in batches(gateway.tick()))
    gateway.core.on_closed(1, "", gateway.now)
    last = batches(gateway.tick(10))
    assert len(last) == 2
    assert not any(batch.header["is_running"] for batch in last)
    assert batches(gateway.tick(10)) == []


# ---- duty and stop ---------------------------------------------------------------------------


def test_it_registers_and_reports(gateway):
    [register] = gateway.connect("coordinator")
    assert register.kind == Kind.REGISTER
    assert register.header == {
        "role": "gateway",
        "name": "gateway-0",
        "incarnation": 7,
        "address": "h:1",
    }
    [beat] = gateway.tick()
    assert msgpack.unpackb(beat.payload)["is_ready"] is True
    assert gateway.tick(10) == []
    gateway.core.on_peer_lost("shard-0", gateway.now)
    [beat] = gateway.tick(10)
    assert msgpack.unpackb(beat.payload)["is_ready"] is False
    assert len(gateway.tick(1000)) == 1


def test_status_counts(gateway):
    gateway.send(1, "u", "v")
    gateway.core.on_chunk(1, Chunk(RECORDS, b"\x80\x05", 0, 2), gateway.now)
    gateway.core.on_closed(9, "not_forward", gateway.now)
    status = gateway.core.status()
    [source] = status["sources"]
    assert source["events"] == 2
    assert source["refused"] == {"no_user": 1, "not_a_map": 1}
    assert status["dead_letters"] == {"no_user": 1, "not_a_map": 1}
    assert status["connections_closed"] == {"not_forward": 1}
    msgpack.packb(status)


def test_stop_waits_for_what_was_read(gateway):
    gateway.connect("coordinator")
    effects = gateway.send(1, user_of_shard(0), ack=b"ACK")
    [batch] = batches(effects)
    stopping = gateway.message("coordinator", Kind.STOP)
    assert stopping == [PauseReading(1)]
    assert not gateway.core.is_ready
    assert gateway.ack(batch) == [
        WriteClient(1, b"ACK"),
        CloseClient(1, "stopped"),
        Send("coordinator", Kind.STOPPED, {"name": "gateway-0"}),
        Stopped(),
    ]
    assert gateway.core.on_stop(gateway.now) == []
    assert gateway.send(1, "u", request=4) == [Answer(1, 4, 503)]


def test_stop_of_an_idle_gateway_is_immediate(gateway):
    assert gateway.core.on_stop(gateway.now)[-1] == Stopped()


def test_messages_nobody_expects_are_ignored(gateway):
    assert gateway.message("shard-99", Kind.BATCH_ACK, seq=1) == []
    assert gateway.message("shard-x", Kind.BATCH_ACK, seq=1) == []
    assert gateway.message("delivery", Kind.PANES) == []
    assert gateway.core.on_closed(55, "", gateway.now) == []
    assert gateway.send(55, "u") == []
