"""Real Forward clients, unmodified, against the real port and the real gateway core."""

from pathlib import Path
from typing import Any

import pytest
from fluent import sender
from tests.integration.certificates import make_certificates
from tests.integration.edge import Edge, running_edge
from tests.integration.real_clients import finish_node, run_node, start_node

from augenblick import Client
from augenblick.errors import AuthenticationFailed, EngineUnavailable

KEY = "a shared key"


def node(edge: Edge, **wish: Any) -> dict[str, Any]:
    return run_node("send.js", **node_wish(edge, **wish))


def node_wish(edge: Edge, **wish: Any) -> dict[str, Any]:
    defaults = {"mode": "PackedForward", "count": 50, "prefix": "n", "host": "127.0.0.1"}
    return {**defaults, "port": edge.forward_port, **wish}


@pytest.mark.parametrize("precise", [False, True])
def test_fluent_logger_for_python(precise: bool) -> None:
    with running_edge(shards=2) as edge:
        logger = sender.FluentSender(
            "shop", host="127.0.0.1", port=edge.forward_port, nanosecond_precision=precise
        )
        for number in range(100):
            assert logger.emit("web", {"user": f"u{number}", "event": "view", "props": {"n": 1}})
        logger.close()
        events = edge.events(100)
        assert {event["user"] for event in events} == {f"u{number}" for number in range(100)}
        assert all(event["context"]["stream"] == "shop.web" for event in events)
        edge.wait(lambda: edge.closed == [""])


def test_fluent_logger_that_sends_no_event_of_ours() -> None:
    with running_edge() as edge:
        logger = sender.FluentSender("shop", host="127.0.0.1", port=edge.forward_port)
        logger.emit(None, {"message": "an ordinary log line"})
        logger.emit(None, {"user": "u", "event": "view"})
        logger.close()
        edge.events(1)
        [letter] = edge.wait(lambda: edge.shards.letters)
        assert letter["reason"] == "no_user"
        assert letter["event"] == {"message": "an ordinary log line"}


@pytest.mark.parametrize("mode", ["Message", "Forward", "PackedForward", "CompressedPackedForward"])
@pytest.mark.parametrize("ack", [0, 5000])
def test_fluent_logger_for_node(mode: str, ack: int) -> None:
    with running_edge(shards=2) as edge:
        assert node(edge, mode=mode, ack=ack) == {"sent": 50, "errors": []}
        events = edge.events(50)
        assert sorted(event["props"]["n"] for event in events) == list(range(50))
        assert {event["context"]["stream"] for event in events} == {"node.test.label"}


def test_node_with_shared_key_over_tls(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with running_edge(shared_key=KEY.encode(), tls=certificates.server_context()) as edge:
        answer = node(edge, ack=5000, sharedKey=KEY, ca=str(certificates.ca), host="localhost")
        assert answer == {"sent": 50, "errors": []}
        edge.events(50)


def test_node_with_a_wrong_shared_key_hurts_only_itself() -> None:
    with running_edge(shared_key=KEY.encode()) as edge:
        wrong = start_node("send.js", **node_wish(edge, ack=500, sharedKey="another", count=1))
        right = node(edge, ack=5000, sharedKey=KEY)
        assert right == {"sent": 50, "errors": []}
        edge.wait(lambda: "handshake_failed" in edge.refused)
        edge.events(50)
        wrong.kill()
        wrong.communicate()


def test_node_sends_again_after_its_ack_timeout() -> None:
    """It makes a new chunk id per attempt, so that only `id` tells the engine: the same event."""
    with running_edge() as edge:
        edge.hold()
        client = start_node(
            "send.js", **node_wish(edge, mode="Forward", ack=300, withId=True, count=3)
        )
        edge.wait(lambda: len(edge.shards.events) >= 6)
        edge.release()
        assert finish_node(client) == {"sent": 3, "errors": []}
        items = edge.call(lambda: edge.shards.items)
        prints = {item.record["id"]: item.fingerprint for item in items if hasattr(item, "body")}
        assert set(prints) == {"n-0", "n-1", "n-2"}
        assert all(
            item.fingerprint == prints[item.record["id"]] for item in items if hasattr(item, "body")
        )


def test_our_client() -> None:
    with running_edge(shards=4) as edge:
        with Client(edge.forward) as client:
            for number in range(3000):
                client.track(number % 100, "view", user="a property", event=number)
        events = edge.events(3000)
        assert {event["user"] for event in events} == set(range(100))
        assert {event["props"]["event"] for event in events} == set(range(3000))
        assert all(event["context"]["stream"] == "client" for event in events)


def test_our_client_with_shared_key_over_tls(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with running_edge(shared_key=KEY.encode(), tls=certificates.server_context()) as edge:
        with Client(edge.forward, shared_key=KEY, tls=str(certificates.ca)) as client:
            client.track("u", "view")
            assert client.flush()
        edge.events(1)
        with pytest.raises(AuthenticationFailed):
            _track_one(edge.forward, shared_key="another", tls=str(certificates.ca))
        with pytest.raises(EngineUnavailable):
            _track_one(edge.forward, seconds=0.3)  # no TLS


def _track_one(address: str, *, seconds: float = 5.0, **options: Any) -> None:
    client = Client(address, **options)
    client.track("u", "view")
    client.close(seconds)


def test_our_client_waits_for_an_engine_and_sends_again() -> None:
    with running_edge() as edge:
        address, port = edge.forward, edge.forward_port
    client = Client(address)
    for number in range(10):
        client.track(f"u{number}", "view")
    assert not client.flush(0.2)
    with running_edge(port=port) as edge:
        edge.events(10)
        edge.hold()
        for number in range(10, 20):
            client.track(f"u{number}", "view")
        edge.events(20)
        assert not client.flush(0.1)
        before = _prints(edge)
    with running_edge(port=port) as edge:  # the unconfirmed ones come again, as the same chunk
        client.close()
        assert len(edge.events(10)) == 10
        assert _prints(edge) < before


def _prints(edge: Edge) -> set[int]:
    items = edge.call(lambda: edge.shards.items)
    return {item.fingerprint for item in items if hasattr(item, "fingerprint")}
