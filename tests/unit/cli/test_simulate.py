"""`augenblick simulate` prints records and nothing else on standard output."""

import gzip
import io
import json
from pathlib import Path

import pytest

from augenblick import examples
from augenblick.cli import main
from augenblick.cli.simulate import parse_instant_ms
from augenblick.errors import UsageError

PLAN = """plan: small
triggers:
  bought: {event: purchase}
"""
EVENTS = [
    {"user": "anna", "event": "purchase", "time": 1_700_000_000_000, "props": {"value": 9}},
    {"event": "purchase", "time": 1_700_000_001_000},
    {"user": "bènny", "event": "purchase", "time": 1_700_000_002_000},
]


@pytest.fixture
def plan(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(PLAN)
    return str(tmp_path / "small.yaml")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "small.ndjson"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in EVENTS))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list, str]:
    """The records on standard output and the text on standard error."""
    assert main(["simulate", *arguments]) == 0
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


def test_firings_are_printed(plan, events, capsys):
    records, err = run(capsys, plan, str(events))
    assert [record["user"] for record in records] == ["anna", "bènny"]
    assert {record["kind"] for record in records} == {"firing"}
    assert err == ""


def test_kinds(plan, events, capsys):
    records, _ = run(capsys, plan, str(events), "--emit", "dead_letter, session")
    assert sorted(record["kind"] for record in records) == ["dead_letter", "session", "session"]
    assert [record["reason"] for record in records if "reason" in record] == ["no_user"]


def test_the_end_of_the_file_is_the_end_of_time_unless_told(plan, events, capsys):
    assert len(run(capsys, plan, str(events), "--emit", "session")[0]) == 2
    assert run(capsys, plan, str(events), "--emit", "session", "--no-drain")[0] == []


def test_summary_is_on_standard_error(plan, events, capsys):
    records, err = run(capsys, plan, str(events), "--summary")
    assert len(records) == 2
    assert "events in   2" in err
    assert "refused     no_user 1" in err
    assert "printed     bought 2" in err


def test_now(plan, events, capsys):
    records, _ = run(capsys, plan, str(events), "--now", "2023-11-14T22:00:00")
    assert records == []
    records, _ = run(capsys, plan, str(events), "--now", "1700000000000")
    assert len(records) == 2


def test_gzip_and_standard_input(plan, events, capsys, monkeypatch):
    expected = run(capsys, plan, str(events))[0]
    packed = events.with_suffix(".gz")
    packed.write_bytes(gzip.compress(events.read_bytes()))
    assert run(capsys, plan, str(packed))[0] == expected
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(events.read_bytes())))
    monkeypatch.setattr("sys.stdin", stream)
    assert run(capsys, plan, "-")[0] == expected


@pytest.mark.parametrize("name", examples.names())
def test_two_runs_of_an_example_print_the_same(name, capsys):
    arguments = ["simulate", f"example:{name}", "--emit", "firing,session,metric"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
    assert first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.yaml"], "cannot read the plan"),
        (["example:nothing"], "unknown example 'nothing'; known: "),
        (["example:otto", "nothing.ndjson"], "cannot read nothing.ndjson"),
        (["example:otto", "--emit", "firings"], "unknown kind of record 'firings'"),
        (["example:otto", "--now", "soon"], "--now wants an instant"),
    ],
)
def test_bad_usage_is_one_line_and_2(arguments, message, capsys):
    assert main(["simulate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("augenblick: ")
    assert message in err
    assert err.count("\n") == 1


def test_only_an_example_brings_its_own_events(plan, capsys):
    assert main(["simulate", plan]) == 2
    assert "name a file of events" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-1", -1),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-02", 86_400_000),
    ],
)
def test_instants(text, expected):
    assert parse_instant_ms(text) == expected


def test_no_instant():
    with pytest.raises(UsageError):
        parse_instant_ms("1970-13-01")
