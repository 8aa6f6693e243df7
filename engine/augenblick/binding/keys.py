"""Where the state of one user lies."""

from typing import Final

from augenblick_native.keys import user_key

_KEY_GROUP_SHIFT: Final = 52  # the top 12 of 64 bits


def key_group_of(hash_key: bytes, user: str) -> int:
    """The key group of a user id, under the cluster's hash key."""
    return user_key(hash_key, user.encode("utf-8", "surrogatepass")) >> _KEY_GROUP_SHIFT
