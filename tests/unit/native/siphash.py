"""SipHash-1-3 in plain Python, from the paper: what the native one is compared with."""

import struct

MASK = 2**64 - 1


def rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & MASK


def one_round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & MASK
    v2 = (v2 + v3) & MASK
    v1 = rotated(v1, 13) ^ v0
    v3 = rotated(v3, 16) ^ v2
    v0 = rotated(v0, 32)
    v2 = (v2 + v1) & MASK
    v0 = (v0 + v3) & MASK
    v1 = rotated(v1, 17) ^ v2
    v3 = rotated(v3, 21) ^ v0
    return v0, v1, rotated(v2, 32), v3


def siphash13(key: bytes, data: bytes) -> int:
    k0, k1 = struct.unpack("<QQ", key)
    state = (
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    )
    tail = len(data) % 8
    padded = data + bytes(7 - tail) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = one_round(v0, v1, v2, v3 ^ word)
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    state = (v0, v1, v2 ^ 0xFF, v3)
    for _ in range(3):
        state = one_round(*state)
    v0, v1, v2, v3 = state
    return v0 ^ v1 ^ v2 ^ v3
