import asyncio
from typing import Any

import pytest

from augenblick import limits
from augenblick.link.codec import encode
from augenblick.link.handshake import Identity
from augenblick.link.messages import Kind, Message
from augenblick.link.node import LinkNode


class Owner:
    """Records what a node reports and wakes who waits for it."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.changed = asyncio.Event()

    def _note(self, *entry: Any) -> None:
        self.log.append(entry)
        self.changed.set()

    def on_link_up(self, peer: str, hello: dict[str, Any]) -> None:
        self._note("up", peer, hello["incarnation"])

    def on_link_message(self, peer: str, message: Message) -> None:
        self._note("message", peer, message.kind, message.header, bytes(message.payload))

    def on_link_down(self, peer: str, reason: str) -> None:
        self._note("down", peer)

    def on_link_refused(self, reason: str) -> None:
        self._note("refused", reason)

    async def wait(self, *entry: Any) -> None:
        async with asyncio.timeout(5):
            while entry not in [logged[: len(entry)] for logged in self.log]:
                self.changed.clear()
                await self.changed.wait()


def _node(name: str, owner: Owner, incarnation: int = 1, secret: bytes = b"s") -> LinkNode:
    return LinkNode(Identity("role", name, incarnation, "c"), secret, owner)


async def _listening(name: str, port: int = 0, **options: Any) -> tuple[LinkNode, Owner, str]:
    owner = Owner()
    node = _node(name, owner, **options)
    return node, owner, await node.listen("127.0.0.1", port)


async def test_messages_both_ways_in_order() -> None:
    b, b_owner, address = await _listening("b")
    a_owner = Owner()
    a = _node("a", a_owner)
    a.connect("b", address)
    await a_owner.wait("up", "b")
    for seq in range(50):
        assert a.send("b", Kind.BATCH, {"seq": seq}, b"p" * seq * 1000)
    await b_owner.wait("message", "a", Kind.BATCH, {"seq": 49})
    got = [entry for entry in b_owner.log if entry[0] == "message"]
    assert [entry[3]["seq"] for entry in got] == list(range(50))
    assert [len(entry[4]) for entry in got] == [seq * 1000 for seq in range(50)]
    assert b.send("a", Kind.BATCH_ACK, {"seq": 49})
    await a_owner.wait("message", "b", Kind.BATCH_ACK, {"seq": 49})
    assert not a.send("nobody", Kind.PING, {})
    await a.close()
    await b_owner.wait("down", "a")
    await b.close()


async def test_a_lost_peer_is_dialled_again_when_it_is_back() -> None:
    b, _, address = await _listening("b")
    a_owner = Owner()
    a = _node("a", a_owner)
    a.connect("b", address)
    await a_owner.wait("up", "b")
    await b.close()
    await a_owner.wait("down", "b")
    assert not a.is_connected("b")
    b, _, _ = await _listening("b", int(address.rpartition(":")[2]), incarnation=2)
    await a_owner.wait("up", "b", 2)
    await a.close()
    await b.close()


async def test_a_newer_incarnation_replaces_an_older_one_and_never_the_other_way() -> None:
    b, b_owner, address = await _listening("b")
    nodes = []
    for incarnation in (1, 2, 1):
        owner = Owner()
        node = _node("a", owner, incarnation)
        node.connect("b", address)
        nodes.append(node)
        if incarnation == 2 or len(nodes) == 1:
            await owner.wait("up", "b")
    await b_owner.wait("refused", "an old incarnation of 'a'")
    for node in nodes:
        await node.close()
    await b.close()


async def test_strangers_are_refused_and_harm_nobody() -> None:
    b, b_owner, address = await _listening("b")
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read())[:0] == b""
    writer.close()
    await b_owner.wait("refused")
    wrong = _node("a", Owner(), secret=b"wrong")
    wrong.connect("b", address)
    await b_owner.wait("refused", "a link peer that does not hold the cluster secret")
    await wrong.close()
    a_owner = Owner()
    a = _node("a", a_owner)
    a.connect("b", address)
    await a_owner.wait("up", "b")
    await a.close()
    await b.close()


async def test_a_silent_peer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "link_keepalive_seconds", 0.05)
    monkeypatch.setattr(limits, "link_silence_seconds_max", 0.3)
    monkeypatch.setattr(limits, "link_handshake_seconds_max", 0.2)
    b, b_owner, address = await _listening("b")
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    await b_owner.wait("refused", "no proof in time")
    writer.close()
    a_owner = Owner()
    a = _node("a", a_owner)
    a.connect("b", address)
    await a_owner.wait("up", "b")
    await asyncio.sleep(0.5)
    assert a.is_connected("b")
    await a.close()
    await b.close()


async def test_a_machine_is_silent_only_when_its_kernel_is_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer that says nothing (busy, stopped) is kept while its machine acknowledges our PINGs."""
    monkeypatch.setattr(limits, "link_keepalive_seconds", 0.05)
    monkeypatch.setattr(limits, "link_machine_silence_seconds_max", 0.3)
    b, b_owner, address = await _listening("b")
    a_owner = Owner()
    a = _node("a", a_owner)
    a.connect("b", address)
    await a_owner.wait("up", "b")
    await b_owner.wait("up", "a")
    b._keeper.cancel()
    await asyncio.sleep(0.8)
    assert a.is_connected("b")
    a._keeper.cancel()  # no PING, nothing to acknowledge: as if it were cut off
    await asyncio.sleep(0.5)
    a._open["b"].excuse(asyncio.get_running_loop().time())
    a._open["b"].check(asyncio.get_running_loop().time())
    assert a.is_connected("b")
    await asyncio.sleep(0.5)
    a._open["b"].check(asyncio.get_running_loop().time())
    await a_owner.wait("down", "b")
    await a.close()
    await b.close()


async def test_what_breaks_the_protocol_after_the_proof_ends_the_connection() -> None:
    b, b_owner, address = await _listening("b")
    a_owner = Owner()
    a = _node("a", a_owner)
    a.connect("b", address)
    await a_owner.wait("up", "b")
    a._open["b"].write(encode(Kind.BATCH, {}) + b"\xff" * 10, b"")
    await b_owner.wait("down", "a")
    await a.close()
    await b.close()
