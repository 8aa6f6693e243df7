"""The client of control commands, against a server that answers as told."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from augenblick.cli import _control
from augenblick.cli._control import ControlClient
from augenblick.cli.dead_letters import app
from augenblick.errors import (
    AugenblickError,
    AuthenticationFailed,
    EngineUnavailable,
    UsageError,
)

LETTER = {
    "kind": "dead_letter",
    "id": "abc",
    "reason": "action_failed",
    "detail": "HTTP 503",
    "time": 0,
    "firing": {},
    "action": "hook",
    "attempts": 12,
}


class Engine(ThreadingHTTPServer):
    """Answers every request with `answer` and keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.asked: list[tuple[str, str, str | None, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = json.loads(body) if body else None
        self.server.asked.append(
            (self.command, self.path, self.headers.get("Authorization"), asked)
        )
        status, content = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[Engine]:
    server = Engine()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def answer(engine: Engine, value: Any, status: int = 200) -> None:
    engine.answer = (status, json.dumps(value).encode())


def test_requests_carry_the_token_of_the_data_directory(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "control.token").write_text("t0ken\n")
    client = ControlClient(f"{engine.url}/", tmp_path)
    answer(engine, {"a": 1})
    assert client.get("/v1/tail", kind="firing", after=None, limit=3) == {"a": 1}
    assert client.post("/v1/x", {"all": True}) == {"a": 1}
    assert engine.asked == [
        ("GET", "/v1/tail?kind=firing&limit=3", "Bearer t0ken", None),
        ("POST", "/v1/x", "Bearer t0ken", {"all": True}),
    ]


def test_without_a_token_none_is_sent(engine: Engine, tmp_path: Path) -> None:
    ControlClient(engine.url, tmp_path).get("/v1/status")
    assert engine.asked[0][2] is None


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (401, b'{"error": "no token"}', AuthenticationFailed),
        (403, b"", AuthenticationFailed),
        (404, b'{"error": "nothing is there"}', AugenblickError),
        (400, b"<html>", AugenblickError),
        (200, b"<html>", AugenblickError),
        (302, b"{}", AugenblickError),
        (503, b'{"error": "starting"}', EngineUnavailable),
    ],
)
def test_a_refusal_becomes_one_clear_error(
    status: int, content: bytes, error: type[AugenblickError], engine: Engine, tmp_path: Path
) -> None:
    engine.answer = (status, content)
    with pytest.raises(error) as caught:
        ControlClient(engine.url, tmp_path).get("/v1/status")
    assert "\n" not in str(caught.value)


def test_nobody_answers(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no engine answers"):
        ControlClient("http://127.0.0.1:1", tmp_path).get("/v1/status")


def test_an_answer_has_a_bound(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_control, "ANSWER_BYTES_MAX", 10)
    answer(engine, "x" * 20)
    with pytest.raises(AugenblickError, match="too long"):
        ControlClient(engine.url, tmp_path).get("/v1/status")


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://h", "http://", "http://h:port"])
def test_an_engine_that_cannot_be_meant(url: str) -> None:
    with pytest.raises(UsageError, match="--engine"):
        ControlClient(url)


def test_dead_letters_list(engine: Engine, tmp_path: Path) -> None:
    late = {"kind": "dead_letter", "id": "def", "reason": "late", "time": 10**20, "event": {}}
    answer(engine, {"dead_letters": [LETTER, late]})
    arguments = ["list", "--engine", engine.url, "--data", str(tmp_path)]
    lines = CliRunner().invoke(app, arguments).stdout.splitlines()
    assert lines == [
        "abc  1970-01-01T00:00:00.000+00:00  action_failed  "
        "action hook after 12 attempts: HTTP 503",
        "def  -  late  -: -",
    ]
    as_json = CliRunner().invoke(app, [*arguments, "--json", "--reason", "late"])
    assert [json.loads(line) for line in as_json.stdout.splitlines()] == [LETTER, late]
    assert engine.asked[-1][1] == "/v1/dead-letters?reason=late&limit=100"


def test_dead_letters_retry(engine: Engine, tmp_path: Path) -> None:
    answer(engine, {"retried": 1, "refused": {"x": "no such dead letter"}})
    options = ["--engine", engine.url, "--data", str(tmp_path)]
    result = CliRunner().invoke(app, ["retry", "abc", "x", *options])
    assert result.exit_code == 1
    assert "1 on their way again, 1 not" in result.stdout
    assert "x: no such dead letter" in result.stderr
    assert engine.asked[-1][3] == {"ids": ["abc", "x"]}
    assert CliRunner().invoke(app, ["retry", "--all", *options]).exit_code == 0
    assert engine.asked[-1][3] == {"all": True}


def test_dead_letters_retry_needs_a_choice(tmp_path: Path) -> None:
    for arguments in (["retry"], ["retry", "--all", "x"]):
        assert isinstance(CliRunner().invoke(app, arguments).exception, UsageError)
