"""`augenblick check` and `augenblick init`."""

import json

import pytest

from augenblick.cli import main
from augenblick.plan import load_plan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_of_an_example(capsys):
    assert main(["check", "example:otto"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("example:otto is right: 3 events, 4 features, 1 segment, 1 metric, ")
    assert out[1].startswith("memory per user: about ")
    assert "by time alone:" in out


def test_check_as_json(capsys):
    assert main(["check", "example:otto", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["plan"], found["warnings"]) == (True, "otto", [])
    assert found["memory_per_user"]["typical_bytes"] > 100


WRONG = "plan: x\nfeatures: {f: {count: view, by: [a, b]}}\ntriggers: {t: {whn: f}}\n"


def test_check_of_a_wrong_plan(folder, capsys):
    (folder / "p.yaml").write_text(WRONG, encoding="utf-8")
    assert main(["check", "p.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0] == "p.yaml:2: grouping by several fields is not built yet"
    assert lines[1].startswith("p.yaml:3: unknown key 'whn' in a trigger; did you mean 'when'?")
    assert lines[2:] == ["2 mistakes"]


def test_check_of_a_wrong_plan_as_json(folder, capsys):
    (folder / "p.yaml").write_text(WRONG, encoding="utf-8")
    assert main(["check", "p.yaml", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert [(one["file"], one["line"], one["not_built"]) for one in found["problems"]] == [
        ("p.yaml", 2, True),
        ("p.yaml", 3, False),
    ]


def test_check_of_nothing(folder, capsys):
    assert main(["check", "nothing.yaml"]) == 2
    assert capsys.readouterr().err.startswith("nothing.yaml: cannot read the plan: No such file")


def test_warnings_go_to_standard_error(folder, capsys):
    text = "plan: x\nevents: {a: {b: int}}\ntriggers: {t: {event: a, where: c > 3}}\n"
    (folder / "p.yaml").write_text(text, encoding="utf-8")
    assert main(["check", "p.yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("warning: p.yaml:3: event 'a' does not declare the property 'c'")
    assert captured.out.startswith("p.yaml is right: 1 event, 1 trigger")


def test_init_writes_a_plan_that_is_right(folder, capsys):
    assert main(["init", "my-shop"]) == 0
    assert "augenblick simulate my-shop.yaml my-shop.ndjson" in capsys.readouterr().out
    assert load_plan(folder / "my-shop.yaml").plan == "my-shop"
    assert main(["check", "my-shop.yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for title in ("events that no rule", "features that nothing", "actions that nothing"):
        assert title not in captured.out


def test_init_writes_events_of_the_plan(folder):
    main(["init", "shop"])
    declared = load_plan(folder / "shop.yaml").events
    lines = (folder / "shop.ndjson").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert {event["event"] for event in events} == set(declared)
    assert all(set(event["props"]) <= set(declared[event["event"]]) for event in events)
    assert sorted(event["time"] for event in events) == [event["time"] for event in events]


@pytest.mark.parametrize("there", ["shop.yaml", "shop.ndjson"])
def test_init_overwrites_nothing(folder, capsys, there):
    (folder / there).write_text("mine", encoding="utf-8")
    assert main(["init", "shop"]) == 2
    assert f"{there} is there already; nothing was written" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [there]


@pytest.mark.parametrize("name", ["../shop", "a b", "", "-x"])
def test_init_wants_a_name(folder, name):
    assert main(["init", "--", name]) == 2
    assert list(folder.iterdir()) == []


def test_init_where_nothing_can_be_written(folder, capsys):
    """A name that is right and too long for the file system's liking, with `.yaml` behind it."""
    assert main(["init", "ä" * 127]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
