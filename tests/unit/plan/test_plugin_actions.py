"""Channels that other installed packages add may stand in a plan; they check their own keys."""

import pytest
from tests.unit.plan.plans import EVENTS, program, the_mistake

from augenblick.plan import load_plan, write_plan
from augenblick.plan.model import actions

PLAN = f"{EVENTS}actions:\n  a: {{pager: team-1, urgency: 3}}\n"


@pytest.fixture
def pager(monkeypatch):
    monkeypatch.setattr(actions, "plugin_channels", lambda: frozenset({"pager"}))


@pytest.mark.usefixtures("pager")
def test_a_channel_of_another_package():
    found = program(PLAN).actions["a"]
    assert (found.channel, found.parameters) == ("pager", {"pager": "team-1", "urgency": 3})


@pytest.mark.usefixtures("pager")
def test_it_is_written_and_read_again():
    plan = load_plan(PLAN)
    assert load_plan(write_plan(plan)) == plan


@pytest.mark.usefixtures("pager")
def test_it_is_named_among_the_known():
    text = f"{EVENTS}actions:\n  a: {{pagr: team-1}}\n"
    assert the_mistake(text)[1] == (
        "the action has no channel; did you mean 'pager'? known: webhook, file, log, choose, pager"
    )


def test_without_the_package_it_is_unknown():
    assert the_mistake(PLAN)[1] == "the action has no channel; known: webhook, file, log, choose"
