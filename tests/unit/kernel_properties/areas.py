"""Every area of the kernel with its random plans."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.unit.kernel_properties import plans
from tests.unit.kernel_properties.plans import Plan
from tests.unit.kernel_properties.plans_of_conditions import (
    baseline_plans,
    clock_plans,
    reduction_plans,
)
from tests.unit.kernel_properties.plans_of_sequences import step_plans

AREAS: dict[str, st.SearchStrategy[Plan]] = {
    **plans.AREAS,
    "reductions": reduction_plans(),
    "own limits and baselines": baseline_plans(),
    "clocks and distances": clock_plans(),
    "repeats, negations, earlier steps": step_plans(),
}
