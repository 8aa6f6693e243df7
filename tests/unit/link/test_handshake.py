from dataclasses import replace

import pytest

from augenblick.errors import AuthenticationFailed, ProtocolError
from augenblick.link.handshake import Handshake, Identity, link_key
from augenblick.link.messages import Kind, Message

A = Identity("gateway", "gateway-0", 5, "c1", facts={"note": [1, 2]})
B = Identity("shard", "shard-1", 9, "c1", epoch=3)
KEY = link_key(b"secret")


def _pair(
    a: Identity = A, b: Identity = B, key_a: bytes = KEY, key_b: bytes = KEY, **options: object
):
    dialler = Handshake(a, key_a, b"a" * 32, dialled=True, **options)
    return dialler, Handshake(b, key_b, b"b" * 32, dialled=False)


def _run(dialler: Handshake, listener: Handshake) -> None:
    to_listener, to_dialler = [dialler.start()], [listener.start()]
    while to_listener or to_dialler:
        if to_dialler:
            to_listener += dialler.on_message(to_dialler.pop(0))
        if to_listener:
            to_dialler += listener.on_message(to_listener.pop(0))


def test_both_ends_prove_themselves() -> None:
    dialler, listener = _pair(expected="shard-1", expected_incarnation=9)
    _run(dialler, listener)
    assert dialler.peer is not None
    assert (dialler.peer["name"], dialler.peer["epoch"]) == ("shard-1", 3)
    assert listener.peer is not None
    assert (listener.peer["name"], listener.peer["note"]) == ("gateway-0", [1, 2])


def test_a_newer_incarnation_may_answer() -> None:
    dialler, listener = _pair(expected="shard-1", expected_incarnation=8)
    _run(dialler, listener)
    assert dialler.peer is not None
    assert dialler.peer["incarnation"] == 9


@pytest.mark.parametrize(
    "options",
    [
        {"key_a": link_key(b"other")},
        {"key_b": link_key(b"other")},
        {"b": replace(B, cluster="c2")},
        {"expected": "shard-2"},
        {"expected": "shard-1", "expected_incarnation": 10},
    ],
)
def test_who_does_not_hold_the_secret_or_is_somebody_else_is_refused(options: dict) -> None:
    dialler, listener = _pair(**options)
    with pytest.raises(AuthenticationFailed):
        _run(dialler, listener)
    assert dialler.peer is None


def test_the_listener_proves_nothing_to_a_stranger() -> None:
    _, listener = _pair()
    assert listener.on_message(Message(Kind.HELLO, A.hello(b"a" * 32))) == []
    with pytest.raises(AuthenticationFailed):
        listener.on_message(Message(Kind.PROOF, {"mac": b"x" * 32}))


def test_a_changed_hello_breaks_the_proof() -> None:
    dialler, listener = _pair()
    changed = Message(Kind.HELLO, {**dialler.start().header, "incarnation": 99})
    listener.on_message(changed)
    proof = dialler.on_message(listener.start())[0]
    with pytest.raises(AuthenticationFailed):
        listener.on_message(proof)


def test_a_reflected_proof_is_refused() -> None:
    dialler, _ = _pair()
    hello = dialler.start()
    proof = dialler.on_message(Message(Kind.HELLO, {**hello.header, "nonce": b"c" * 32}))[0]
    with pytest.raises(AuthenticationFailed):
        dialler.on_message(proof)


@pytest.mark.parametrize(
    "hello",
    [
        {},
        {**B.hello(b"b" * 32), "nonce": b"short"},
        {**B.hello(b"b" * 32), "versions": [77]},
        {**B.hello(b"b" * 32), "name": 7},
    ],
)
def test_a_malformed_hello_is_refused(hello: dict) -> None:
    dialler, _ = _pair()
    with pytest.raises(ProtocolError):
        dialler.on_message(Message(Kind.HELLO, hello))


def test_other_messages_have_no_place_in_a_handshake() -> None:
    dialler, _ = _pair()
    with pytest.raises(ProtocolError):
        dialler.on_message(Message(Kind.BATCH, {}))
