"""What stands for a user id where the id itself must not be kept.

The mark is keyed BLAKE2b of 16 bytes (personal `augenblick-mark-`) over the id's text, under the
cluster's hash key, as 32 hexadecimal digits. Who knows the key and an id can tell whose a mark is;
nobody gets from it to the id.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from augenblick_native.keys import user_key

_PERSON: Final = b"augenblick-mark-"
_GROUP_SHIFT: Final = 52


class UserMarks:
    """Marks and keys of user ids under the cluster's hash key (16 bytes)."""

    def __init__(self, hash_key: bytes = bytes(16)) -> None:
        self._key = hash_key

    def of(self, user: str) -> str:
        """The mark of an id."""
        return blake2b(_bytes(user), digest_size=16, key=self._key, person=_PERSON).hexdigest()

    def key_of(self, user: str) -> int:
        """The 64-bit key under which kernels know the user."""
        return user_key(self._key, _bytes(user))

    def is_of(self, mark: str, user: Any) -> bool:
        """Is this (of a record, so perhaps a number, or no id at all) the user with the mark?"""
        if isinstance(user, bool) or not isinstance(user, str | int):
            return False
        return self.of(str(user)) == mark


def group_of_key(key: int) -> int:
    """The key group of a user key."""
    return key >> _GROUP_SHIFT


def _bytes(user: str) -> bytes:
    return user.encode("utf-8", "surrogatepass")
