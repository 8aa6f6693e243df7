"""The latest records as they left, numbered, for `tail`."""

from collections import deque
from collections.abc import Callable
from typing import Any

from augenblick import limits
from augenblick.binding.releases import unpack


class Tail:
    """A ring per kind of record. Numbers rise over all kinds and start with 1.

    A reader asks for what follows the last number it has; what left the ring before it asked is
    reported as missed, so that a slow reader costs memory to nobody.
    """

    def __init__(self, records_max: int = limits.tail_records_max) -> None:
        self._records_max = records_max
        self._rings: dict[str, deque[tuple[int, bytes | dict[str, Any]]]] = {}
        self._dropped: dict[str, int] = {}
        self.last_number = 0

    def append(self, kind: str, record: bytes | dict[str, Any]) -> None:
        """Number a record (packed or plain) and keep it, in place of the oldest of its kind when
        the ring is full.
        """
        self.last_number += 1
        ring = self._rings.get(kind)
        if ring is None:
            ring = self._rings[kind] = deque(maxlen=self._records_max)
        if len(ring) == self._records_max:
            self._dropped[kind] = ring[0][0]
        ring.append((self.last_number, record))

    def rewrite(self, rewrite: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Put what this makes of a record in its place; None: it goes."""
        for kind, ring in self._rings.items():
            made = ((number, rewrite(_plain(record))) for number, record in ring)
            kept = [(number, record) for number, record in made if record is not None]
            self._rings[kind] = deque(kept, maxlen=self._records_max)

    def after(
        self, number: int, kind: str | None, records_max: int
    ) -> tuple[list[tuple[int, dict[str, Any]]], bool]:
        """Up to `records_max` records with a larger number, in order, and whether some were missed.

        `kind` None: every kind. A number from before a restart, larger than any here, reads from
        the start.
        """
        if number > self.last_number:
            number = 0
        kinds = list(self._rings) if kind is None else [kind]
        missed = any(self._dropped.get(name, 0) > number for name in kinds)
        found = [
            entry for name in kinds for entry in self._rings.get(name, ()) if entry[0] > number
        ]
        found.sort(key=lambda entry: entry[0])
        return [(number, _plain(record)) for number, record in found[:records_max]], missed


def _plain(record: bytes | dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = unpack(record) if isinstance(record, bytes) else record
    return found
