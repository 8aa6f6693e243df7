"""The pure half of the webhook channel."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from augenblick.channels._secrets import Secret
from augenblick.channels._webhook_format import (
    judge_answer,
    make_signer,
    parse_retry_after_ms,
    webhook_headers,
)
from augenblick.errors import UsageError

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_acceptance(status: int) -> None:
    assert judge_answer(status, None, NOW) is None


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (301, False),
        (304, False),
        (307, False),
        (400, False),
        (404, False),
        (410, False),
        (408, True),
        (425, True),
        (429, True),
        (500, True),
        (503, True),
        (599, True),
        (700, True),
    ],
)
def test_what_a_status_means(status: int, retryable: bool) -> None:
    failure = judge_answer(status, None, NOW)
    assert failure is not None
    assert failure.retryable is retryable
    assert str(status) in str(failure)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        (None, None),
        ("0", 0),
        (" 7 ", 7_000),
        ("999999999", 999_999_999_000),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 5000, None),
        ("٣", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30_000),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30_000),
    ],
)
def test_retry_after(text: str | None, expected_ms: int | None) -> None:
    assert parse_retry_after_ms(text, NOW) == expected_ms


def test_retry_after_counts_only_where_a_retry_makes_sense() -> None:
    refused, limited = judge_answer(404, "9", NOW), judge_answer(429, "9", NOW)
    assert refused is not None
    assert refused.retry_after_ms is None
    assert limited is not None
    assert limited.retry_after_ms == 9_000


def test_the_signature_is_what_the_standards_library_verifies() -> None:
    body = '{"kind":"firing","user":"grün"}'.encode()
    now = datetime.now(UTC)
    headers = webhook_headers("f1", body, now, make_signer(Secret(f"whsec_{KEY}"), "a"))
    assert headers["webhook-id"] == headers["Idempotency-Key"] == "f1"
    assert Webhook(KEY).verify(body, headers)["user"] == "grün"


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in webhook_headers("f1", b"{}", NOW + timedelta(0), None)


@pytest.mark.parametrize(
    "text", ["", "hunter2", "whsec_AAAA", "not base64 at all !!", "QUJD", "A" * 400]
)
def test_a_secret_in_another_form_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_signer(Secret(text), "a")
    assert not text or text not in str(caught.value)


def test_a_secret_without_padding_or_prefix_is_taken() -> None:
    assert make_signer(Secret(KEY.rstrip("=")), "a").sign("i", NOW, "b") == make_signer(
        Secret(f"whsec_{KEY}"), "a"
    ).sign("i", NOW, "b")
