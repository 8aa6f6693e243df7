"""The shape of a plan: unknown keys, wrong types, names, each with its line."""

import pytest
from tests.unit.plan.plans import EVENTS, FIRST_LINE, STATE, STATE_LINES, mistakes, the_mistake

UNKNOWN_KEYS = [
    (
        "triggerz: {}",
        "unknown key 'triggerz' in a plan; did you mean 'triggers'? known: plan, zone,",
    ),
    (
        "sessions: {gapp: 30m}",
        "unknown key 'gapp' in `sessions`; did you mean 'gap'? known: gap, max",
    ),
    ("time: {latenes: 5s}", "unknown key 'latenes' in `time`; did you mean 'lateness'? known:"),
    ("policies: {cooldwn: 5s}", "unknown key 'cooldwn' in `policies`; did you mean 'cooldown'?"),
    ("emit: {sesion: a}", "unknown key 'sesion' in `emit`; did you mean 'session'?"),
    (
        "features: {f: {cuont: view, over: session}}",
        "unknown key 'cuont' in a feature; did you mean",
    ),
    (
        "features: {f: {count: view, over: {slidin: 1h}}}",
        "unknown key 'slidin' in a window; did you",
    ),
    (
        "features: {f: {count: {event: view, were: x}, over: session}}",
        "unknown key 'were' in an eve",
    ),
    (
        "metrics: {f: {count: view, ovr: {tumbling: 1h}}}",
        "unknown key 'ovr' in a metric; did you me",
    ),
    (
        "triggers: {t: {event: view, cooldwn: 1d}}",
        "unknown key 'cooldwn' in a trigger; did you mean",
    ),
    (
        "triggers: {t: {sequence: [view, {nott: buy}]}}",
        "unknown key 'nott' in a step; known: event, where, times",
    ),
    (
        "triggers: {t: {sequence: [view, {not: buy, fro: 1h}]}}",
        "unknown key 'fro' in a {not: ...} s",
    ),
    (
        "actions: {a: {webhook: 'https://x.test', secrt: env:A}}",
        "unknown key 'secrt' in a webhook a",
    ),
    ("actions: {a: {file: a, mode: b}}", "unknown key 'mode' in a file action; known: file"),
    ("actions: {a: {log: {level: 1}}}", "`log` takes no key 'level'"),
    ("actions: {a: {log: {}, file: b}}", "unknown key 'log' in a file action; known: file"),
]


@pytest.mark.parametrize(("text", "sentence"), UNKNOWN_KEYS)
def test_unknown_keys(text, sentence):
    line, message = the_mistake(f"{EVENTS}{text}\n")
    assert line == FIRST_LINE
    assert message.startswith(sentence)


SHAPES = [
    ("zone: 3", "`zone` must be text, not 3; put it in quotes"),
    ("zone: Somewhere else", "'Somewhere else' is no time zone"),
    ("sessions: 30m", "`sessions` must be a map {key: value}, not '30m'"),
    ("sessions: {gap: 30}", "30 is no duration; write a number and a unit: 250ms 30s 5m 12h 7d"),
    ("sessions: {gap: 30min}", "'30min' is no duration"),
    ("sessions: {gap: 0s}", "the duration must be longer than 0"),
    ("sessions: {max: true}", "True is no duration"),
    ("time: {clock: sun}", "`clock` must be 'wall' or 'event', not 'sun'"),
    ("time: {lateness: -5s}", "'-5s' is no duration"),
    ("time: {lateness: [5s]}", "['5s'] is no duration"),
    ("unknown_events: drop", "`unknown_events` must be 'accept' or 'refuse', not 'drop'"),
    ("features: [a]", "`features` must be a map {key: value}, not a list"),
    ("features: {f: 3}", "`f` must be a map {key: value}, not 3"),
    ("features: {f: null}", "`f` must be a map {key: value}, not empty"),
    ("features: {f: {count: 3, over: session}}", "`count` must be a map {key: value}, not 3"),
    ("features: {f: {count: [], over: session}}", "`count` is empty"),
    ("features: {f: {count: [3], over: session}}", "this must be a map {key: value}, not 3"),
    ("features: {f: {count: view, over: sesion}}", "`over` must be 'session' or 'lifetime', not"),
    ("features: {f: {count: view, over: {sliding: 0s}}}", "the duration must be longer than 0"),
    ("features: {f: {count: view, by: 3, over: session}}", "`by` must be text, not 3"),
    (
        "features: {f: {count: view, by: [a, b], over: session}}",
        "grouping by several fields is not",
    ),
    (
        "features: {f: {count: view, by: sku, by_max: 0, over: session}}",
        "`by_max` must be at least 1",
    ),
    (
        "features: {f: {count: view, by: sku, by_max: a, over: session}}",
        "`by_max` must be a whole n",
    ),
    (
        "features: {f: {count: view, by: sku, by_max: 1000000, over: session}}",
        "`by_max` must be at m",
    ),
    ("features: {f: {list: view.sku, max: 0, over: session}}", "`max` must be at least 1"),
    ("features: {f: {count: view, over: lifetime, keep: forever}}", "'forever' is no duration"),
    ("segments: {s: true}", "`s` must be text, not True; put it in quotes"),
    ("segments: {s: {when: a}}", "`s` must be text, not a map"),
    ("triggers: {t: view}", "`t` must be a map {key: value}, not 'view'"),
    ("triggers: {t: {event: view, fire: twice}}", "`fire` must be 'rise', 'each' or 'once', not"),
    (
        "triggers: {t: {event: view, mode: on}}",
        "`mode` must be 'live', 'shadow' or 'off', not 'on'",
    ),
    ("triggers: {t: {event: view, values: sku}}", "`values` must be a list, not 'sku'"),
    ("triggers: {t: {event: view, values: [3]}}", "this must be text, not 3; put it in quotes"),
    ("triggers: {t: {event: view, then: {log: {}}}}", "`then` must be text, not a map"),
    ("triggers: {t: {when: 3}}", "`when` must be text, not 3; put it in quotes"),
    ("triggers: {t: {when: [a]}}", "`when` must be text, not a list"),
    ("triggers: {t: {event: view, cooldown: 1}}", "1 is no duration"),
    ("triggers: {t: {sequence: view}}", "`sequence` must be a list, not 'view'"),
    ("triggers: {t: {sequence: [view, {not: []}]}}", "`not` is empty"),
    ("triggers: {t: {sequence: [view, buy], strict: 1}}", "`strict` must be true or false, not 1"),
    ("triggers: {t: {sequence: [view, buy], timer: soon}}", "`timer` must be 'restart', 'each' or"),
    ("triggers: {t: {sequence: [view, buy], order: arrival}}", "`order` must be 'event_time', not"),
    ("triggers: {t: {sequence: [view, buy], partial_max: 0}}", "`partial_max` must be at least 1"),
    ("triggers: {t: {actor: Class, event: view}}", "'Class' is no class; write module:Class"),
    ("triggers: {t: {actor: 'a b:Class', event: view}}", "'a b:Class' is no class"),
    ("actions: {a: log}", "an action is a map {CHANNEL: ...}; known channels: webhook, file, log"),
    ("actions: {a: {}}", "the action has no channel; known: webhook, file, log"),
    (
        "actions: {a: {webhok: 'https://x.test'}}",
        "the action has no channel; did you mean 'webhook'?",
    ),
    ("actions: {a: {webhook: x.test}}", "'x.test' is no address; a webhook's begins with https://"),
    ("actions: {a: {webhook: 'ftp://x.test'}}", "'ftp://x.test' is no address"),
    ("actions: {a: {webhook: 'https://'}}", "'https://' is no address"),
    ("actions: {a: {webhook: 'https://[x'}}", "'https://[x' is no address"),
    (
        "actions: {a: {webhook: 'https://me:pw@x.test'}}",
        "a webhook's address holds no user or passw",
    ),
    (
        "actions: {a: {webhook: 'https://x.test', secret: hunter2}}",
        "a secret never stands in a plan",
    ),
    (
        "actions: {a: {webhook: 'https://x.test', secret: 'env:'}}",
        "a secret never stands in a plan",
    ),
    ("actions: {a: {webhook: 'https://x.test', timeout: 5}}", "5 is no duration"),
    ("actions: {a: {file: ''}}", "the path of a file action is empty"),
    ("actions: {a: {file: ../a}}", "the path of a file action must not contain `..`"),
    ("actions: {a: {file: 3}}", "`file` must be text, not 3"),
    ("actions: {a: {log: 3}}", "`log` must be a map {key: value}, not 3"),
    ("emit: {session: {log: {}}}", "`session` must be text, not a map"),
]


@pytest.mark.parametrize(("text", "sentence"), SHAPES)
def test_shapes(text, sentence):
    found = mistakes(f"{EVENTS}{text}\n")
    assert found
    assert found[0][0] == FIRST_LINE
    assert found[0][1].startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "features: {2f: {count: view, over: session}}",
            "'2f' is no name; a name has letters, digi",
        ),
        ("features: {f-g: {count: view, over: session}}", "'f-g' is no name"),
        ("features: {'': {count: view, over: session}}", "'' is no name"),
        (
            "features: {and: {count: view, over: session}}",
            "'and' means something else in a conditi",
        ),
        ("features: {session: {count: view, over: session}}", "'session' means something else"),
        ("segments: {user: f > 3}", "'user' means something else in a condition"),
        ("metrics: {true: {count: view, over: {tumbling: 1h}}}", "'true' means something else"),
        ("triggers: {a b: {event: view}}", "'a b' is no name; a name has letters, digits, _ and -"),
        ("actions: {a.b: {log: {}}}", "'a.b' is no name"),
    ],
)
def test_names(text, sentence):
    line, message = the_mistake(f"{EVENTS}{text}\n")
    assert line == FIRST_LINE
    assert message.startswith(sentence)


@pytest.mark.parametrize("name", ["third-view", "third_view", "Ärger2", "_x"])
def test_triggers_and_actions_may_have_a_hyphen(name):
    assert mistakes(f"{EVENTS}triggers: {{{name}: {{event: view, then: {name}}}}}\n"
                    f"actions: {{{name}: {{log: {{}}}}}}\n") == []  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("events: {}\n", 1, "`plan` is missing"),
        ("plan:\nevents: {}\n", 1, "`plan` must be text, not empty"),
        ("plan: 2024\nevents: {}\n", 1, "`plan` must be text, not 2024; put it in quotes"),
        ("plan: my shop\nevents: {}\n", 1, "'my shop' is no name"),
        ("plan: x\nevents: {a: {b: int8}}\n", 2, "'int8' is no property type; known: str, int,"),
        ("plan: x\nevents: {a: {b: null}}\n", 2, "`b` must be text, not empty"),
        ("plan: x\nevents: {a: {b: str | int}}\n", 2, "'str | int' is no property type; write one"),
        ("plan: x\nevents: {a: {b: null | null}}\n", 2, "'null | null' is no property type"),
        ("plan: x\nevents: {a: [b]}\n", 2, "`a` must be a map {key: value}, not a list"),
        ("plan: x\nevents: [a]\n", 2, "`events` must be a map {key: value}, not a list"),
        ("plan: x\nevents: {'': {}}\n", 2, "'' is no event name"),
        ("plan: x\nevents: {session: {}}\n", 2, "an event cannot be named 'session'"),
        ("plan: x\nevents: {context: {}}\n", 2, "an event cannot be named 'context'"),
        ("plan: x\nevents: {'*': {}}\n", 2, "an event cannot be named '*'"),
        (
            "plan: x\nevents: {session.end: {}}\n",
            2,
            "'session.end' is an event of the engine's own",
        ),
        ("plan: x\nunknown_events: refuse\n", 2, "`unknown_events: refuse` needs `events:`"),
    ],
)
def test_top(text, line, sentence):
    found = the_mistake(text)
    assert found[0] == line
    assert found[1].startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("events:\n  keen: {}\n", "'keen' is the name of a segment and cannot be that of an event"),
        ("events:\n  keen.enters: {}\n", "'keen.enters' is an event of the engine's own"),
    ],
)
def test_events_and_segments(text, sentence):
    rest = "features: {f: {count: view, over: session}}\nsegments: {keen: f > 3}\n"
    line, message = the_mistake(f"plan: x\n{text}  view: {{}}\n{rest}")
    assert line == 3
    assert message.startswith(sentence)


@pytest.mark.parametrize(
    ("section", "definition"),
    [
        ("segments", "views > 3"),
        ("metrics", "{count: view, over: {tumbling: 1h}}"),
    ],
)
def test_one_name_space(section, definition):
    head, _, tail = STATE.partition(f"{section}:\n")
    line, message = the_mistake(f"{head}{section}:\n  spend: {definition}\n{tail}")
    assert line == head.count("\n") + 2
    assert message == (
        "'spend' is already the name of one of the features; features, segments and metrics "
        "share one name space"
    )


def test_property_types_are_normalised():
    from augenblick.plan import load_plan

    plan = load_plan("plan: x\nevents: {a: {b: 'null|str', c: 'float|null', d:  int}, e: }\n")
    assert plan.events == {"a": {"b": "str | null", "c": "float | null", "d": "int"}, "e": {}}


def test_counts_are_bounded():
    lines = "".join(f"  t{number}: {{event: view}}\n" for number in range(1025))
    found = mistakes(f"{EVENTS}triggers:\n{lines}")
    assert found == [(FIRST_LINE, "1025 triggers are more than 1024")]


def test_steps_are_bounded():
    steps = ", ".join(["view"] * 17)
    assert mistakes(f"{STATE}triggers: {{t: {{sequence: [{steps}]}}}}\n") == [
        (STATE_LINES + 1, "`sequence` is longer than 16")
    ]
