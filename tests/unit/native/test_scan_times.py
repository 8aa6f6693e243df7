"""Event time, ingest time, watermark and marks, against a slow model of the design's rules."""

import json
import struct
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.native.routing import (
    NOW,
    PROGRAM,
    Event,
    Mark,
    event,
    events_of,
    items,
    new_router,
    pack,
    reasons,
    route,
    take_items,
)
from tests.unit.native.siphash import siphash13

from augenblick.binding.scanning import ENTRIES, NDJSON, NO_TIME, RECORDS, Source

LATENESS = PROGRAM.lateness_ms
FUTURE = PROGRAM.future_ms
NOBODY = 2**63 - 1
TIMES = st.integers(-20_000, 20_000) | st.sampled_from([FUTURE, FUTURE + 1, -LATENESS])


def only_event(router: Any) -> Event:
    [found] = events_of(take_items(router))
    return found


def event_time(data: bytes, format_: int = RECORDS, **options: Any) -> int:
    router = new_router(clock_event=True)
    assert route(router, data, format_, **options).refused == []
    return only_event(router).event_ms


@pytest.mark.parametrize(
    ("carrier", "wanted"),
    [
        (1_700_000_000, 1_700_000_000_000),
        (-5, -5_000),
        (0, 0),
        (1_700_000_000.25, 1_700_000_000_250),
        (1_700_000_000.1236, 1_700_000_000_124),
        (-0.5, -500),
        (msgpack.ExtType(0, struct.pack(">II", 1_700_000_000, 999_999_999)), 1_700_000_000_999),
        (msgpack.ExtType(0, struct.pack(">II", 2**32 - 1, 0)), (2**32 - 1) * 1000),
        (-2_208_988_800, -2_208_988_800_000),
        (7_258_118_399, 7_258_118_399_000),
    ],
    ids=str,
)
def test_the_carriers_time(carrier: Any, wanted: int):
    assert event_time(pack([carrier, event(time=...)]), ENTRIES) == wanted
    assert event_time(pack([carrier, event(time=None)]), ENTRIES) == wanted
    assert event_time(pack([carrier, event()]), ENTRIES) == NOW


def test_event_time_in_its_other_form():
    entry = b"\x92\xc7\x08\x00" + struct.pack(">II", 1_700_000_000, 5_000_000)
    assert event_time(entry + pack(event(time=...)), ENTRIES) == 1_700_000_000_005


@pytest.mark.parametrize(
    ("carrier", "reason"),
    [
        (None, "bad_time"), ("1700000000", "bad_time"), (True, "bad_time"), ([], "bad_time"),
        (msgpack.ExtType(1, bytes(8)), "bad_time"), (msgpack.ExtType(0, bytes(7)), "bad_time"),
        (msgpack.ExtType(0, struct.pack(">II", 1, 10**9)), "bad_time"), (b"12345678", "bad_time"),
        (float("nan"), "bad_time"), (7_258_118_400, "time_range"), (2**64 - 1, "time_range"),
        (-2_208_988_801, "time_range"), (NOW, "time_range"), (1e30, "time_range"),
    ],
    ids=str,
)  # fmt: skip
def test_a_carriers_time_that_is_none(carrier: Any, reason: str):
    """It hurts only the events that need it."""
    router = new_router(clock_event=True)
    routed = route(router, pack([carrier, event(time=...)], [carrier, event()]), ENTRIES)
    assert reasons(routed) == [reason]
    assert (routed.events, routed.refused[0][0]) == (1, 0)


def test_records_and_lines_take_the_calls_time():
    assert event_time(pack(event(time=...)), ingest_ms=NOW - 3) == NOW - 3
    assert event_time(pack(event(time=...)), carrier_ms=NOW - 7) == NOW - 7
    assert event_time(json.dumps(event(time=None)).encode(), NDJSON, carrier_ms=5) == 5
    assert event_time(pack(event(time=NOW + 1)), carrier_ms=5) == NOW + 1
    routed = route(new_router(), pack(event(time=...)), carrier_ms=2**60)
    assert reasons(routed) == ["time_range"]


@pytest.mark.parametrize("time", [float(NOW), -1.0, 0.0, 1e12])
def test_whole_floats_are_times(time: float):
    assert event_time(pack(event(time=time))) == int(time)


def test_the_future_is_measured_from_the_ingest_time():
    for late, wanted in [(FUTURE, []), (FUTURE + 1, ["future"])]:
        router = new_router()
        assert reasons(route(router, pack(event(time=NOW + late)))) == wanted
        assert router.watermark_ms == (NO_TIME if wanted else NOW - LATENESS)


def test_on_the_event_clock_only_a_limit_makes_future():
    router = new_router(clock_event=True)
    assert reasons(route(router, pack(event(time=NOW + 10**12)))) == []
    router.now_limit_ms = NOW
    assert reasons(route(router, pack(event(time=NOW), event(time=NOW + 1)))) == ["future"]


def test_a_fast_clock_carries_nobody_ahead():
    router = new_router()
    source = Source()
    route(router, pack(event(time=NOW + 240_000)), source=source)
    assert router.watermark_ms == NOW - LATENESS
    assert (source.max_event_ms, source.max_event_clock_ms) == (NOW + 240_000, NOW)
    assert only_event(router).event_ms == NOW + 240_000


def test_a_slower_source_holds_the_watermark():
    router = new_router(clock_event=True)
    router.others_min_ms = NOW - 60_000
    route(router, pack(event()))
    assert router.watermark_ms == NOW - 60_000
    router.others_min_ms = NOW - 90_000
    route(router, pack(event(time=NOW + 1)))
    assert router.watermark_ms == NOW - 60_000
    router.others_min_ms = NOBODY
    route(router, pack(event(time=NOW + 2)))
    assert router.watermark_ms == NOW + 2 - LATENESS


def test_a_source_behind_counts_its_late_events():
    router = new_router(clock_event=True)
    route(router, pack(event()))
    behind = Source()
    route(router, pack(event(time=NOW - LATENESS - 1), event(time=NOW - LATENESS)), source=behind)
    assert (behind.events, behind.late) == (2, 1)
    assert router.watermark_ms == NOW - LATENESS
    assert router.max_event_ms == NOW


def test_the_watermark_never_goes_back():
    router = new_router()
    router.watermark_ms = 100
    router.watermark_ms = 50
    assert router.watermark_ms == 100
    router.mark(70, NOW)
    assert take_items(router) == [Mark(100, NOW)]
    router.mark(2**62, NOW)
    assert router.watermark_ms == 2**62
    assert take_items(router) == [Mark(2**62, NOW)]


def test_a_mark_goes_to_every_shard_and_stands_for_the_events_after_it():
    router = new_router(shards=3, clock_event=True)
    router.mark(5, 6)
    assert [take_items(router, shard) for shard in range(3)] == [[Mark(5, 6)]] * 3
    router.mark(5, 6)
    router.mark(5, 6)
    assert take_items(router) == [Mark(5, 6)] * 2


def test_marks_only_where_something_changed():
    router = new_router(clock_event=True)
    route(router, pack(event(), event(time=NOW - 1), event(time=NOW), event(time=NOW + 1)))
    kinds = [type(item).__name__[0] for item in take_items(router)]
    assert kinds == ["M", "E", "E", "E", "M", "E"]
    route(router, pack(event(time=NOW + 1)))
    assert take_items(router)[0] == Mark(NOW + 1 - LATENESS, NOW + 1)


def test_the_ingest_time_is_stamped():
    router = new_router()
    route(router, pack(event(time=NOW - 50)), ingest_ms=NOW)
    route(router, pack(event(time=NOW - 50)), ingest_ms=NOW + 1)
    marks = [item for item in take_items(router) if isinstance(item, Mark)]
    assert marks == [Mark(NOW - 50 - LATENESS, NOW), Mark(NOW - 50 - LATENESS, NOW + 1)]


@dataclass
class SlowSource:
    max_event_ms: int = NO_TIME
    clock_ms: int = NO_TIME
    ingest_ms: int = NO_TIME
    events: int = 0
    late: int = 0


@dataclass
class SlowRouter:
    """The rules of the design, an event at a time, with each shard's last mark."""

    shards: int
    clock_event: bool
    watermark_ms: int = NO_TIME
    max_event_ms: int = NO_TIME
    streams: list[list[Any]] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.streams = [[] for _ in range(self.shards)]

    def route(self, source: SlowSource, user: str, time: int, ingest: int, others: int) -> bool:
        if not self.clock_event and time > ingest + FUTURE:
            return False
        self.max_event_ms = max(self.max_event_ms, time)
        if self.clock_event:
            ingest = self.max_event_ms
        counted = time if self.clock_event else min(time, ingest)
        source.max_event_ms = max(source.max_event_ms, time)
        source.clock_ms = max(source.clock_ms, counted)
        source.ingest_ms = ingest
        self.watermark_ms = max(self.watermark_ms, min(source.clock_ms - LATENESS, others))
        source.events += 1
        source.late += time < self.watermark_ms
        key = siphash13(bytes(range(16)), user.encode())
        stream = self.streams[(key >> 52) % self.shards]
        mark = Mark(self.watermark_ms, ingest)
        if [item for item in stream if isinstance(item, Mark)][-1:] != [mark]:
            stream.append(mark)
        self.numbers[key >> 52] = self.numbers.get(key >> 52, 0) + 1
        stream.append((time, key, self.numbers[key >> 52]))
        return True

    def take(self, shard: int) -> list[Any]:
        taken, self.streams[shard] = self.streams[shard], []
        return taken


EVENTS = st.tuples(st.integers(0, 2), st.integers(0, 30), TIMES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("route"), st.lists(EVENTS, max_size=8), st.integers(0, 5_000)),
        st.tuples(st.just("others"), st.just([]), st.integers(-30_000, 30_000) | st.just(NOBODY)),
        st.tuples(st.just("mark"), st.just([]), st.integers(-30_000, 30_000)),
        st.tuples(st.just("take"), st.just([]), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(STEPS, st.booleans(), st.sampled_from([1, 2, 5]), st.sampled_from([RECORDS, NDJSON]))
def test_streams_are_those_of_the_slow_model(
    steps: list[Any], clock_event: bool, shards: int, format_: int
):
    router = new_router(shards=shards, clock_event=clock_event)
    slow = SlowRouter(shards, clock_event)
    sources = [(Source(), SlowSource()) for _ in range(3)]
    now, others = NOW, NOBODY

    def compare() -> None:
        for shard in range(shards):
            found = [
                item if isinstance(item, Mark) else (item.event_ms, item.user_key, item.number)
                for item in take_items(router, shard)
            ]
            assert found == slow.take(shard)

    for kind, batch, number in steps:
        if kind == "others":
            others = number if number == NOBODY else NOW + number
            router.others_min_ms = others
        elif kind == "mark":
            router.mark(NOW + number, now)
            slow.watermark_ms = max(slow.watermark_ms, NOW + number)
            for stream in slow.streams:
                stream.append(Mark(slow.watermark_ms, now))
        elif kind == "take":
            compare()
        else:
            now += number
            for which, user, time in batch:
                native, model = sources[which]
                record = event(user=f"u{user}", time=NOW + time)
                data = pack(record) if format_ == RECORDS else json.dumps(record).encode()
                routed = route(router, data, format_, source=native, ingest_ms=now)
                accepted = slow.route(model, f"u{user}", NOW + time, now, others)
                assert routed.events == accepted
                assert routed.last_event_ms == (NOW + time if accepted else NO_TIME)
                assert router.watermark_ms == slow.watermark_ms
    compare()
    for native, model in sources:
        assert (native.max_event_ms, native.max_event_clock_ms) == (
            model.max_event_ms,
            model.clock_ms,
        )
        assert (native.ingest_ms, native.events, native.late) == (
            model.ingest_ms,
            model.events,
            model.late,
        )


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), TIMES), min_size=1, max_size=40), st.data())
def test_how_a_stream_is_cut_into_calls_changes_nothing(
    batch: list[tuple[int, int]], data: st.DataObject
):
    """The same events in one call or several, taken at once or in pieces, are stamped equally."""
    records = [pack(event(user=f"u{user}", time=NOW + time)) for user, time in batch]
    whole = new_router(clock_event=True)
    route(whole, b"".join(records))
    cut = new_router(clock_event=True)
    source = Source()
    pieces: list[Mark | Event] = []
    for record in records:
        route(cut, record, source=source)
        if data.draw(st.booleans()):
            pieces += take_items(cut)
    pieces += items(cut.take(0)[0])
    assert stamped(pieces) == stamped(take_items(whole))


def stamped(found: list[Mark | Event]) -> list[Any]:
    """Each event with the mark that holds for it."""
    mark: Mark | None = None
    pairs = []
    for item in found:
        if isinstance(item, Mark):
            mark = item
        else:
            pairs.append((mark, item))
    return pairs


def test_lateness_of_the_plan_counts():
    router = new_router(replace(PROGRAM, lateness_ms=0), clock_event=True)
    source = Source()
    route(router, pack(event(), event(time=NOW - 1), event()), source=source)
    assert (router.watermark_ms, source.late) == (NOW, 1)
