"""The gateway's watermark over its sources, on both clocks."""

from dataclasses import dataclass, field

import pytest

from augenblick.core.gateway_sources import NO_OTHERS, NO_WATERMARK, ClockRules, Sources

DAY = 86_400_000
WALL = ClockRules(lateness_ms=5000, idle_ms=1000, future_ms=300_000, is_event_clock=False)
EVENT = ClockRules(lateness_ms=5000, idle_ms=1000, future_ms=300_000, is_event_clock=True)
NOW = 1_700_000_000_000


@dataclass
class PlainSource:
    """The native counters, set by hand."""

    max_event_ms: int = NO_WATERMARK
    ingest_ms: int = NO_WATERMARK
    max_event_clock_ms: int = NO_WATERMARK
    events: int = 0
    late: int = 0


@dataclass
class Clock:
    """The gateway's clock as GatewayCore drives it."""

    rules: ClockRules
    watermark_ms: int = NO_WATERMARK
    sources: Sources = field(init=False)

    def __post_init__(self):
        self.sources = Sources(self.rules, PlainSource)

    def open(self, connection, *, is_http=False):
        return self.sources.open(connection, f"peer {connection}", is_http=is_http)

    def event(self, source, event_ms, now_ms):
        """One event, as the router notes it."""
        native = source.native
        clock_ms = event_ms if self.rules.is_event_clock else min(event_ms, now_ms)
        others_ms = self.sources.others_min_ms(source, self.watermark_ms, now_ms)
        native.events += 1
        native.max_event_ms = max(native.max_event_ms, event_ms)
        native.max_event_clock_ms = max(native.max_event_clock_ms, clock_ms)
        native.ingest_ms = now_ms
        own_ms = native.max_event_clock_ms - self.rules.lateness_ms
        self.watermark_ms = max(self.watermark_ms, min(own_ms, others_ms))
        self.sources.note_events(source, self.watermark_ms)

    def at(self, now_ms):
        before_ms = self.watermark_ms
        self.watermark_ms = self.sources.watermark_at(before_ms, now_ms)
        assert self.watermark_ms >= before_ms
        return self.watermark_ms


@pytest.fixture
def wall():
    return Clock(WALL)


@pytest.fixture
def event():
    return Clock(EVENT)


def test_before_the_first_event_there_is_no_clock(wall):
    wall.open(1)
    assert wall.at(NOW + DAY) == NO_WATERMARK
    assert not wall.sources.is_clock_running(wall.watermark_ms)


def test_one_source(wall):
    source = wall.open(1)
    wall.event(source, NOW - 100, NOW)
    assert wall.at(NOW) == NOW - 5100
    assert wall.sources.is_clock_running(wall.watermark_ms)


def test_a_source_without_events_does_not_count(wall):
    source = wall.open(1)
    wall.open(2)
    wall.event(source, NOW, NOW)
    assert wall.at(NOW) == NOW - 5000


def test_the_slowest_source_decides(wall):
    slow, fast = wall.open(1), wall.open(2)
    wall.event(slow, NOW - 50_000, NOW)
    wall.event(fast, NOW, NOW)
    assert wall.at(NOW) == NOW - 55_000
    wall.event(slow, NOW - 10_000, NOW)
    assert wall.at(NOW) == NOW - 15_000


def test_a_source_behind_the_gateway_holds_nobody_up(wall):
    fast, behind = wall.open(1), wall.open(2)
    wall.event(fast, NOW, NOW)
    wall.event(behind, NOW - 50_000, NOW)
    assert wall.at(NOW) == NOW - 5000
    wall.event(fast, NOW + 10, NOW + 10)
    assert wall.at(NOW + 10) == NOW - 4990


def test_a_fast_clock_carries_nobody_ahead(wall):
    source = wall.open(1)
    wall.event(source, NOW + 240_000, NOW)
    assert wall.at(NOW) == NOW - 5000


def test_silence_goes_on_at_the_wall_clocks_rate(wall):
    source = wall.open(1)
    wall.event(source, NOW - 100, NOW)
    assert wall.at(NOW + 999) == NOW - 5100
    assert wall.at(NOW + 1000) == NOW - 4100
    assert wall.at(NOW + DAY) == NOW - 5100 + DAY


def test_a_paused_source_is_not_silent(wall):
    source = wall.open(1)
    wall.event(source, NOW, NOW)
    source.is_paused = True
    assert wall.at(NOW + DAY) == NOW - 5000


def test_an_idle_source_holds_nobody_up(wall):
    idle, busy = wall.open(1), wall.open(2)
    wall.event(idle, NOW - 1000, NOW)
    wall.event(busy, NOW, NOW)
    wall.event(busy, NOW + 2000, NOW + 2000)
    assert wall.at(NOW + 2000) == NOW - 3000


def test_closing_moves_nothing_and_the_clock_goes_on_from_there(wall):
    slow, fast = wall.open(1), wall.open(2)
    wall.event(slow, NOW - 50_000, NOW)
    wall.event(fast, NOW, NOW)
    wall.sources.close(2)
    wall.sources.close(1)
    assert wall.at(NOW) == NOW - 55_000
    assert wall.at(NOW + 10) == NOW - 54_990
    assert wall.sources.is_clock_running(wall.watermark_ms)


def test_a_pause_in_old_data_makes_nothing_late(wall):
    replay = wall.open(1)
    wall.event(replay, NOW - 30 * DAY, NOW)
    old_ms = NOW - 30 * DAY - 5000
    assert wall.at(NOW + 5000) == old_ms
    wall.sources.close(1)
    assert wall.at(NOW + DAY) == old_ms
    assert not wall.sources.is_clock_running(wall.watermark_ms)


def test_data_is_a_replay_when_older_than_future(wall):
    source = wall.open(1)
    wall.event(source, NOW - 300_000, NOW)
    assert wall.at(NOW + 1000) == NOW - 304_000
    other = Clock(WALL)
    source = other.open(1)
    other.event(source, NOW - 300_001, NOW)
    assert other.at(NOW + 1000) == NOW - 305_001


def test_a_replay_beside_live_traffic_is_behind_it(wall):
    live = wall.open(1)
    wall.event(live, NOW, NOW)
    replay = wall.open(2)
    wall.event(replay, NOW - DAY, NOW)
    assert wall.at(NOW + 2000) == NOW - 3000


def test_a_backlog_alone_does_not_stop_the_clock(wall):
    live = wall.open(1)
    wall.event(live, NOW, NOW)
    wall.sources.close(1)
    backlog = wall.open(2)
    wall.event(backlog, NOW - DAY, NOW + 100)
    assert wall.at(NOW + 100) == NOW - 4900
    assert wall.at(NOW + 5000) == NOW


def test_live_traffic_after_a_replay_takes_over(wall):
    replay = wall.open(1)
    wall.event(replay, NOW - DAY, NOW)
    live = wall.open(2)
    wall.event(live, NOW, NOW)
    assert wall.at(NOW) == NOW - DAY - 5000  # the replay still holds
    wall.event(live, NOW + 1500, NOW + 1500)
    assert wall.at(NOW + 1500) == NOW - 3500  # it is idle now


def test_http_counts_while_a_request_is_open(wall):
    http, other = wall.open(0, is_http=True), wall.open(1)
    http.requests = 1
    wall.event(http, NOW - 1000, NOW)
    http.requests = 0
    wall.event(other, NOW, NOW)
    assert wall.at(NOW) == NOW - 5000
    http.requests = 1
    assert wall.sources.others_min_ms(other, NO_WATERMARK, NOW) == NOW - 6000
    http.requests = 0
    assert wall.sources.others_min_ms(other, NO_WATERMARK, NOW) == NO_OTHERS


def test_an_end_moves_a_source_just_past_its_last_event(wall, event):
    for clock in (wall, event):
        source = clock.open(1)
        clock.event(source, NOW, NOW)
        source.ended_ms = source.native.max_event_ms
        assert clock.at(NOW) == NOW + 1


def test_events_after_an_end_count_as_before(event):
    source = event.open(1)
    event.event(source, NOW, NOW)
    source.ended_ms = NOW
    assert event.at(NOW) == NOW + 1
    event.event(source, NOW + 1000, NOW)
    assert event.at(NOW) == NOW + 1
    event.event(source, NOW + 10_000, NOW)
    assert event.at(NOW) == NOW + 5000


def test_the_event_clock_knows_no_silence(event):
    first, second = event.open(1), event.open(2)
    event.event(first, 1000, NOW)
    event.event(second, 9000, NOW)
    assert event.at(NOW + DAY) == -4000
    event.sources.close(1)
    assert event.at(NOW + DAY) == 4000
    event.sources.close(2)
    assert event.at(NOW + 2 * DAY) == 4000
    assert not event.sources.is_clock_running(event.watermark_ms)


def test_a_new_gateway_goes_on_where_the_old_one_stood(wall):
    wall.watermark_ms = NOW - 7000
    wall.sources.begin_at(NOW - 7000, NOW)
    assert wall.at(NOW + 500) == NOW - 6500


def test_a_new_gateway_does_not_go_on_with_a_replay(wall):
    wall.watermark_ms = NOW - DAY
    wall.sources.begin_at(NOW - DAY, NOW)
    assert wall.at(NOW + 500) == NOW - DAY
