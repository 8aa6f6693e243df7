"""The pure half of the webhook channel: the request, its signature, and what an answer means.

Signatures follow Standard Webhooks 1.0 (https://www.standardwebhooks.com): HMAC-SHA256 under the
shared secret over `id.timestamp.body`.
"""

import base64
import binascii
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from standardwebhooks import Webhook
from yarl import URL

from augenblick.channels._secrets import Secret
from augenblick.errors import DeliveryFailed, UsageError

RETRYABLE_4XX = frozenset({408, 425, 429})
KEY_BYTES_MIN = 24  # Standard Webhooks: between 24 and 64 bytes
KEY_BYTES_MAX = 64


def make_signer(secret: Secret, action: str) -> Webhook:
    """The signer of one action; raises UsageError if the secret is not in the standard's form."""
    text = secret.reveal().removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise UsageError(
            f"action {action!r}: a webhook secret is base64 of {KEY_BYTES_MIN} to "
            f"{KEY_BYTES_MAX} bytes, with or without whsec_ before it"
        )
    return Webhook(key)


def webhook_headers(key: str, body: bytes, now: datetime, signer: Webhook | None) -> dict[str, str]:
    """The headers that an attempt adds; `webhook-id` is the same in every attempt of one record."""
    headers = {
        "Idempotency-Key": key,
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
    }
    if signer is not None:
        headers["webhook-signature"] = signer.sign(key, now, body.decode())
    return headers


def request_head(url: URL) -> bytes:
    """What is the same in every request to a target."""
    return (
        f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"
        "User-Agent: augenblick\r\nAccept: */*\r\nContent-Type: application/json\r\n"
    ).encode()


def make_request(
    head: bytes, key: str, body: bytes, now: datetime, signer: Webhook | None
) -> bytes:
    """One whole HTTP/1.1 request; raises DeliveryFailed for a key that no header can hold."""
    if not (key.isascii() and key.isprintable()):
        raise DeliveryFailed("the record's id is no text for a header", retryable=False)
    fields = webhook_headers(key, body, now, signer)
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, lines.encode(), len(body), body)


def judge_answer(status: int, retry_after: str | None, now: datetime) -> DeliveryFailed | None:
    """What an HTTP status means: None for 2xx, else why the record was not accepted.

    A redirect is not followed: a plan's address was checked, the one it points to was not.
    """
    if 200 <= status < 300:
        return None
    try:
        text = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        text = f"HTTP {status}"
    if 300 <= status < 400:
        return DeliveryFailed(f"{text}: redirects are not followed", retryable=False)
    retryable = status in RETRYABLE_4XX or not 400 <= status < 500
    pause_ms = parse_retry_after_ms(retry_after, now) if retryable else None
    return DeliveryFailed(text, retryable=retryable, retry_after_ms=pause_ms)


def parse_retry_after_ms(text: str | None, now: datetime) -> int | None:
    """Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date; None if absent or unreadable."""
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text) * 1000
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(int((instant - now).total_seconds() * 1000), 0)
