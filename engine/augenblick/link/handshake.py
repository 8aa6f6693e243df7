"""Mutual proof that both ends of a link connection hold the cluster secret.

Both ends send HELLO with a fresh nonce. The one that dialled proves first: an HMAC-SHA256 over its
label, both HELLO headers as sent, and its name, under a key derived from the cluster secret. Only
after checking that does the listener prove itself in the same way, so that a listener is no oracle
for strangers; the two labels differ, so that no proof can be reflected. Comparison is in constant
time. Pure: the nonce is passed in.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from augenblick.errors import AuthenticationFailed, ProtocolError
from augenblick.link.messages import PROTOCOL_VERSION, Kind, Message

NONCE_bytes: Final = 32
_DIALLER: Final = b"augenblick link dialler 1"
_LISTENER: Final = b"augenblick link listener 1"
_HELLO_KEYS: Final = ("role", "name", "incarnation", "cluster", "versions", "nonce")


def link_key(secret: bytes) -> bytes:
    """The key of link proofs, derived from the cluster secret so that the secret itself signs
    nothing.
    """
    return hmac.new(secret, b"augenblick link key 1", hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this process is on the link; `facts` are further HELLO keys of its role."""

    role: str
    name: str
    incarnation: int
    cluster: str
    epoch: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def hello(self, nonce: bytes) -> dict[str, Any]:
        """The HELLO header."""
        return {
            **self.facts,
            "role": self.role,
            "name": self.name,
            "incarnation": self.incarnation,
            "cluster": self.cluster,
            "epoch": self.epoch,
            "versions": [PROTOCOL_VERSION],
            "nonce": nonce,
        }


class Handshake:
    """One connection's handshake: `start()`, then `on_message` until `peer` is set.

    Raises AuthenticationFailed or ProtocolError; the connection then ends without a further word.
    """

    def __init__(
        self,
        identity: Identity,
        key: bytes,
        nonce: bytes,
        *,
        dialled: bool,
        expected: str | None = None,
        expected_incarnation: int = 0,
    ) -> None:
        self.peer: dict[str, Any] | None = None
        self._key = key
        self._dialled = dialled
        self._name = identity.name
        self._cluster = identity.cluster
        self._expected = expected
        self._expected_incarnation = expected_incarnation
        self._hello = identity.hello(nonce)
        self._peer_hello: dict[str, Any] | None = None

    def start(self) -> Message:
        """The HELLO to send when the connection opens."""
        return Message(Kind.HELLO, self._hello)

    def on_message(self, message: Message) -> list[Message]:
        """Take the peer's next message; return what to send. `peer` is its HELLO header once it has
        proved itself.
        """
        if message.kind == Kind.HELLO and self._peer_hello is None:
            self._peer_hello = self._checked_hello(message.header)
            return [self._proof()] if self._dialled else []
        if message.kind == Kind.PROOF and self._peer_hello is not None and self.peer is None:
            mac = message.header.get("mac")
            wanted = self._mac(dialler=not self._dialled, name=self._peer_hello["name"])
            if not isinstance(mac, bytes) or not hmac.compare_digest(mac, wanted):
                raise AuthenticationFailed("a link peer that does not hold the cluster secret")
            self.peer = self._peer_hello
            return [] if self._dialled else [self._proof()]
        raise ProtocolError(f"link message {message.kind} during the handshake")

    def _checked_hello(self, hello: dict[str, Any]) -> dict[str, Any]:
        missing = [key for key in _HELLO_KEYS if key not in hello]
        if missing:
            raise ProtocolError(f"a link hello without {', '.join(missing)}")
        if not isinstance(hello["nonce"], bytes) or len(hello["nonce"]) != NONCE_bytes:
            raise ProtocolError("a link hello with a wrong nonce")
        if not isinstance(hello["name"], str) or not isinstance(hello["incarnation"], int):
            raise ProtocolError("a link hello with a wrong name or incarnation")
        if PROTOCOL_VERSION not in hello["versions"]:
            raise ProtocolError(
                f"a link peer that speaks {hello['versions']}, not {PROTOCOL_VERSION}"
            )
        if hello["cluster"] != self._cluster:
            raise AuthenticationFailed(f"a link peer of another cluster, {hello['cluster']}")
        if self._expected is not None and hello["name"] != self._expected:
            raise AuthenticationFailed(f"{hello['name']!r} answers where {self._expected!r} should")
        if hello["incarnation"] < self._expected_incarnation:
            raise AuthenticationFailed(f"{hello['name']!r} answers with an old incarnation")
        return hello

    def _proof(self) -> Message:
        return Message(Kind.PROOF, {"mac": self._mac(dialler=self._dialled, name=self._name)})

    def _mac(self, *, dialler: bool, name: str) -> bytes:
        hellos = [self._hello, self._peer_hello]
        if not self._dialled:
            hellos.reverse()
        parts = [_DIALLER if dialler else _LISTENER, *map(msgpack.packb, hellos), name.encode()]
        return hmac.new(self._key, msgpack.packb(parts), hashlib.sha256).digest()
