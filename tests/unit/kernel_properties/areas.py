"""Every area of the kernel with its random plans."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.unit.kernel_properties.plans import (
    SKETCHES,
    TIMED,
    Plan,
    aggregate_plans,
    metric_plans,
    mixed_plans,
    policy_plans,
    segment_plans,
    sequence_plans,
    session_plans,
    silence_plans,
    when_plans,
)
from tests.unit.kernel_properties.plans_of_conditions import (
    baseline_plans,
    clock_plans,
    reduction_plans,
)
from tests.unit.kernel_properties.plans_of_sequences import step_plans
from tests.unit.kernel_properties.timed_plans import at_plans

AREAS: dict[str, st.SearchStrategy[Plan]] = {
    "sessions": session_plans(),
    "windows": aggregate_plans(over=("tumbling", "hopping", "sliding")),
    "aggregates": aggregate_plans(over=("session", "lifetime", "since")),
    "groups": aggregate_plans(grouped=True),
    "sketches": aggregate_plans(aggregates=SKETCHES),
    "sketches in groups": aggregate_plans(grouped=True, aggregates=SKETCHES),
    "decay, rate, time since": aggregate_plans(aggregates=TIMED),
    "silence": silence_plans(),
    "when": when_plans(),
    "when in groups": when_plans(grouped=True),
    "sequences": sequence_plans(trailing=False),
    "absence": sequence_plans(trailing=True),
    "segments": segment_plans(),
    "derived events": segment_plans(derived=True),
    "at": at_plans(),
    "at in groups": at_plans(grouped=True),
    "metrics": metric_plans(),
    "everything": mixed_plans(),
    "policies": policy_plans(),
    "reductions": reduction_plans(),
    "own limits and baselines": baseline_plans(),
    "clocks and distances": clock_plans(),
    "repeats, negations, earlier steps": step_plans(),
}
