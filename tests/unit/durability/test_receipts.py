"""Receipts of erasures: signed, and nothing but what was signed passes."""

from pathlib import Path

import pytest

from augenblick.durability.receipts import (
    ReceiptSigner,
    check_receipt,
    read_receipts,
    receipt_content,
    write_receipt,
)
from augenblick.durability.renewal import Renewal
from augenblick.errors import CorruptionFound

SIGNER = ReceiptSigner(b"secret of a cluster")
CONTENT = receipt_content("c1", "shard-0", "ab" * 16, {"asked": 1_700_000_000_000, "issued": 7})


def test_a_receipt_is_checked_by_its_key() -> None:
    receipt = SIGNER.sign(CONTENT)
    assert receipt["asked"] == "2023-11-14T22:13:20.000+00:00"
    check_receipt(receipt, SIGNER.public_key)
    assert ReceiptSigner(b"secret of a cluster").public_key == SIGNER.public_key
    with pytest.raises(CorruptionFound, match="another key"):
        check_receipt(receipt, ReceiptSigner(b"another secret").public_key)


@pytest.mark.parametrize(
    "change",
    [{"user": "cd" * 16}, {"issued": ""}, {"signature": "x"}, {"more": 1}, {"covered": []}],
)
def test_what_was_changed_is_found(change: dict[str, object]) -> None:
    with pytest.raises(CorruptionFound, match="not as it was signed"):
        check_receipt({**SIGNER.sign(CONTENT), **change}, SIGNER.public_key)


def test_the_first_one_stays(tmp_path: Path) -> None:
    first, second = SIGNER.sign(CONTENT), SIGNER.sign({**CONTENT, "issued": "later"})
    write_receipt(tmp_path, "ab" * 16, 5, first)
    write_receipt(tmp_path, "ab" * 16, 5, second)
    write_receipt(tmp_path, "ab" * 16, 6, second)
    assert read_receipts(tmp_path, "ab" * 16) == [first, second]
    assert read_receipts(tmp_path, "cd" * 16) == []


def test_files_are_renewed_each_half_of_their_age_and_quickly_for_an_erasure_that_waits() -> None:
    renewal = Renewal(100.0, 0.0)
    assert not renewal.is_due(49.0, None)
    assert renewal.is_due(50.0, None)
    renewal.begin(8000, 50.0)
    assert not renewal.is_due(200.0, 90.0)  # one is under way
    assert not renewal.may_clean(7992)
    assert renewal.may_clean(8000)
    renewal.end()
    assert not renewal.may_clean(9000)
    assert not renewal.is_due(60.0, 49.0)
    assert renewal.is_due(60.0, 50.0)
    assert not renewal.is_due(56.0, 50.0)
