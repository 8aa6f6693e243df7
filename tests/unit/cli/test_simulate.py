"""`augenblick simulate` prints records and nothing else on standard output."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from augenblick import examples
from augenblick.cli import main
from augenblick.cli.simulate import parse_instant_ms
from augenblick.errors import UsageError
from augenblick.limits import simulate_line_bytes_max
from augenblick.runtime.local import blocks_of_file

PLAN = """plan: small
triggers:
  bought: {event: purchase}
"""
EVENTS = [
    {"user": "anna", "event": "purchase", "time": 1_700_000_000_000, "props": {"value": 9}},
    {"event": "purchase", "time": 1_700_000_001_000},
    {"user": "bènny", "event": "purchase", "time": 1_700_000_002_000},
]

SESSIONS = """plan: p
sessions: {gap: 10ms}
time: {lateness: 0ms}
triggers:
  third: {when: n >= 3}
features:
  n: {count: view, over: session}
"""
VIEWS = [{"user": "ann", "event": "view", "time": time} for time in (0, 1, 2, 3)]
COMMAND = [sys.executable, "-c", "import sys; from augenblick.cli import main; sys.exit(main())"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a plan over sessions and a few views."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(SESSIONS, encoding="utf-8")
    write(tmp_path / "e.ndjson", VIEWS)
    return tmp_path


def write(path, events):
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def records(text):
    return [json.loads(line) for line in text.splitlines()]


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


def test_the_example_has_its_sessions(capsys):
    assert main(["simulate", "example:otto", "example:otto", "--emit", "session"]) == 0
    found = records(capsys.readouterr().out)
    assert len(found) == 144
    assert {record["kind"] for record in found} == {"session"}


def test_firings_and_nothing_else_on_standard_output(folder, capsys):
    assert main(["simulate", "p.yaml", "e.ndjson"]) == 0
    captured = capsys.readouterr()
    (record,) = records(captured.out)
    assert (record["trigger"], record["user"], record["time"]) == ("third", "ann", 2)
    assert captured.out == json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert captured.err == ""


def test_standard_input_and_no_drain(folder):
    lines = (folder / "e.ndjson").read_bytes()
    found = {}
    for option in ("--summary", "--no-drain"):
        done = subprocess.run(
            [*COMMAND, "simulate", "p.yaml", "-", "--emit", "firing,session", option],
            input=lines, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        found[option] = [record["kind"] for record in records(done.stdout.decode())]
    assert found == {"--summary": ["firing", "session"], "--no-drain": ["firing"]}


def test_a_reader_that_goes_is_no_error(folder):
    write(folder / "many", [{**VIEWS[0], "time": 20 * time} for time in range(30_000)])
    process = subprocess.Popen(
        [*COMMAND, "simulate", "p.yaml", "many", "--emit", "session"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


def test_dead_letters_name_the_line(folder, capsys):
    (folder / "bad").write_text('{"user": "ann", "event": "view"}\n\nno json\n', encoding="utf-8")
    assert main(["simulate", "p.yaml", "bad", "--emit", "dead_letter", "--summary"]) == 0
    captured = capsys.readouterr()
    found = [(letter["reason"], letter["detail"]) for letter in records(captured.out)]
    assert found == [("no_time", "line 1"), ("bad_json", "line 3")]
    assert "refused     bad_json 1, no_time 1" in captured.err


def test_the_summary_as_json(folder, capsys):
    assert main(["simulate", "p.yaml", "e.ndjson", "--summary", "--json"]) == 0
    found = json.loads(capsys.readouterr().err)
    assert (found["lines"], found["firings"], found["refused"]) == (4, {"third": 1}, {})
    assert found["counters"]["events"] == 4


@pytest.mark.parametrize("now", ["-300000", "1969-12-31T23:55:00", "1969-12-31T23:55:00Z"])
def test_now_refuses_the_future(folder, capsys, now):
    assert main(["simulate", "p.yaml", "e.ndjson", "--now", now, "--emit", "dead_letter"]) == 0
    found = records(capsys.readouterr().out)
    assert [(letter["reason"], letter["time"]) for letter in found] == [
        ("future", 1), ("future", 2), ("future", 3),
    ]  # fmt: skip


def test_a_cut_gzip_file(folder, capsys):
    whole = gzip.compress((folder / "e.ndjson").read_bytes())
    (folder / "cut.gz").write_bytes(whole[:-10])
    assert main(["simulate", "p.yaml", "cut.gz"]) == 2
    assert "cut.gz is a damaged gzip file" in capsys.readouterr().err


def test_numbers_that_are_not_finite_are_null(folder, capsys):
    (folder / "s.yaml").write_text(
        "plan: p\nfeatures: {s: {sum: a.v, over: lifetime}}\n"
        "triggers: {t: {event: a, values: [s]}}\n",
        encoding="utf-8",
    )
    write(
        folder / "s.ndjson",
        [{"user": "u", "event": "a", "time": n, "props": {"v": 1e308}} for n in range(2)],
    )
    assert main(["simulate", "s.yaml", "s.ndjson"]) == 0
    assert [record["values"]["s"] for record in records(capsys.readouterr().out)] == [1e308, None]


def test_blocks_are_whole_lines_however_the_file_is_read():
    text = b"".join(b"%d" % number * (number % 7) + b"\n" for number in range(200)) + b"end"
    for size in (1, 2, 10, 1000, 1 << 20):
        blocks = list(blocks_of_file(io.BytesIO(text), size))
        assert b"".join(blocks) == text
        assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_a_line_without_an_end_is_not_held():
    class Endless(io.RawIOBase):
        left = simulate_line_bytes_max * 4

        def read1(self, size):
            if self.left <= 0:
                return b""
            self.left -= size
            return b"x" * size + (b"\n{}\n" if self.left <= 0 else b"")

    blocks = list(blocks_of_file(Endless(), 1 << 16))
    assert [len(block) for block in blocks] == [simulate_line_bytes_max + 1, 3]


def test_records_come_before_the_input_ends(folder):
    read, fill = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "simulate", "p.yaml", "-"], stdin=read, stdout=subprocess.PIPE
    )
    os.close(read)
    os.write(fill, (folder / "e.ndjson").read_bytes())
    assert json.loads(process.stdout.readline())["trigger"] == "third"
    os.close(fill)
    assert process.stdout.read() == b""
    process.stdout.close()
    assert process.wait(60) == 0
