"""Every occasion, by being registered."""

import pytest
from tests.unit.plan.plans import trigger

from augenblick.plan.model.base import Model
from augenblick.plan.model.trigger import Trigger
from augenblick.plan.occasions import OCCASIONS

EXAMPLES = {
    "actor": "{actor: 'm:C', event: view}",
    "at": "{at: last_at + 1d}",
    "event": "{event: view}",
    "every": "{every: month + 30d}",
    "sequence": "{sequence: [view, buy]}",
    "when": "{when: views > 3}",
}


def test_every_occasion_has_an_example():
    assert sorted(EXAMPLES) == OCCASIONS.names()


@pytest.mark.parametrize("name", OCCASIONS.names())
def test_contract(name):
    occasion = OCCASIONS.get(name)
    assert issubclass(occasion.keys, Model)
    assert name in occasion.keys.model_fields
    assert issubclass(Trigger, occasion.keys)
    assert trigger(EXAMPLES[name]).kind == name


def test_no_key_belongs_to_two():
    keys = [key for name in OCCASIONS.names() for key in OCCASIONS.get(name).keys.model_fields]
    assert len(keys) == len(set(keys))
