import random

import msgpack

from augenblick.telemetry.histogram import Histogram


def test_percentiles_are_at_most_a_sixteenth_too_high() -> None:
    values = [int(random.Random(7 + n).lognormvariate(6, 2)) for n in range(5000)]
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    values.sort()
    for share in (0.01, 0.5, 0.9, 0.99, 0.999, 1.0):
        true = values[max(0, -(-int(share * len(values) * 1000) // 1000) - 1)]
        got = histogram.percentile(share)
        assert got is not None
        assert true <= got <= true * (1 + 1 / 16) + 1


def test_small_values_are_exact_and_nothing_counted_is_none() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) is None
    for value in range(32):
        histogram.add(value)
    assert [histogram.percentile((n + 1) / 32) for n in range(32)] == list(range(32))
    histogram.add(-5)
    assert histogram.percentile(0) == 0


def test_merging_is_adding_also_through_a_message() -> None:
    one, two, both = Histogram(), Histogram(), Histogram()
    for value in (1, 50, 3000):
        one.add(value)
        both.add(value)
    for value in (7, 10**9):
        two.add(value, 2)
        both.add(value, 2)
    one.merge(msgpack.unpackb(msgpack.packb(two.to_plain()), strict_map_key=False))
    assert one.to_plain() == both.to_plain()
    assert one.total == both.total == 7
    assert one.percentile(1.0) == 10**9
