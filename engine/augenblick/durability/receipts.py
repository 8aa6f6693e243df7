"""Receipts of erasures: signed, kept in the folder `receipts` of the shard's directory.

A receipt is JSON: `what`, `user` (the mark, see `binding.user_marks`), `cluster`, `shard`, the
instants `asked`, `files_clean`, `dead_letters_clean` and `issued` (UTC), `covered`, `not_covered`,
`public_key`, and `signature`: Ed25519 (RFC 8032) over the rest as compact JSON with sorted keys.
The key follows from the cluster secret, so that every machine of an engine signs alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from augenblick.durability.files import write_once
from augenblick.errors import CorruptionFound, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER: Final = "receipts"
COVERED: Final = (
    "the user's state: attributes, sessions, windows, features, segments, sequences, timers",
    "records and dead letters that were on their way to delivery, and deliveries that waited there",
    "journal segments and checkpoint packs with the user's bytes: removed",
    "dead letters: those of the user removed, also settled ones; of those whose user could not be"
    " read the event was left out",
)
NOT_COVERED: Final = (
    "what had left: lines that `file` and `log` actions wrote, requests to webhooks",
    "savepoints, and copies of the data directory",
    "what classes of custom triggers keep themselves",
    "values that name the user in events of other users or in metrics' groups",
    "sums and counts across users; keyed hashes of event ids, until their time is over",
    "events that came after the request: they began a new user",
)


class ReceiptSigner:
    """Signs and checks with the key of one cluster."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def public_key(self) -> str:
        """For those who check without the secret, as hexadecimal digits."""
        return self._key().public_key().public_bytes_raw().hex()

    def sign(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The content with key and signature."""
        named = {**content, "public_key": self.public_key}
        return {**named, "signature": self._key().sign(_signed(named)).hex()}

    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = blake2b(self._secret, digest_size=32, person=b"augenblick-sign").digest()
        return Ed25519PrivateKey.from_private_bytes(seed)


def check_receipt(receipt: Mapping[str, Any], public_key: str) -> None:
    """Raise CorruptionFound unless this key has signed all of it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if receipt.get("public_key") != public_key:
        raise CorruptionFound("the receipt is signed with another key than this cluster's")
    try:
        signature = bytes.fromhex(str(receipt.get("signature")))
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            signature, _signed(receipt)
        )
    except (InvalidSignature, ValueError):
        raise CorruptionFound("the receipt is not as it was signed") from None


def receipt_content(
    cluster: str, shard: str, user: str, instants_ms: Mapping[str, int]
) -> dict[str, Any]:
    """What is to be signed; `instants_ms` by name."""
    instants = {
        name: datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        for name, at_ms in instants_ms.items()
    }
    return {
        "what": "erasure of a user",
        "cluster": cluster,
        "shard": shard,
        "user": user,
        **instants,
        "covered": list(COVERED),
        "not_covered": list(NOT_COVERED),
    }


def write_receipt(directory: Path, user: str, asked_ms: int, receipt: Mapping[str, Any]) -> None:
    """Make it durable, unless it is there already; raises StorageError."""
    folder = directory / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{user}-{asked_ms}.json"
        if not path.exists():
            write_once(path, json.dumps(receipt, indent=1).encode() + b"\n")
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror or error}") from error


def read_receipts(directory: Path, user: str) -> list[dict[str, Any]]:
    """All receipts of a user, the oldest first; raises StorageError."""
    try:
        paths = sorted((directory / FOLDER).glob(f"{user}-*.json"))
        return [json.loads(path.read_bytes()) for path in paths]
    except (OSError, ValueError) as error:
        raise StorageError(f"{directory / FOLDER}: {error}") from error


def _signed(receipt: Mapping[str, Any]) -> bytes:
    content = {name: value for name, value in receipt.items() if name != "signature"}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
