"""Where a new gateway's clock begins, how long it stands there, and how it goes on."""

import pytest
from tests.unit.core.test_gateway import Gateway, batches, marks, table
from tests.unit.native.routing import NOW

from augenblick.core.effects import Answer, Log
from augenblick.core.gateway_begin import Begin, GatewayBegin
from augenblick.core.gateway_sources import NO_WATERMARK, ClockRules
from augenblick.link.messages import Kind

CATCH_UP_MS = 30_000
WALL = ClockRules(5000, 1000, 300_000, is_event_clock=False, catch_up_ms=CATCH_UP_MS)
EVENT = ClockRules(5000, 1000, 300_000, is_event_clock=True, catch_up_ms=CATCH_UP_MS)
SHARDS = ("shard-0", "shard-1")


def hello(watermark_ms=NO_WATERMARK, rose_ms=0, *, is_standing=False):
    return {"watermark_ms": watermark_ms, "rose_ms": rose_ms, "is_standing": is_standing}


def begun(rules, first, second):
    begin = GatewayBegin(rules)
    begin.on_hello("shard-0", first)
    assert begin.begin(SHARDS, NOW) is None
    begin.on_hello("shard-1", second)
    return begin, begin.begin(SHARDS, NOW)


def test_it_begins_once_at_the_smallest_and_goes_on_with_the_furthest():
    begin, found = begun(WALL, hello(700, 9000), hello(500, 8000))
    assert found == Begin(500, 700, 9000)
    assert begin.has_begun
    assert begin.begin(SHARDS, NOW) is None


@pytest.mark.parametrize("is_standing", [False, True])
def test_on_the_wall_clock_it_waits_for_the_clients(is_standing):
    begin, _ = begun(WALL, hello(700, 9000), hello(500, 8000, is_standing=is_standing))
    wait_ms = CATCH_UP_MS if is_standing else 1000
    assert begin.catch_up_until_ms == (NOW + wait_ms if is_standing else None)
    assert begin.held_ms(NOW + wait_ms - 1) == 500
    assert begin.held_ms(NOW + wait_ms) is None
    assert begin.catch_up_until_ms is None


def test_on_the_event_clock_there_is_nothing_to_wait_for():
    begin, found = begun(EVENT, hello(700, 9000, is_standing=True), hello(500, 8000))
    assert found.watermark_ms == 500
    assert begin.held_ms(NOW) is None
    assert begun(EVENT, hello(700, 9000), hello())[1].watermark_ms == NO_WATERMARK


def test_a_shard_without_users_does_not_move_the_begin():
    assert begun(WALL, hello(), hello(500, 8000))[1] == Begin(500, 500, 8000)
    begin, found = begun(WALL, hello(), hello())
    assert found.line_ms == NO_WATERMARK
    assert begin.held_ms(NOW) is None


class Away(Gateway):
    """A gateway of an engine that was away for an hour: its clock had stood 5 s behind the wall."""

    def __init__(self, *, is_standing=True):
        super().__init__(is_up=False)
        self.core._begin = GatewayBegin(WALL)
        self.message("coordinator", Kind.TABLE, **table())
        for shard in SHARDS:
            facts = hello(NOW - 3_605_000, NOW - 3_600_000, is_standing=is_standing)
            self.effects = self.connect(shard, **facts)

    def stand(self):
        """The gateway's watermark as ms behind the wall clock."""
        self.tick(10)
        return self.now - self.core.status()["watermark_ms"]


def test_after_a_start_the_clock_stands_and_then_makes_up_for_the_time_away():
    gateway = Away()
    assert any(isinstance(effect, Log) for effect in gateway.effects)
    assert marks(gateway.tick(10)) == {one: [NOW - 3_605_000] for one in SHARDS}
    assert gateway.core.status()["catch_up_until_ms"] == NOW + CATCH_UP_MS
    assert marks(gateway.tick(CATCH_UP_MS - 100)) == {}
    assert gateway.stand() > 3_600_000
    gateway.tick(200)
    assert gateway.stand() == 5000
    assert gateway.core.status()["catch_up_until_ms"] is None


def test_a_gateway_alone_waits_as_long_as_for_a_silent_source():
    gateway = Away(is_standing=False)
    gateway.tick(900)
    assert gateway.stand() > 3_600_000
    gateway.tick(200)
    assert gateway.stand() == 5000


def test_events_move_nothing_while_the_clock_stands():
    gateway = Away()
    gateway.core.on_opened(1, "peer", gateway.now)
    effects = gateway.send(1, "u")
    assert {ms for found in marks(effects).values() for ms in found} == {NOW - 3_605_000}
    assert all(batch.header["is_running"] for batch in batches(effects))
    gateway.tick(CATCH_UP_MS + 100)
    assert gateway.stand() == 5000


@pytest.mark.parametrize("age_ms", [60_000, 3_000_000])
def test_what_was_buffered_holds_the_clock_no_longer_than_its_source_is_busy(age_ms):
    gateway = Away()
    gateway.core.on_opened(1, "peer", gateway.now)
    gateway.send(1, "u", time=NOW - age_ms)
    gateway.tick(CATCH_UP_MS - 500)
    late_ms = int(gateway.now) - age_ms
    gateway.send(1, "u", time=late_ms)  # still busy
    gateway.tick(600)
    assert gateway.core.status()["watermark_ms"] == late_ms - 5000
    gateway.tick(1000)
    assert gateway.stand() == 5000
    assert [source.native.late for source in gateway.core.sources] == [0]


def test_http_is_answered_once_the_clock_has_begun():
    gateway = Gateway(is_up=False)
    gateway.message("coordinator", Kind.TABLE, **table())
    gateway.core.on_opened(0, "http", gateway.now, is_http=True)
    gateway.connect("shard-0")
    assert gateway.send(0, "u", request=1)[0] == Answer(0, 1, 503)
    gateway.connect("shard-1")
    assert not any(isinstance(one, Answer) for one in gateway.send(0, "u", request=2))
