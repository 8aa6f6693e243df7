"""Scenarios, one to a file; the file's name is the scenario's."""

from augenblick.registry import Registry
from augenblick_bench.harness.scenario import Scenario

SCENARIOS: Registry[Scenario] = Registry(
    kind="bench scenario",
    package="augenblick_bench.scenarios",
    constant="SCENARIO",
    base=Scenario,  # type: ignore[type-abstract]  # modules hold concrete objects
    group="augenblick.bench_scenarios",
)
