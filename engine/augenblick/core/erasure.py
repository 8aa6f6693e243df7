"""What an erasure does to what is on its way or has been set down: records, dead letters. Pure.

An erasure is known by the user's mark (`binding.user_marks`) and the instant at which it was asked
for: the id itself is in none of what it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from augenblick.binding.releases import Release, unpack
from augenblick.binding.user_marks import UserMarks, group_of_key

LEFT_OUT: Final = "erased with a user: whose event it was could not be read"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure that runs. `position`: where the journal ended when the user went (None: not
    known yet); the other instants are None until then: `letters_ms` dead letters were rewritten,
    `files_ms` the last file with the user's bytes was gone.
    """

    user: str
    key: int
    asked_ms: int
    position: int | None = None
    files_ms: int | None = None
    letters_ms: int | None = None
    is_durable: bool = False

    @property
    def name(self) -> tuple[str, int]:
        """What tells it from others."""
        return self.user, self.asked_ms

    @property
    def key_group(self) -> int:
        """The user's key group."""
        return group_of_key(self.key)

    def plain(self) -> list[Any]:
        """For a checkpoint; what remains to be done is found out anew."""
        return [self.user, self.key, self.asked_ms, self.position]

    def document(self) -> dict[str, Any]:
        """For a person."""
        return {
            "user": self.user,
            "asked": self.asked_ms,
            "files_clean": self.files_ms,
            "dead_letters_clean": self.letters_ms,
        }


def from_plain(plain: list[Any]) -> Erasure:
    """What `plain` gave."""
    user, key, asked_ms, position = plain
    return Erasure(user, key, asked_ms, position, is_durable=True)


class Eraser:
    """One user's erasure applied to what waits or lies somewhere."""

    def __init__(self, marks: UserMarks, user: str) -> None:
        self._marks = marks
        self._user = user

    def is_of(self, user: Any) -> bool:
        """Is this the user?"""
        return self._marks.is_of(self._user, user)

    def owns(self, release: Release) -> bool:
        """Is it a record of the user?"""
        return self.is_of(release.record.get("user"))

    def is_packed(self, packed: bytes) -> bool:
        """Is this packed record one of the user?"""
        return self.is_of(unpack(packed).get("user"))

    def item(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """What is left of a record with its actions: all or nothing."""
        return None if self.is_of(item["record"].get("user")) else item

    def letter(self, letter: dict[str, Any]) -> dict[str, Any] | None:
        """What is left of a dead letter; nothing of one of the user, and of one whose event names
        nobody only that there was one: the user may stand anywhere in it.
        """
        record, event = letter.get("firing"), letter.get("event")
        if isinstance(record, Mapping):
            return None if self.is_of(record.get("user")) else letter
        if not isinstance(event, Mapping) or "left_out" in event:
            return letter
        user = event.get("user")
        if "raw" in event or isinstance(user, bool) or not isinstance(user, str | int):
            return {**letter, "event": {"left_out": LEFT_OUT}}
        return None if self.is_of(user) else letter

    def record(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """What is left of anything that left, a dead letter or another record."""
        if record.get("kind") == "dead_letter":
            return self.letter(record)
        return None if self.is_of(record.get("user")) else record
