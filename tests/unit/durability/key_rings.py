"""Key rings for tests: keys made of a number, salts made of a seed."""

import random

from augenblick.durability.formats.sealing import KEY_bytes, KeyRing, key_id


def key(number: int) -> bytes:
    return bytes([number]) * KEY_bytes


def ring(*numbers: int, seed: int = 0) -> KeyRing:
    """A ring of these keys; the last is the newest."""
    keys = {key_id(key(number)): key(number) for number in numbers}
    return KeyRing(keys, "keys.txt", random.Random(f"keys/{seed}").randbytes)
