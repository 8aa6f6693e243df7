"""The Forward port against clients that are broken, slow or hostile: each hurts only itself."""

import contextlib
import gzip
import random
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgpack
import pytest
from tests.integration.certificates import make_certificates
from tests.integration.edge import Edge, running_edge
from tests.unit.ingest.dialects.forward_frames import frame

from augenblick.ingest.transports import tcp


@pytest.fixture
def edge() -> Iterator[Edge]:
    with running_edge(shards=2) as made:
        yield made


def dial(edge: Edge) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", edge.forward_port), timeout=10)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def event(user: object = "u", **fields: object) -> dict[str, object]:
    return {"user": user, "event": "view", **fields}


def chunk(*events: object, name: str = "id", **options: object) -> bytes:
    entries = b"".join(msgpack.packb([1_700_000_000, one]) for one in events)
    return frame("test", entries, {"chunk": name, **options})


def acks(client: socket.socket, count: int) -> list[str]:
    unpacker = msgpack.Unpacker()
    found: list[str] = []
    while len(found) < count:
        data = client.recv(65536)
        assert data, found
        unpacker.feed(data)
        found += [answer["ack"] for answer in unpacker]
    return found


def send_forever(client: socket.socket, data: bytes) -> None:
    while True:
        client.sendall(data)


def send_in_time(client: socket.socket, data: bytes) -> bytes:
    """What could not be sent before the socket's timeout."""
    with contextlib.suppress(TimeoutError):
        while data:
            data = data[client.send(data) :]
    return data


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(65536) == b""
    except ConnectionResetError:
        return True


def assert_serves(edge: Edge) -> None:
    """A good client is served as ever."""
    with closing(dial(edge)) as client:
        name = str(random.random())
        client.sendall(chunk(event(f"good {name}"), name=name))
        assert acks(client, 1) == [name]


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not_forward"),
        (bytes(range(256)), "not_forward"),
        (b"\x93\xa1t\xc1", "bad_msgpack"),
        (b"\x92\xa1t\xc6\xff\xff\xff\xff", "frame_too_large"),
        (b"\x92\xa1t" + b"\x91" * 10_000, "too_deep"),
    ],
)
def test_garbage_ends_its_connection_and_is_counted(edge: Edge, garbage: bytes, reason: str):
    with closing(dial(edge)) as good, closing(dial(edge)) as bad:
        bad.sendall(garbage)
        assert is_closed(bad)
        good.sendall(chunk(event()))
        assert acks(good, 1) == ["id"]
    edge.wait(lambda: reason in edge.closed)
    assert edge.call(edge.core.status)["connections_closed"][reason] == 1


def test_what_came_before_the_garbage_is_kept(edge: Edge):
    with closing(dial(edge)) as client:
        client.sendall(frame("test", 1_700_000_000, event()) * 3 + b"\xc1")
        assert is_closed(client)
    edge.events(3)


def test_a_truncated_frame_is_counted(edge: Edge):
    with closing(dial(edge)) as client:
        client.sendall(chunk(event("a")) + chunk(event("b"))[:-3])
        assert acks(client, 1) == ["id"]
    edge.wait(lambda: edge.closed == ["truncated"])
    edge.events(1)


BAD_EVENTS = [
    (5, "not_a_map"),
    ({"event": "view"}, "no_user"),
    ({"user": "u"}, "no_event"),
    (event(2.5), "bad_user"),
    (event("x" * 1_000_000), "user_too_long"),
    (event("x" * 1000), "user_too_long"),
    (event(props={"p": "x" * 10_000_000}), "too_large"),
    (event(props={"p": float("nan")}), "bad_number"),
    (event(props={"p": float("inf")}), "bad_number"),
    (event(time=-62_135_596_800_000), "time_range"),
    (event(time=253_402_300_799_000), "time_range"),
    (event(time=int(time.time() * 1000) + 86_400_000), "future"),
    (event("x", props=5), "bad_props"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_EVENTS)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_bad_event_is_refused_alone(edge: Edge, bad: object, reason: str, is_packed: bool):
    events = [event("before"), bad, event("after")]
    sent = chunk(*events)
    if not is_packed:
        sent = frame("test", [[1_700_000_000, one] for one in events], {"chunk": "id"})
    with closing(dial(edge)) as client:
        client.sendall(sent)
        assert acks(client, 1) == ["id"]
    found = edge.events(2)
    assert {one["user"] for one in found} == {"before", "after"}
    [letter] = edge.wait(lambda: edge.shards.letters)
    assert letter["reason"] == reason


def test_invalid_utf8(edge: Edge):
    bad = b"\x83\xa4user\xa1u\xa5event\xa4view\xa5props\x81\xa1p\xa2\xff\xfe"
    entries = b"\x92\x01" + bad + msgpack.packb([1_700_000_000, event("after")])
    with closing(dial(edge)) as client:
        client.sendall(frame("test", entries, {"chunk": "id"}))
        assert acks(client, 1) == ["id"]
    edge.events(1)
    [letter] = edge.wait(lambda: edge.shards.letters)
    assert letter["reason"] == "bad_utf8"


def test_a_gzip_bomb(edge: Edge):
    bomb = gzip.compress(bytes(100_000_000))
    with closing(dial(edge)) as client:
        client.sendall(frame("test", bomb, {"chunk": "bomb", "compressed": "gzip"}))
        client.sendall(chunk(event()))
        assert sorted(acks(client, 2)) == ["bomb", "id"]
    [letter] = edge.wait(lambda: edge.shards.letters)
    assert letter["reason"] == "inflate_too_large"


def test_events_nested_deep_inside_a_packed_stream(edge: Edge):
    deep = b"\x92\x01" + b"\x81\xa1p" * 10_000 + b"\xc0"
    with closing(dial(edge)) as client:
        client.sendall(frame("test", deep, {"chunk": "id"}))
        assert acks(client, 1) == ["id"]
    [letter] = edge.wait(lambda: edge.shards.letters)
    assert letter["reason"] == "too_deep"


def test_one_byte_at_a_time(edge: Edge):
    """Somebody dribbles while others are served; in the end its event counts too."""
    with closing(dial(edge)) as slow:
        for one in chunk(event("slow")):
            slow.sendall(bytes([one]))
            time.sleep(0.002)
        assert acks(slow, 1) == ["id"]
        assert_serves(edge)


def test_an_unfinished_handshake_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "client_handshake_seconds_max", 0.3)
    with running_edge(shared_key=b"key") as edge, closing(dial(edge)) as client:
        assert msgpack.unpackb(client.recv(1000))[0] == "HELO"
        client.sendall(b"\x96\xa4PING")
        assert is_closed(client)
        assert edge.wait(lambda: edge.refused) == ["handshake_timeout"]


def test_events_before_the_handshake_are_not_taken():
    with running_edge(shared_key=b"key") as edge, closing(dial(edge)) as client:
        client.sendall(chunk(event()))
        unpacker = msgpack.Unpacker()
        while data := client.recv(1000):
            unpacker.feed(data)
        assert [answer[0] for answer in unpacker] == ["HELO"]
        assert edge.wait(lambda: edge.refused) == ["handshake_failed"]
        assert edge.call(lambda: edge.shards.events) == []


def test_plain_bytes_on_a_tls_port(tmp_path: Path):
    certificates = make_certificates(tmp_path)
    with running_edge(tls=certificates.server_context()) as edge:
        with closing(dial(edge)) as client:
            client.sendall(chunk(event()))
            assert is_closed(client)
        context = ssl.create_default_context(cafile=certificates.ca)
        with closing(context.wrap_socket(dial(edge), server_hostname="localhost")) as client:
            client.sendall(chunk(*[event() for _ in range(20_000)]))
            assert acks(client, 1) == ["id"]
            edge.events(20_000)


def test_a_client_that_never_reads_its_acks_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "acks_unread_seconds_max", 0.5)
    with running_edge() as edge, closing(dial(edge)) as deaf:
        empty = frame("t", b"", {"chunk": "x" * 100})
        deaf.settimeout(20)
        with pytest.raises((TimeoutError, ConnectionError)):
            send_forever(deaf, empty * 500)
        assert_serves(edge)
        edge.wait(lambda: "acks_unread" in edge.closed)


def test_too_many_connections(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "connections_max", 2)
    with running_edge() as edge:
        with closing(dial(edge)) as first, closing(dial(edge)) as second:
            edge.wait(lambda: len(edge.server.connections) == 2)
            with closing(dial(edge)) as third:
                assert is_closed(third)
            for client in (first, second):
                client.sendall(chunk(event()))
                assert acks(client, 1) == ["id"]
        edge.wait(lambda: edge.refused == ["too_many_connections"])
        edge.wait(lambda: not edge.server.connections)
        assert_serves(edge)


def test_half_received_frames_are_bounded_in_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tcp, "receive_bytes_max", 1_000_000)
    with running_edge() as edge:
        with closing(dial(edge)) as greedy:
            greedy.sendall(b"\x92\xa1t\xc6\x00\xf0\x00\x00" + bytes(2_000_000))
            assert is_closed(greedy)
        edge.wait(lambda: edge.closed == ["receive_memory_full"])
        assert edge.call(lambda: edge.server.kept_bytes) == 0
        assert_serves(edge)


def test_back_pressure_stops_reading_and_loses_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("augenblick.core.gateway.shard_unacked_bytes_max", 200_000)
    with running_edge() as edge, closing(dial(edge)) as client:
        edge.hold()
        client.settimeout(0.5)
        events = [event(f"u{number}", props={"x": "y" * 500}) for number in range(20)]
        sent, pending = 0, b""
        while not (pending and edge.call(lambda: edge.core.is_paused)):
            pending = send_in_time(client, pending or chunk(*events, name=str(sent)))
            sent += not pending
        waiting = edge.call(lambda: edge.core.status()["shards"]["shard-0"]["waiting_bytes"])
        assert waiting < 1_500_000
        edge.release()
        client.settimeout(10)
        names = acks(client, sent)
        client.sendall(pending)
        names += acks(client, 1)
        assert names == [str(number) for number in range(sent + 1)]
        edge.events(20 * (sent + 1))


def test_shards_that_are_away_get_everything_later(edge: Edge):
    with closing(dial(edge)) as client:
        edge.lose_shards()
        for number in range(10):
            client.sendall(chunk(event(number), name=str(number)))
        edge.wait(lambda: edge.core.status()["events"] == 10)
        assert edge.call(lambda: edge.shards.events) == []
        edge.find_shards()
        assert sorted(acks(client, 10)) == sorted(map(str, range(10)))
        edge.events(10)


def test_a_client_that_has_said_all_still_gets_its_acks(edge: Edge):
    edge.hold()
    with closing(dial(edge)) as client:
        client.sendall(chunk(event()))
        client.shutdown(socket.SHUT_WR)
        edge.events(1)
        edge.release()
        assert acks(client, 1) == ["id"]
        assert is_closed(client)
