"""A directory's pseudonyms keep their key."""

from pathlib import Path

import pytest

from augenblick.config.secret import pseudonym_key
from augenblick.durability.pseudonym_mark import settle_mark
from augenblick.errors import CorruptionFound, UsageError


def test_another_key_than_before_is_refused(tmp_path: Path) -> None:
    for _ in range(2):
        settle_mark(tmp_path, b"k" * 32, "FILE")
    with pytest.raises(UsageError, match="FILE is not the key that .* was begun with"):
        settle_mark(tmp_path, b"l" * 32, "FILE")
    path = tmp_path / "pseudonym.json"
    assert b"k" * 8 not in path.read_bytes()
    path.write_text("{")
    with pytest.raises(CorruptionFound, match=r"pseudonym.json"):
        settle_mark(tmp_path, b"k" * 32, "FILE")


def test_a_key_is_64_digits(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    for text in ("xyz", "00" * 31, "zz" * 32):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(UsageError, match="no key of pseudonyms"):
            pseudonym_key(path)
    path.write_text("0f" * 32 + "\n")
    assert pseudonym_key(path) == b"\x0f" * 32
    path.chmod(0o644)
    with pytest.raises(UsageError, match="readable by others"):
        pseudonym_key(path)
