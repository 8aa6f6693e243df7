"""What holds firings back: how a plan says it, what is refused, what the program gets of it."""

import pytest
from tests.unit.plan.plans import STATE, STATE_LINES, mistakes, program

from augenblick.plan import load_plan
from augenblick.plan.policy_rules import Cap, QuietHours
from augenblick.plan.report import check_plan

ACTION = "actions: {a: {log: {}}}\n"


def plan_text(triggers: str, policies: str = "{}") -> str:
    return f"{STATE}policies: {policies}\ntriggers: {triggers}\n{ACTION}"


def policies_of(triggers: str, policies: str = "{}"):
    return [one.policies for one in program(plan_text(triggers, policies)).triggers]


def warnings(triggers: str, policies: str = "{}"):
    return [one.message for one in check_plan(load_plan(plan_text(triggers, policies))).warnings]


def test_defaults_and_off():
    default, own, none = policies_of(
        "{d: {event: view}, o: {event: view, cap: {n: 9, per: 1d}, control: 5%},"
        " n: {event: view, cap: off, control: 0%, variants: off}}",
        "{cap: {n: 3, per: 7d}, control: 10%, variants: {x: 50%, y: 50%}}",
    )
    week_ms = 7 * 86_400_000
    assert (default.cap, default.control) == (Cap(3, week_ms), 1000)
    assert default.variants == (("x", 5000), ("y", 10_000))
    assert (own.cap, own.control, own.variants) == (Cap(9, week_ms // 7), 500, default.variants)
    assert (none.cap, none.control, none.variants) == (Cap(), 0, ())


def test_shares_in_hundredths_of_a_percent():
    (found,) = policies_of("{t: {event: view, variants: {x: 0.25%, y: 33.3 %, z: 66.45%}}}")
    assert found.variants == (("x", 25), ("y", 3355), ("z", 10_000))


def test_who_makes_a_contact():
    text = "{l: {event: view, then: a}, s: {event: view, then: a, mode: shadow}, r: {event: view}}"
    assert [one.is_contact for one in policies_of(text)] == [True, False, False]


@pytest.mark.parametrize(
    ("policies", "more", "contends"),
    [
        ("{}", "", (False, False)),
        ("{}", ", priority: 2", (False, False)),
        ("{}", ", slot: s", (True, False)),
        ("{}", ", slot: s, mode: shadow", (False, False)),
        ("{contact_cap: {n: 1, per: 1d}}", "", (False, False)),
        ("{contact_cap: {n: 1, per: 1d}}", ", priority: 2", (True, True)),
        ("{contact_cap: {n: 1, per: 1d}}", ", slot: s", (True, True)),
        ("{contact_cap: {n: 1, per: 1d}, priority: 2}", ", priority: 2", (False, False)),
    ],
)
def test_who_is_decided_together(policies, more, contends):
    triggers = f"{{t: {{event: view, then: a{more}}}, u: {{event: view, then: a}}}}"
    assert tuple(one.contends for one in policies_of(triggers, policies)) == contends


def test_slots_are_told_apart_by_name():
    one, two, three = policies_of(
        "{t: {event: view, slot: s}, u: {event: view, slot: r}, v: {event: view, slot: s}}"
    )
    assert one.slot == three.slot != two.slot


def test_custom_triggers_have_shares_and_no_default_of_the_rest():
    text = '{t: {actor: "m:C", event: view, control: 10%, then: a}}'
    (found,) = policies_of(text, "{cap: {n: 3, per: 7d}, contact_cap: {n: 3, per: 7d}}")
    assert (found.control, found.cap, found.is_contact) == (1000, Cap(), False)


def test_quiet_hours_and_expiry():
    text = (
        "{d: {event: view}, n: {event: view, quiet_hours: off, expires: off},"
        " o: {event: view, quiet_hours: {from: 0h, to: 90m, then: drop}, expires: 5m},"
        ' c: {actor: "m:C", event: view}}'
    )
    default, none, own, custom = policies_of(
        text, "{quiet_hours: {from: 22h, to: 8h}, expires: 1h}"
    )
    hour_ms = 3_600_000
    assert default.quiet == custom.quiet == QuietHours(22 * hour_ms, 8 * hour_ms, True)
    assert default.expires_ms == custom.expires_ms == hour_ms
    assert (none.quiet, none.expires_ms) == (None, 0)
    assert (own.quiet, own.expires_ms) == (QuietHours(0, hour_ms * 3 // 2, False), hour_ms // 12)


def test_the_zone_is_read_only_for_quiet_hours():
    assert program(plan_text("{t: {event: view}}")).quiet_offsets == ()
    with_hours = plan_text("{t: {event: view, quiet_hours: {from: 22h, to: 8h}}}")
    assert [offset for _, offset in program(with_hours).quiet_offsets] == [0]
    assert len(program(f"zone: Europe/Berlin\n{with_hours}").quiet_offsets) > 300


WRONG = [
    ("{t: {event: view, quiet_hours: {from: 22h, to: 22h}}}", "`from` and `to` are the same time"),
    ("{t: {event: view, quiet_hours: {from: 0h, to: 24h}}}", "`from` and `to` are the same time"),
    ("{t: {event: view, quiet_hours: {from: 25h, to: 8h}}}", "'25h' is no time of day"),
    ("{t: {event: view, quiet_hours: {from: 22h, till: 8h}}}", "unknown key 'till' in `quiet_hou"),
    ("{t: {event: view, quiet_hours: {from: 1h, to: 8h, then: wait}}}", "`then` must be 'hold'"),
    ("{t: {event: view, quiet_hours: {from: 22, to: 8}}}", "22 is no duration"),
    ("{t: {event: view, expires: 0s}}", "the duration must be longer than 0, or `off`"),
    ("{t: {event: view, cap: 3}}", "`cap` must be a map {key: value}, not 3"),
    ("{t: {event: view, cap: {n: 3}}}", "`per` is missing"),
    ("{t: {event: view, cap: {n: 0, per: 7d}}}", "`n` must be at least 1"),
    ("{t: {event: view, cap: {n: 1001, per: 7d}}}", "`n` must be at most 1000"),
    ("{t: {event: view, cap: {n: 3, pr: 7d}}}", "unknown key 'pr' in `cap`; did you mean 'per'?"),
    ("{t: {event: view, cap: {n: 3, per: 91d}}}", "raise `ttl` in `time:` or shorten `per`"),
    ("{t: {event: view, cooldown: 0s}}", "the duration must be longer than 0, or `off`"),
    ("{t: {event: view, control: 10}}", "10 is no share; write a percentage: 10% or 0.25%"),
    ("{t: {event: view, control: 101%}}", "'101%' is no share"),
    ("{t: {event: view, control: 0.001%}}", "'0.001%' is no share"),
    ("{t: {event: view, variants: {a: 50%, b: 40%}}}", "the variants are 90% together, not 100%"),
    ("{t: {event: view, variants: {}}}", "`variants` is empty"),
    ("{t: {event: view, variants: {a: 100%, b: 0%}}}", "a variant with 0% is nobody's"),
    ("{t: {event: view, variants: {control: 100%}}}", "no variant can be called `control`"),
    ("{t: {event: view, priority: high}}", "`priority` must be a whole number, not 'high'"),
    ("{t: {event: view, slot: 3}}", "`slot` must be text, not 3; put it in quotes"),
    ("{t: {when: traffic > 3, slot: s}}", "`slot` is about a user, and a trigger over metrics has"),
    ("{t: {when: traffic > 3, cap: {n: 1, per: 1d}}}", "`cap` is about a user"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_wrong_policies_are_refused_with_their_line(text, sentence):
    found = mistakes(plan_text(text))
    assert any(sentence in message for _, message in found), found
    assert {line for line, _ in found} == {STATE_LINES + 2}


def test_wrong_defaults_are_refused_with_their_line():
    found = mistakes(plan_text("{}", "{contact_cap: {n: 3, per: 91d}, cap: {m: 3}}"))
    assert {line for line, _ in found} == {STATE_LINES + 1}
    assert any("unknown key 'm' in `cap`" in message for _, message in found)
    assert any("a cap over 91d cannot hold" in message for _, message in found)


def test_slips_are_told():
    assert warnings("{t: {event: view, slot: s}}") == [
        "no other trigger has the slot 's', so there is nobody to compete"
    ]
    (found,) = warnings("{t: {event: view, priority: 1}}")
    assert found.startswith("`priority` decides in a `slot` and at the `contact_cap`")
    assert warnings("{t: {event: view, priority: 1}}", "{contact_cap: {n: 1, per: 1d}}") == []
    (found,) = warnings(
        '{t: {actor: "m:C", event: view, then: a}}', "{contact_cap: {n: 1, per: 1d}}"
    )
    assert found == "the contact cap does not count what a custom trigger fires"


def test_memory_grows_with_caps():
    def bytes_of(triggers, policies="{}"):
        report = check_plan(load_plan(plan_text(triggers, policies)))
        return {line.name: (line.typical_bytes, line.bytes_max) for line in report.memory}

    assert bytes_of("{t: {event: view, cap: {n: 100, per: 7d}}}")["t"] == (24, 1608)
    found = bytes_of("{t: {event: view}}", "{contact_cap: {n: 1, per: 7d}}")
    assert found["contact cap"] == (16, 24)
    assert "t" not in found
