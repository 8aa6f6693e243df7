"""The HTTP port: events with answers per event, who may what, and what is refused."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgpack
import pytest
import requests
from tests.integration.edge import CONTROL_TOKEN, Edge, running_edge

from augenblick.ingest.transports import http_app
from augenblick.ingest.transports.http_app import HttpAccess
from augenblick.limits import frame_bytes_max

EVENT = {"user": "u", "event": "view"}
BAD = {"event": "view"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Edge]:
    with running_edge(shards=2) as made:
        yield made


@pytest.fixture
def edge() -> Iterator[Edge]:
    with running_edge() as made:
        yield made


def post(edge: Edge, body: Any, **headers: str) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(edge.http + "/v1/events", data=data, headers=named, timeout=10)


@pytest.mark.parametrize(
    "body",
    [
        [EVENT, BAD, EVENT],
        b"\n".join(json.dumps(one).encode() for one in (EVENT, BAD, EVENT)),
        msgpack.packb([EVENT, BAD, EVENT]),
        gzip.compress(json.dumps([EVENT, BAD, EVENT]).encode()),
    ],
)
def test_answers_per_event(shared: Edge, body: Any):
    answer = post(shared, body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"accepted": 2, "refused": [{"index": 1, "reason": "no_user"}]}


def test_events_without_a_time_get_the_ingest_time(edge: Edge):
    before = time.time() * 1000
    post(edge, EVENT)
    [event] = edge.wait(lambda: [one for one in edge.shards.items if hasattr(one, "event_ms")])
    assert before - 1 <= event.event_ms <= time.time() * 1000
    assert "context" not in event.record


def test_the_answer_waits_for_the_shards(edge: Edge):
    edge.hold()
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(post(edge, EVENT)))
    thread.start()
    edge.events(1)
    time.sleep(0.1)
    assert not answers
    edge.release()
    thread.join(10)
    assert answers[0].json()["accepted"] == 1


def test_no_confirmation_in_time(edge: Edge, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_app, "http_answer_seconds_max", 0.2)
    edge.hold()
    answer = post(edge, EVENT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    edge.release()
    monkeypatch.undo()
    assert post(edge, EVENT).status_code == 200


def test_an_idempotency_key_makes_resends_equal(edge: Edge):
    for _ in range(2):
        post(edge, [EVENT, EVENT], idempotency_key="request 1")
    items = edge.call(lambda: [one for one in edge.shards.items if hasattr(one, "fingerprint")])
    prints = [one.fingerprint for one in items]
    assert prints[:2] == prints[2:]
    assert prints[0] != prints[1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"hello", 400),
        (b"[1,", 400),
        (b"\x1f\x8bno", 400),
        (b"[" * 10_000, 400),
        (bytes(frame_bytes_max + 1), 413),
        (gzip.compress(bytes(20_000_000)), 413),
    ],
)
def test_bad_bodies(shared: Edge, body: bytes, status: int):
    answer = post(shared, body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_chunked_body_is_read_and_bounded(shared: Edge):
    url = shared.http + "/v1/events"
    parts = [json.dumps(EVENT).encode() + b"\n"] * 3
    assert requests.post(url, data=iter(parts), timeout=10).json()["accepted"] == 3
    huge = (bytes(1_000_000) for _ in range(20))
    assert requests.post(url, data=huge, timeout=10).status_code == 413


def test_a_body_that_does_not_come(shared: Edge, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_app, "http_body_seconds_max", 0.2)
    with closing(socket.create_connection(("127.0.0.1", shared.http_port), timeout=10)) as slow:
        slow.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert b" 408 " in slow.recv(1000)


def test_other_paths_and_methods(shared: Edge):
    assert requests.get(shared.http + "/v1/events", timeout=10).status_code == 405
    assert requests.get(shared.http + "/other", timeout=10).status_code == 404
    assert requests.options(shared.http + "/v1/events", timeout=10).status_code == 405
    assert requests.get(shared.http + "/healthz", timeout=10).text == "ok\n"


def test_readiness(edge: Edge):
    assert requests.get(edge.http + "/readyz", timeout=10).status_code == 200
    edge.lose_shards()
    assert requests.get(edge.http + "/readyz", timeout=10).status_code == 503
    assert requests.get(edge.http + "/healthz", timeout=10).status_code == 200


def test_the_write_key():
    with running_edge(access=HttpAccess(CONTROL_TOKEN, write_key="secret")) as edge:
        assert post(edge, EVENT).status_code == 401
        assert post(edge, EVENT, authorization="Bearer wrong").status_code == 401
        assert post(edge, EVENT, authorization="Basic secret").status_code == 401
        assert post(edge, EVENT, authorization="Bearer s\u00e9cret").status_code == 401
        assert post(edge, EVENT, authorization="Bearer secret").status_code == 200
        assert post(edge, EVENT, authorization=f"Bearer {CONTROL_TOKEN}").status_code == 401
        assert requests.get(edge.http + "/readyz", timeout=10).status_code == 200


def test_pages_of_other_origins_are_refused_by_default(edge: Edge):
    assert post(edge, EVENT, origin="https://evil.test").status_code == 403
    assert post(edge, EVENT, origin=edge.http).status_code == 200
    edge.events(1)


def test_cors():
    origins = frozenset({"https://shop.test"})
    with running_edge(access=HttpAccess(CONTROL_TOKEN, origins=origins)) as edge:
        answer = post(edge, EVENT, origin="https://shop.test")
        assert answer.headers["access-control-allow-origin"] == "https://shop.test"
        assert answer.headers["vary"] == "origin"
        assert post(edge, EVENT, origin="https://evil.test").status_code == 403
        preflight = requests.options(
            edge.http + "/v1/events", headers={"origin": "https://shop.test"}, timeout=10
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-methods"] == "POST"
        assert "access-control-allow-origin" in preflight.headers


def test_control_requests_need_the_token(edge: Edge):
    url = edge.http + "/v1/dead-letters/retry?reason=x%20y"
    assert requests.post(url, timeout=10).status_code == 401
    wrong = {"authorization": "Bearer wrong"}
    assert requests.post(url, headers=wrong, timeout=10).status_code == 401
    assert edge.control_requests == []
    right = {"authorization": f"bearer {CONTROL_TOKEN}"}
    answer = requests.post(url, headers=right, data=b'{"ids":[]}', timeout=10)
    assert answer.json() == {"ok": True}
    [request] = edge.control_requests
    assert request[:4] == ("POST", "/v1/dead-letters/retry", "reason=x%20y", b'{"ids":[]}')
    assert request.who == "somebody from 127.0.0.1"
    gone = requests.get(edge.http + "/v1/plan", headers=right, timeout=10)
    assert gone.status_code == 503
    assert "nobody" in gone.json()["error"]
    foreign = requests.get(
        edge.http + "/v1/status", headers={**right, "origin": "https://evil.test"}, timeout=10
    )
    assert foreign.status_code == 403
