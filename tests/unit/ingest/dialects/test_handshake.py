"""The shared-key handshake, both sides, and digests as other implementations make them."""

import contextlib
import hashlib

import msgpack
import pytest
from tests.unit.ingest.dialects.forward_frames import EVENT, frame, read, read_pieces

from augenblick.errors import AuthenticationFailed, LimitExceeded, ProtocolError
from augenblick.ingest.dialects._forward_client import ClientReader
from augenblick.ingest.dialects.forward import (
    ClientHandshake,
    ForwardReader,
    HandshakeFailed,
    Reply,
    ServerHandshake,
)

NONCE, SALT, KEY = b"n" * 16, b"\xffsalt", b"the key"


def new_reader(key: bytes = KEY) -> ForwardReader:
    return ForwardReader(ServerHandshake(key, NONCE, "gateway"))


def ping(key: bytes = KEY, salt: bytes | str = SALT, name: str = "client") -> bytes:
    salted = salt.encode() if isinstance(salt, str) else salt
    digest = hashlib.sha512(salted + name.encode() + NONCE + key).hexdigest()
    return msgpack.packb(["PING", name, salt, digest, "", ""])


def test_helo():
    helo = msgpack.unpackb(new_reader().greeting)
    assert helo == ["HELO", {"nonce": NONCE, "auth": "", "keepalive": True}]
    assert ForwardReader().greeting == b""
    assert ForwardReader().is_ready


@pytest.mark.parametrize("salt", [SALT, "text salt"])
def test_a_right_ping_opens(salt):
    reader = new_reader()
    [reply, chunk] = read(ping(salt=salt), frame("t", 1, EVENT), reader=reader)
    salted = salt.encode() if isinstance(salt, str) else salt
    proof = hashlib.sha512(salted + b"gateway" + NONCE + KEY).hexdigest()
    assert reply == Reply(msgpack.packb(["PONG", True, "", "gateway", proof]))
    assert reader.is_ready
    assert chunk.tag == b"t"


def test_byte_by_byte_with_heartbeats():
    stream = b"\xc0" + ping() + b"\xc0" + frame("t", 1, EVENT)
    found = read_pieces((bytes([one]) for one in stream), new_reader())
    assert len(found) == 2


def test_a_wrong_key_is_told_so():
    with pytest.raises(HandshakeFailed) as caught:
        read(ping(b"another key"), reader=new_reader())
    assert msgpack.unpackb(caught.value.answer)[:2] == ["PONG", False]
    assert caught.value.reason == "handshake_failed"


@pytest.mark.parametrize(
    "bad",
    [
        frame("t", 1, EVENT),
        frame("t", [[1, EVENT]]),
        frame("PING", "client", 5, "digest", "", ""),
        frame("PING", "client", b"salt", "digest"),
        frame("PING", "client", b"salt", "digest ä", "", ""),
        frame("PONG", "client", b"salt", "digest", "", ""),
        msgpack.packb("PING"),
        msgpack.packb({"PING": 1}),
    ],
)
def test_anything_but_a_ping_ends_the_connection(bad):
    with pytest.raises(HandshakeFailed):
        read(bad, reader=new_reader())


def test_before_the_handshake_a_stranger_gets_little_room():
    with pytest.raises(LimitExceeded):
        read(b"\x92\xa1t\xc5\xff\xff", reader=new_reader())


def test_after_it_frames_may_be_large():
    [_, chunk] = read(ping(), frame("t", bytes(1_000_000)), reader=new_reader())
    assert len(chunk.data) == 1_000_000


def test_our_client_and_our_server():
    server = new_reader()
    client = ClientReader(ClientHandshake(KEY, SALT, "client"))
    [(_, answer)] = client.read(server.greeting)
    [reply] = read(answer, reader=server)
    assert not list(client.read(reply.data))
    assert client.is_ready
    assert server.is_ready


def test_our_client_refuses_a_server_without_the_key():
    server = ForwardReader(ServerHandshake(KEY, NONCE, "gateway"))
    client = ClientReader(ClientHandshake(KEY, SALT, "client"))
    [(_, answer)] = client.read(server.greeting)
    pong = msgpack.packb(["PONG", True, "", "gateway", "0" * 128])
    with pytest.raises(AuthenticationFailed):
        list(client.read(pong))
    with pytest.raises(AuthenticationFailed, match="no such key"):
        list(_fresh(answer).read(msgpack.packb(["PONG", False, "no such key", "", ""])))


def _fresh(_: bytes) -> ClientReader:
    client = ClientReader(ClientHandshake(KEY, SALT, "client"))
    list(client.read(msgpack.packb(["HELO", {"nonce": NONCE}])))
    return client


@pytest.mark.parametrize("answer", [["HELO"], ["HELO", {}], ["HELO", {"nonce": 1}], ["HI", {}]])
def test_our_client_refuses_a_strange_greeting(answer):
    client = ClientReader(ClientHandshake(KEY, SALT, "client"))
    with pytest.raises(ProtocolError):
        list(client.read(msgpack.packb(answer)))


def test_our_client_without_a_key_understands_that_one_is_wanted():
    with pytest.raises(ProtocolError, match="wants a shared key"):
        list(ClientReader().read(new_reader().greeting))


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad", b"\xc1", b"\xdb\xff\xff\xff\xff"])
def test_our_client_survives_noise(noise):
    with contextlib.suppress(ProtocolError):
        assert not list(ClientReader().read(noise))
