"""The dead letter of an action that failed."""

from hashlib import blake2b
from typing import Any


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
