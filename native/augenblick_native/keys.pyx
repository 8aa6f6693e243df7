# cython: language_level=3
"""The user key outside the path of events: where the state of one user lies."""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from augenblick_native.hash cimport HashKey, siphash13

__all__ = ["user_key"]


def user_key(const uint8_t[::1] hash_key not None, const uint8_t[::1] user not None):
    """The 64-bit key of a user's id; its key group is the top 12 bits.

    hash_key   16 bytes, the cluster's

    Raises ValueError for a key of another size.
    """
    cdef HashKey key
    if hash_key.shape[0] != 16:
        raise ValueError(f"a hash key of {hash_key.shape[0]} bytes, not 16")
    memcpy(&key.k0, &hash_key[0], 8)
    memcpy(&key.k1, &hash_key[8], 8)
    if user.shape[0] == 0:
        return siphash13(&key, NULL, 0)
    return siphash13(&key, &user[0], <size_t>user.shape[0])
