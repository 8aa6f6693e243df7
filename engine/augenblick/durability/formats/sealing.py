"""Encryption of what lies on disk: AES-256-GCM under a key of each file's own. Pure.

A key of the key file never touches data. Each encrypted file has 16 random bytes (`salt`) in its
head, and its own key is HKDF-SHA256 of the key with the whole head: bytes of another file, kind,
shard or place, and a head that was changed, never fit. Each sealed part has a number, used once
under that key, which is its nonce: 96 bits, little endian. A sealed part is ciphertext and a tag of
16 bytes; `bound` is authenticated with it.

The id of a key is the first four bytes of BLAKE2b over it (personal `augenblick-key`), shown as
eight hexadecimal digits: a key cannot pass for another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from augenblick.durability.formats.head import Head
from augenblick.errors import KeyMissing

KEY_bytes: Final = 32
SALT_bytes: Final = 16
TAG_bytes: Final = 16
_NONCE_bytes: Final = 12
_PURPOSE: Final = b"augenblick file 1\n"


def key_id(key: bytes) -> int:
    """The id of a key; never 0 but by a chance of one in four thousand million."""
    found = blake2b(key, digest_size=4, person=b"augenblick-key")
    return int.from_bytes(found.digest(), "big")


def show_key_id(number: int) -> str:
    """The id as a person reads it, in key files and messages."""
    return f"{number:08x}"


class Cipher:
    """One file's own key. `seal` is called once for each number, `open` as often as one likes."""

    def __init__(self, key: bytes, head: bytes) -> None:
        """`head`: the file's first bytes, which hold its salt."""
        # Imported where it is used: it takes 70 ms, in each process, also without encryption.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        own = HKDF(SHA256(), KEY_bytes, salt=None, info=_PURPOSE + head).derive(key)
        self._aead = AESGCM(own)
        self._mismatch = InvalidTag

    def seal(self, number: int, data: bytes, bound: bytes = b"") -> bytes:
        """Encrypt; TAG_bytes longer than the data."""
        return self._aead.encrypt(number.to_bytes(_NONCE_bytes, "little"), data, bound)

    def open(self, number: int, sealed: bytes, bound: bytes = b"") -> bytes | None:
        """Decrypt; None if it is not what was sealed under this number, key and file."""
        try:
            return self._aead.decrypt(number.to_bytes(_NONCE_bytes, "little"), sealed, bound)
        except self._mismatch:
            return None


class KeyRing:
    """The keys of a key file: `newest` encrypts, each decrypts what was encrypted with it.

    `keys`: by id, oldest first, at least one. `file`: where they came from, for messages. `draw`
    gives so many random bytes.
    """

    def __init__(self, keys: Mapping[int, bytes], file: str, draw: Callable[[int], bytes]) -> None:
        self._keys = dict(keys)
        self.newest = [*keys][-1]
        self.file = file
        self._draw = draw

    @property
    def ids(self) -> list[int]:
        """Every key's id, oldest first."""
        return [*self._keys]

    def draw(self, count: int) -> bytes:
        """Random bytes."""
        return self._draw(count)

    def mark(self, head: Head) -> Head:
        """The head of a new file that is encrypted with the newest key."""
        return replace(head, key=self.newest, salt=self._draw(SALT_bytes))

    def cipher(self, number: int, head: bytes, place: str) -> Cipher:
        """The cipher of the file with this head; raises KeyMissing, which names `place`."""
        if number not in self._keys:
            held = ", ".join(map(show_key_id, self._keys))
            raise KeyMissing(
                f"{place} is encrypted with key {show_key_id(number)}, which {self.file} does not"
                f" hold (it holds {held}): put that key back into it"
            )
        return Cipher(self._keys[number], head)


def find_cipher(keys: KeyRing | None, head: Head, data: bytes, place: str) -> Cipher | None:
    """The cipher of a file with this head, whose bytes are `data`; None: it is not encrypted.

    Raises KeyMissing.
    """
    if not head.key:
        return None
    if keys is None:
        raise KeyMissing(
            f"{place} is encrypted with key {show_key_id(head.key)}: name the file that holds it"
            " with --key-file"
        )
    return keys.cipher(head.key, data, place)
