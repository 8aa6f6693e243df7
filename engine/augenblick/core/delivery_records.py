"""What identifies a record on its way out, and the dead letter of an action that failed."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

# Which fields identify a record that has no id of its own; equal ones are one record.
IDENTITY = {
    "session": ("user", "start", "end"),
    "window": ("feature", "user", "by", "start", "end"),
    "metric": ("metric", "by", "start", "end"),
}


def record_key(record: Mapping[str, Any]) -> str:
    """The idempotency key: a firing's id, else 128 bits of BLAKE2b over what identifies it, hex."""
    own = record.get("id")
    if isinstance(own, str) and own:
        return own
    kind = str(record.get("kind", ""))
    fields = IDENTITY.get(kind, tuple(sorted(record)))
    identity = json.dumps(
        [kind, [record.get(name) for name in fields]], sort_keys=True, default=str
    )
    return blake2b(identity.encode(), digest_size=16).hexdigest()


def action_letter(
    record: dict[str, Any],
    *,
    key: str,
    action: str,
    attempts: int,
    reason: str,
    detail: str,
    now_ms: float,
) -> dict[str, Any]:
    """The dead letter of an action, with the whole record, so that it can be delivered later."""
    identity = f"{key}\n{action}\n{now_ms}".encode()
    return {
        "kind": "dead_letter",
        "id": blake2b(identity, digest_size=16).hexdigest(),
        "reason": reason,
        "detail": detail,
        "source": "delivery",
        "time": int(now_ms),
        "firing": record,
        "action": action,
        "attempts": attempts,
    }


def settled_mark(letter_id: str, now_ms: float) -> dict[str, Any]:
    """The line that takes a dead letter off the list: its retry has come to an end."""
    return {"kind": "settled", "id": letter_id, "time": now_ms}


def release_key(item: Mapping[str, Any]) -> str:
    """The key of what is to leave with its actions."""
    return record_key(item["record"])


def letter_key(letter: Mapping[str, Any]) -> str:
    """The key of a dead letter."""
    key: str = letter["id"]
    return key
