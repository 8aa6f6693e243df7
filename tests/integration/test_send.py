"""`augenblick send` against the real port."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.certificates import make_certificates
from tests.integration.edge import Edge, running_edge
from tests.unit.native.routing import Event, Mark

NOW = int(time.time() * 1000)
EVENTS = [
    {"user": f"u{number % 9}", "event": "view", "time": NOW - 60_000 + 100 * number}
    for number in range(50)
]


def send(
    edge: Edge | str, *arguments: str, stdin: bytes | None = None
) -> "subprocess.CompletedProcess[str]":
    address = edge if isinstance(edge, str) else edge.forward
    code = "from augenblick.cli.send import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--to", address],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "events.ndjson"
    made.write_bytes(b"\n".join(json.dumps(event).encode() for event in EVENTS))
    return made


def test_a_file(file: Path):
    with running_edge() as edge:
        done = send(edge, str(file))
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert "50 of 50 events confirmed" in done.stderr
        events = edge.events(50)
        assert [{k: v for k, v in one.items() if k != "context"} for one in events] == EVENTS
        assert events[0]["context"] == {"stream": "send"}


def test_gzip_and_standard_input(file: Path):
    packed = gzip.compress(file.read_bytes())
    with running_edge() as edge:
        zipped = file.with_suffix(".gz")
        zipped.write_bytes(packed)
        assert send(edge, str(zipped), "--tag", "other").returncode == 0
        assert send(edge, "-", stdin=packed).returncode == 0
        assert send(edge, "-", stdin=file.read_bytes() + b"\n\n").returncode == 0
        assert len(edge.events(150)) == 150


def test_end_and_warm(file: Path):
    with running_edge(shards=2, clock="event") as edge:
        assert send(edge, str(file), "--end", "--warm").returncode == 0
        items = edge.call(lambda: edge.shards.items)
        assert {item.flags for item in items if isinstance(item, Event)} == {1}
        last = max(item.watermark_ms for item in items if isinstance(item, Mark))
        assert last == EVENTS[-1]["time"] + 1


def test_a_rate(file: Path):
    with running_edge() as edge:
        started = time.monotonic()
        assert send(edge, str(file), "--rate", "50").returncode == 0
        assert time.monotonic() - started > 0.9


def test_a_speed(file: Path):
    with running_edge() as edge:
        started = time.monotonic()
        assert send(edge, str(file), "--speed", "5").returncode == 0
        assert time.monotonic() - started > 0.9


def test_lines_that_are_no_json(file: Path):
    file.write_bytes(file.read_bytes() + b'\n{"user": NaN}\nnonsense\n')
    with running_edge() as edge:
        done = send(edge, str(file))
        assert done.returncode == 1
        assert "line 51 is not sent: bad_number" in done.stderr
        assert "line 52 is not sent: bad_json" in done.stderr
        edge.events(50)


def test_shared_key_and_tls(file: Path, tmp_path: Path):
    certificates = make_certificates(tmp_path)
    key = tmp_path / "shared.key"
    key.write_text("the key\n")
    security = ["--shared-key-file", str(key), "--tls-ca", str(certificates.ca)]
    with running_edge(shared_key=b"the key", tls=certificates.server_context()) as edge:
        done = send(edge, str(file), *security)
        assert done.returncode == 0, done.stderr
        edge.events(50)
        key.write_text("another")
        done = send(edge, str(file), *security)
        assert done.returncode == 1
        assert "shared key" in done.stderr


def test_nobody_listens(file: Path):
    done = send("127.0.0.1:9", str(file))
    assert done.returncode == 1
    assert "cannot connect to the engine at 127.0.0.1:9" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.ndjson"],
        ["-", "--rate", "5", "--speed", "2"],
        ["-", "--shared-key-file", "missing"],
        ["-", "--tls-ca", "missing"],
        ["example:nonsense"],
    ],
)
def test_usage(arguments: list[str]):
    done = send("127.0.0.1:9", *arguments, stdin=b"")
    assert done.returncode != 0
    assert "UsageError" in done.stderr


def test_an_engine_that_restarts_gets_everything(file: Path):
    with running_edge() as edge:
        port = edge.forward_port
        edge.hold()
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from augenblick.cli.send import app; app()",
                str(file),
                "--to",
                edge.forward,
            ],
            stderr=subprocess.PIPE,
        )
        edge.events(50)
    with running_edge(port=port) as edge:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert b"1 chunks sent again" in err
        edge.events(50)
