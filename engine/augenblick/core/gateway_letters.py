"""Refused events on their way from a gateway to the dead-letter files."""

import base64
import hashlib
import json
from collections import Counter
from typing import Any

import msgpack

from augenblick.binding.pseudonyms import Pseudonyms
from augenblick.binding.releases import pack
from augenblick.core.effects import Send
from augenblick.core.outbox import Outbox
from augenblick.limits import (
    dead_letter_detail_chars_max,
    dead_letter_raw_bytes_max,
    gateway_dead_letters_bytes_max,
    gateway_dead_letters_max,
)
from augenblick.link.messages import Kind


class LetterQueue:
    """Dead letters of one gateway, kept until delivery has them; the oldest are dropped, counted.

    An id is a hash of the gateway, its incarnation and a running number.
    """

    def __init__(
        self, gateway: str, incarnation: int, pseudonyms: Pseudonyms | None = None
    ) -> None:
        """`pseudonyms`: the plan says that no user id may be written."""
        self.by_reason: Counter[str] = Counter()
        self.dropped = 0
        self._pseudonyms = pseudonyms
        self._prefix = f"{gateway}/{incarnation}/"
        self._number = 0
        self._new: list[dict[str, Any]] = []
        self._new_bytes = 0
        self._outbox = Outbox(
            "delivery",
            Kind.DEAD_LETTERS,
            incarnation,
            items_max=gateway_dead_letters_max,
            bytes_max=gateway_dead_letters_bytes_max,
        )

    @property
    def is_empty(self) -> bool:
        """Has delivery taken everything?"""
        return not self._new and not len(self._outbox)

    def add(self, reason: str, detail: str, source: str, raw: bytes) -> None:
        """Keep one refused event, or a whole refused frame, as it came."""
        self.by_reason[reason] += 1
        self._number += 1
        if len(self._new) >= gateway_dead_letters_max or (
            self._new_bytes > gateway_dead_letters_bytes_max
        ):
            self.dropped += 1
            return
        kept = raw[:dead_letter_raw_bytes_max]
        event, time_ms = _readable(kept) if len(kept) == len(raw) else (_raw(kept), None)
        if self._pseudonyms is not None:
            event = self._pseudonyms.conceal(event)
        name = f"{self._prefix}{self._number}".encode()
        self._new.append(
            {
                "kind": "dead_letter",
                "id": hashlib.blake2b(name, digest_size=16).hexdigest(),
                "reason": reason,
                "detail": _clean(detail),
                "source": source,
                "time": time_ms,
                "event": event,
            }
        )
        self._new_bytes += len(kept)

    def count(self, reason: str, letters: int) -> None:
        """Refused events of which nothing could be kept."""
        self.by_reason[reason] += letters
        self.dropped += letters

    def flush(self) -> list[Send]:
        """Send what is new."""
        if not self._new:
            return []
        sends, left = self._outbox.add([pack(letter) for letter in self._new])
        self.dropped += len(left)
        self._new, self._new_bytes = [], 0
        return sends

    def resend(self) -> list[Send]:
        """Delivery is back: send everything it has not confirmed."""
        return self._outbox.resend()

    def confirm(self, seq: int) -> None:
        """Delivery has stored them."""
        self._outbox.on_done(seq)


def _readable(raw: bytes) -> tuple[Any, int | None]:
    """(the event as values where it has some, its time if it has one)."""
    try:
        event = msgpack.unpackb(raw, strict_map_key=True, timestamp=0)
    except (ValueError, TypeError, msgpack.UnpackException):
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            return _raw(raw), None
    if isinstance(event, list) and len(event) == 2:  # an entry: [time, record]
        event = event[1]
    if not isinstance(event, dict) or not _is_plain(event):
        return _raw(raw), None
    time_ms = event.get("time")
    return event, time_ms if type(time_ms) is int else None


def _raw(raw: bytes) -> dict[str, str]:
    return {"raw": base64.b64encode(raw).decode()}


def _is_plain(value: Any) -> bool:
    """Can the value be written as JSON and as msgpack?"""
    if isinstance(value, dict):
        return all(_is_text(key) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, float):
        return value - value == 0.0  # neither NaN nor infinite
    if isinstance(value, int):
        return -(2**63) <= value < 2**64
    return value is None or _is_text(value)


def _is_text(value: Any) -> bool:
    """Text without half of a surrogate pair (which JSON can write and UTF-8 cannot)."""
    return isinstance(value, str) and value.encode(errors="replace").decode() == value


def _clean(text: str) -> str:
    return text[:dead_letter_detail_chars_max].encode(errors="replace").decode()
