"""Small programs for tests of the pure cores, made without a plan."""

from dataclasses import replace

from augenblick.plan.program import Metric, MetricTrigger, Op, Program, Selector, Trigger, Value

EMPTY = Program(
    plan_name="test",
    plan_hash=bytes(16),
    gap_ms=1_800_000,
    session_max_ms=43_200_000,
    dedup_ms=600_000,
    ttl_ms=7_776_000_000,
    lateness_ms=5000,
    future_ms=300_000,
    idle_ms=1000,
    clock=None,
    event_names=("view",),
    event_derived=(False,),
    unknown_events_refused=False,
    schemas=(),
    fields=(),
    consts=(),
    codes=(),
    selectors=(Selector(None, -1),),
    features=(),
    segments=(),
    triggers=(),
    metrics=(),
    metric_triggers=(),
    metric_values=(),
    actions={},
    emit_session=(),
    emit_window={},
    emit_metric={},
    uses_session_events=False,
)


def code(*words: int | tuple[int, int]) -> tuple[int, ...]:
    """Bytecode from ops and (op, operand) pairs; END is added."""
    made = [word if isinstance(word, int) else word[0] | word[1] << 8 for word in words]
    return (*made, int(Op.END))


def metric(name: str, size_ms: int, *, aggregate: str = "count", by: str = "") -> Metric:
    """A tumbling metric; grouped if `by` names something."""
    return Metric(name, aggregate, 0, -1, 0 if by else -1, by, size_ms)


def metric_trigger(
    name: str,
    metrics: tuple[int, ...],
    fire: str = "rise",
    cooldown_ms: int = 0,
    mode: str = "live",
) -> MetricTrigger:
    """A metric trigger on code 0, sending the code's metric along."""
    values = (Value("it", 1, -1),)
    return MetricTrigger(
        name,
        metrics,
        0,
        fire,
        cooldown_ms,
        values,
        mode,
        "ab" * 8,
        ("call",),
    )


def with_metrics(program: Program = EMPTY, **changes: object) -> Program:
    """A program with other parts."""
    return replace(program, **changes)


def actor_trigger(name: str, cooldown_ms: int = 0) -> Trigger:
    """A custom trigger."""
    return Trigger(
        name=name,
        kind="actor",
        fire="rise",
        when=-1,
        selector=0,
        feeds=(),
        group=-1,
        group_name="",
        steps=(),
        within_ms=0,
        match=-1,
        match_name="",
        timer="restart",
        event_time=False,
        strict=False,
        partial_max=64,
        cooldown_ms=cooldown_ms,
        values=(),
        mode="live",
        version="cd" * 8,
        actions=("call",),
        actor="some:Class",
    )
