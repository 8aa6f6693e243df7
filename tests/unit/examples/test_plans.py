"""The bundled plans are right in everything."""

import pytest

from augenblick import examples
from augenblick.plan import check_plan, compile_plan, load_plan


@pytest.mark.parametrize("name", examples.names())
def test_plan(name):
    plan = load_plan(examples.plan_path(f"example:{name}"))
    report = check_plan(plan)
    assert plan.plan == name
    assert report.warnings == ()
    assert report.unused_features == ()
    assert report.unused_actions == ()
    assert compile_plan(plan).plan_name == name
