"""Bounded gzip."""

import gzip
import random

import pytest

from augenblick.errors import LimitExceeded, ProtocolError
from augenblick.ingest.dialects._inflate import inflate
from augenblick.limits import frame_bytes_max, inflate_ratio_free_bytes_max, inflate_ratio_max

TEXT = random.Random(1).randbytes(300_000)


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000])
def test_round_trip(size):
    assert inflate(gzip.compress(TEXT[:size])) == TEXT[:size]


def test_members_one_after_the_other():
    assert inflate(gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b")) == b"ab"


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:1000],
        gzip.compress(TEXT) + b"rest",
        b"\x1f\x8b",
        b"plain",
        gzip.compress(TEXT)[:-8] + b"\0" * 8,
    ],
)
def test_damage(damaged):
    with pytest.raises(ProtocolError) as caught:
        inflate(damaged)
    assert caught.value.reason == "bad_gzip"


def test_a_small_input_may_have_any_ratio():
    assert len(inflate(gzip.compress(bytes(inflate_ratio_free_bytes_max)))) == 65_536


def test_ratio():
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) * inflate_ratio_max < 10_000_000
    with pytest.raises(LimitExceeded) as caught:
        inflate(bomb)
    assert caught.value.reason == "inflate_too_large"


def test_size():
    page = TEXT[:50_000]
    big = gzip.compress(page * (frame_bytes_max // len(page) + 1))
    with pytest.raises(LimitExceeded):
        inflate(big)
