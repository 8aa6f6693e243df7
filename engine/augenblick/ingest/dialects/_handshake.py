"""Handshake of the Fluent Forward protocol v1: both sides prove that they know the shared key.

HELO (server): a nonce. PING (client): its host name, a salt and
sha512(salt + client host name + nonce + key) in hex. PONG (server): the outcome, its own name and
sha512(salt + server name + nonce + key). Users and passwords are not offered (an empty `auth`).
"""

import hashlib
import hmac
from typing import Any

import msgpack

from augenblick.errors import AuthenticationFailed, ProtocolError
from augenblick.limits import handshake_bytes_max


def shared_key_digest(salt: bytes, name: bytes, nonce: bytes, key: bytes) -> str:
    """The hex digest that PING (name: the client's) and PONG (name: the server's) carry."""
    return hashlib.sha512(salt + name + nonce + key).hexdigest()


class HandshakeFailed(AuthenticationFailed):
    """A wrong PING; `answer` is the PONG to send before the connection is closed."""

    def __init__(self, message: str, *, answer: bytes = b"") -> None:
        super().__init__(message, reason="handshake_failed")
        self.answer = answer


class ServerHandshake:
    """The server's side for one connection.

    `nonce` is fresh random bytes (16) of the caller; `server_name` must differ from the host names
    of clients, since clients take an equal name for a loop of forwarders and refuse it.
    """

    def __init__(self, key: bytes, nonce: bytes, server_name: str) -> None:
        self._key = key
        self._nonce = nonce
        self._name = server_name
        self.is_done = False

    def helo(self) -> bytes:
        """What the server sends first."""
        hello: bytes = msgpack.packb(
            ["HELO", {"nonce": self._nonce, "auth": "", "keepalive": True}]
        )
        return hello

    def answer(self, frame: bytes | bytearray) -> bytes:
        """The PONG for a PING. Raises HandshakeFailed: send its `answer`, then close."""
        name, salt, digest = _read_ping(frame)
        expected = shared_key_digest(salt, name, self._nonce, self._key)
        if not hmac.compare_digest(digest, expected.encode()):
            failed = msgpack.packb(["PONG", False, "shared_key mismatch", self._name, ""])
            raise HandshakeFailed("the client has another shared key", answer=failed)
        self.is_done = True
        proof = shared_key_digest(salt, self._name.encode(), self._nonce, self._key)
        pong: bytes = msgpack.packb(["PONG", True, "", self._name, proof])
        return pong


class ClientHandshake:
    """The client's side for one connection; `salt` is fresh random bytes of the caller."""

    def __init__(self, key: bytes, salt: bytes, client_name: str) -> None:
        self._key = key
        self._salt = salt
        self._name = client_name
        self._nonce = b""

    def ping(self, helo: object) -> bytes:
        """The PING for a decoded HELO."""
        match helo:
            case [("HELO" | b"HELO"), {"nonce": str() | bytes() as nonce}]:
                self._nonce = _bytes(nonce)
            case _:
                raise ProtocolError("the server sent no HELO", reason="bad_handshake")
        digest = shared_key_digest(self._salt, self._name.encode(), self._nonce, self._key)
        ping: bytes = msgpack.packb(["PING", self._name, self._salt, digest, "", ""])
        return ping

    def check(self, pong: object) -> None:
        """Accept a decoded PONG or raise AuthenticationFailed."""
        match pong:
            case [("PONG" | b"PONG"), True, _, str() | bytes() as name, str() | bytes() as digest]:
                expected = shared_key_digest(self._salt, _bytes(name), self._nonce, self._key)
                if not hmac.compare_digest(_bytes(digest), expected.encode()):
                    raise AuthenticationFailed(
                        "the server did not prove that it has the shared key",
                        reason="handshake_failed",
                    )
            case [("PONG" | b"PONG"), False, reason, *_]:
                raise AuthenticationFailed(
                    f"the server refused the shared key: {reason}", reason="handshake_failed"
                )
            case _:
                raise ProtocolError("the server sent no PONG", reason="bad_handshake")


def _read_ping(frame: bytes | bytearray) -> tuple[bytes, bytes, bytes]:
    """(client host name, salt, digest) of a PING frame."""
    if len(frame) > handshake_bytes_max:
        raise HandshakeFailed(f"a PING of {len(frame)} bytes")
    try:
        ping: Any = msgpack.unpackb(frame, strict_map_key=False, unicode_errors="surrogateescape")
    except (ValueError, TypeError, msgpack.UnpackException):
        raise HandshakeFailed("a PING that cannot be read") from None
    match ping:
        case [("PING" | b"PING"), name, salt, digest, _, _] if all(
            isinstance(part, str | bytes) for part in (name, salt, digest)
        ):
            return _bytes(name), _bytes(salt), _bytes(digest)
    raise HandshakeFailed("events before the handshake; this port wants a shared key")


def _bytes(text: str | bytes) -> bytes:
    return text.encode(errors="surrogateescape") if isinstance(text, str) else text
