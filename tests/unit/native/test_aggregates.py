"""Aggregates alone: published error bounds, merging in any order, memory."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import msgpack
import pytest
from augenblick_native._testing import Fixed, Sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from augenblick.plan.aggregates import (
    AGGREGATES,
    DISTINCT_ERROR,
    DISTINCT_EXACT_MAX,
    QUANTILE_BINS_MAX,
    QUANTILE_ERROR,
)

SOME = settings(max_examples=100, deadline=None)
SMALL = st.lists(st.integers(-3, 12), max_size=40)
PARTS = st.lists(SMALL, min_size=1, max_size=5)
NUMBERS = st.one_of(
    st.integers(-(2**53), 2**53).map(float),
    st.floats(-1e300, 1e300, allow_subnormal=True),
)


def sketch_of(aggregate: str, values: Any, **options: Any) -> Sketch:
    sketch = Sketch(aggregate, **options)
    for value in values:
        sketch.add(msgpack.packb(value))
    return sketch


def fixed_of(aggregate: str, pairs: Any, **options: Any) -> Fixed:
    fixed = Fixed(aggregate, **options)
    for time_ms, number in pairs:
        fixed.add(time_ms, number)
    return fixed


def value_of(state: Any, *at: int) -> Any:
    packed = state.result(*at)
    return msgpack.unpackb(packed) if packed else None


def merged(states: list[Any], fresh: Any) -> Any:
    for state in states:
        fresh.merge(state)
    return fresh


# distinct


@given(st.sets(st.integers() | st.text(max_size=9), max_size=DISTINCT_EXACT_MAX), st.data())
@SOME
def test_distinct_is_exact_while_small(values: set[Any], data: Any) -> None:
    values = {value for value in values if not isinstance(value, int) or abs(value) < 2**63}
    again = data.draw(st.lists(st.sampled_from(sorted(values, key=repr)))) if values else []
    sketch = sketch_of("distinct", [*values, *again])
    assert value_of(sketch) == len(values)
    assert len(sketch.state_bytes()) == 8 * len(values)


@pytest.mark.parametrize("count", [128, 200, 1_000, 2_500, 5_000, 20_000, 100_000])
def test_distinct_holds_its_published_error(count: int) -> None:
    """The relative errors of many runs: root mean square near 3.25 %, hardly any bias."""
    runs = 40 if count <= 5_000 else 8
    errors = []
    for run in range(runs):
        sketch = sketch_of("distinct", range(run << 32, (run << 32) + count))
        errors.append(value_of(sketch) / count - 1)
        assert len(sketch.state_bytes()) == 1_024
    assert math.sqrt(sum(error**2 for error in errors) / runs) < 1.5 * DISTINCT_ERROR
    assert abs(sum(errors) / runs) < 3 * DISTINCT_ERROR / math.sqrt(runs)


@given(st.lists(st.integers(0, 400), max_size=400), st.integers(0, 400), st.booleans())
@SOME
def test_distinct_is_a_function_of_the_set(values: list[int], cut: int, swap: bool) -> None:
    parts = [sketch_of("distinct", values[:cut]), sketch_of("distinct", values[cut:])]
    whole = sketch_of("distinct", sorted(values))
    joined = merged(parts[::-1] if swap else parts, Sketch("distinct"))
    assert joined.state_bytes() == whole.state_bytes()


# quantile


@given(st.lists(NUMBERS, min_size=1, max_size=300), st.floats(0.01, 0.99))
@SOME
def test_quantile_is_within_a_percent(values: list[float], q: float) -> None:
    sketch = sketch_of("quantile", values, q=q)
    exact = sorted(values)[math.floor(q * (len(values) - 1))]
    assert abs(value_of(sketch) - exact) <= QUANTILE_ERROR * abs(exact) * (1 + 1e-9)


@given(PARTS, st.randoms(use_true_random=False))
@SOME
def test_quantile_is_a_function_of_the_numbers(parts: list[list[int]], random: Any) -> None:
    whole = sketch_of("quantile", [value for part in parts for value in part])
    states = [sketch_of("quantile", part) for part in parts]
    random.shuffle(states)
    assert merged(states, Sketch("quantile")).state_bytes() == whole.state_bytes()


def test_a_full_quantile_joins_its_lowest_bins_in_any_order() -> None:
    numbers = [1.03**power for power in range(-700, 900)]
    whole = sketch_of("quantile", numbers, q=0.9)
    back = sketch_of("quantile", numbers[::-1], q=0.9)
    halves = [sketch_of("quantile", numbers[start::2], q=0.9) for start in (0, 1)]
    assert len(whole.state_bytes()) == 8 * QUANTILE_BINS_MAX
    assert whole.state_bytes() == back.state_bytes()
    assert merged(halves, Sketch("quantile")).state_bytes() == whole.state_bytes()
    exact = sorted(numbers)[math.floor(0.9 * (len(numbers) - 1))]
    assert value_of(whole) == pytest.approx(exact, rel=QUANTILE_ERROR)


# top


@given(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=200), st.integers(1, 5))
@SOME
def test_top_is_exact_while_every_value_has_a_counter(values: list[str], most: int) -> None:
    first = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    expected = [value for value, _ in first[:most]] or None
    assert value_of(sketch_of("top", values, max=most)) == expected


@given(st.lists(st.integers(0, 60), min_size=1, max_size=400), st.integers(0, 400), st.booleans())
@SOME
def test_top_finds_whatever_is_frequent(values: list[int], cut: int, apart: bool) -> None:
    """Space-saving: what came more often than events / counters has a counter; merged too."""
    counters = AGGREGATES["top"].counters(4)
    sketch = sketch_of("top", values, max=counters)  # shows more than the counters of four
    frequent = {value for value, n in Counter(values).items() if n > len(values) / counters}
    if apart:
        parts = [sketch_of("top", values[:cut], max=4), sketch_of("top", values[cut:], max=4)]
        sketch = merged(parts, Sketch("top", max=4))
        frequent = {value for value, n in Counter(values).items() if n > 2 * len(values) / counters}
        frequent = set(sorted(frequent, key=lambda value: -values.count(value))[:1])
        assert not frequent or len(frequent & set(value_of(sketch) or [])) == len(frequent)
    else:
        assert frequent <= set(value_of(sketch))


@given(PARTS, st.randoms(use_true_random=False))
@SOME
def test_top_merges_in_any_order(parts: list[list[int]], random: Any) -> None:
    states = [sketch_of("top", part, max=4) for part in parts]
    whole = sketch_of("top", [value for part in parts for value in part], max=4)
    random.shuffle(states)
    assert merged(states, Sketch("top", max=4)).result() == whole.result()


def test_top_gives_a_counter_up_for_a_longer_value_and_back() -> None:
    sketch = sketch_of("top", [f"v{index}" for index in range(16)] * 2, max=1)
    size = len(sketch.state_bytes())
    sketch.add(msgpack.packb("long " * 40))
    longer = len(sketch.state_bytes())
    sketch.add(msgpack.packb("x"))
    sketch.add(msgpack.packb("x"))
    assert size < longer
    assert value_of(sketch) == ["x"]
    assert len(sketch.state_bytes()) in (size, longer)


# Sums, decay and the others of a fixed state


@given(
    st.lists(st.floats(-1e15, 1e15, allow_subnormal=False), max_size=60),
    st.integers(0, 60),
    st.randoms(use_true_random=False),
)
@SOME
def test_sums_are_compensated_in_any_order(numbers: list[float], cut: int, random: Any) -> None:
    """Neumaier: within two roundings of the exact sum, plus n^2 2^-104 of the numbers' sizes."""
    exact = math.fsum(numbers)
    bound = 2 * math.ulp(exact) + len(numbers) ** 2 * 2.0**-104 * math.fsum(map(abs, numbers))
    random.shuffle(numbers)
    parts = [numbers[:cut], numbers[cut:]]
    random.shuffle(parts)
    states = [fixed_of("sum", [(0, number) for number in part]) for part in parts]
    joined = value_of(merged(states, Fixed("sum")))
    assert abs(joined - exact) <= bound
    assert abs(value_of(fixed_of("sum", [(0, one) for one in numbers])) - exact) <= bound


PAIRS = st.lists(st.tuples(st.integers(-5_000, 5_000), st.integers(0, 9)), max_size=30)


@given(PAIRS, st.integers(0, 30), st.integers(-6_000, 9_000), st.randoms(use_true_random=False))
@SOME
def test_decay_by_its_definition(pairs: Any, cut: int, at: int, random: Any) -> None:
    latest = max([at, *(time for time, _ in pairs)])
    expected = math.fsum(number * 2.0 ** ((time - latest) / 700) for time, number in pairs)
    random.shuffle(pairs)
    states = [fixed_of("decay", part, half_life_ms=700) for part in (pairs[:cut], pairs[cut:])]
    for found in (
        value_of(fixed_of("decay", pairs, half_life_ms=700), at),
        value_of(merged(states, Fixed("decay", half_life_ms=700)), at),
    ):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-300)


@given(PAIRS, st.integers(0, 30), st.integers(-6_000, 9_000))
@SOME
def test_the_others_of_a_fixed_state_merge_exactly(pairs: Any, cut: int, at: int) -> None:
    for aggregate in ("count", "min", "max", "avg", "rate", "time_since"):
        whole = fixed_of(aggregate, pairs)
        states = [fixed_of(aggregate, pairs[cut:]), fixed_of(aggregate, pairs[:cut])]
        assert value_of(merged(states, Fixed(aggregate)), at) == value_of(whole, at)
    latest = max((time for time, _ in pairs), default=None)
    expected = None if latest is None else max(at - latest, 0)
    assert value_of(fixed_of("time_since", pairs), at) == expected
    assert value_of(fixed_of("rate", pairs, size_ms=500), at) == sum(n for _, n in pairs) * 2
