"""Pseudonyms of user ids: what the native router puts in their place, for all that is not routed.

A pseudonym is keyed BLAKE2b of 16 bytes (personal `augenblick-user`) over the id's text, as 32
hexadecimal digits; an integer id is its decimal text.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

KEY_bytes: Final = 32
_PERSON: Final = b"augenblick-user"


class Pseudonyms:
    """The pseudonyms under one key (KEY_bytes)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, user: str | int) -> str:
        """The pseudonym of an id."""
        text = str(user).encode(errors="replace")
        return blake2b(text, digest_size=16, key=self._key, person=_PERSON).hexdigest()

    def conceal(self, event: Any) -> dict[str, Any]:
        """A refused event as it may be kept: under its pseudonym; nothing of one that has no
        readable user id, since it may stand anywhere in it.
        """
        user = event.get("user") if isinstance(event, dict) and "raw" not in event else None
        if isinstance(user, bool) or not isinstance(user, str | int):
            return {"left_out": "no user id to be read, and the plan says pseudonymise"}
        return {**event, "user": self.of(user)}
