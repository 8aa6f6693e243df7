"""SipHash-1-3 against plain Python, and against the interpreter's own hash of bytes."""

import os
import subprocess
import sys

import pytest
from augenblick_native._testing import hash_name, siphash
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.native.siphash import siphash13


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=300))
def test_siphash_is_the_papers(key: bytes, data: bytes):
    assert siphash(key, data) == siphash13(key, data)


@pytest.mark.parametrize("size", range(70))
def test_every_length_counts(size: int):
    key = bytes(range(16))
    assert siphash(key, bytes(size)) == siphash13(key, bytes(size))
    assert siphash(key, bytes(size)) != siphash(key, bytes(size + 1))


def test_siphash_is_the_interpreters():
    """CPython hashes bytes with SipHash-1-3, under a key of zeros for PYTHONHASHSEED=0."""
    script = "print(*[hash(bytes(range(n))) for n in range(1, 100)])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sys.hash_info.algorithm == "siphash13"
    assert [siphash(bytes(16), bytes(range(size))) for size in range(1, 100)] == [
        int(text) % 2**64 for text in done.stdout.split()
    ]


def test_siphash_needs_a_key_of_16_bytes():
    with pytest.raises(ValueError, match="16 bytes"):
        siphash(b"short", b"")


def test_names_of_a_plan_spread():
    names = [f"event_{number}".encode() for number in range(10_000)]
    assert len({hash_name(name) for name in names}) == len(names)
    assert len({hash_name(name) & 0xFFFF for name in names}) > 9_000
