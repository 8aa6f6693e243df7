"""CRC-32C against the library that packs and journals use, with and without the instruction."""

import google_crc32c
import pytest
from augenblick_native._testing import checksums
from hypothesis import given
from hypothesis import strategies as st


def test_the_known_value():
    assert checksums(b"123456789", 0) == (0xE3069283, 0xE3069283)  # RFC 3720


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_it_is_the_librarys(data: bytes, before: int):
    wanted = google_crc32c.extend(before, data)
    assert checksums(data, before) == (wanted, wanted)


@pytest.mark.parametrize("size", range(70))
def test_every_length_and_beginning_counts(size: int):
    data = bytes(range(100))
    for begin in range(8):
        piece = data[begin : begin + size]
        assert checksums(memoryview(data)[begin : begin + size], 0)[0] == google_crc32c.value(piece)
