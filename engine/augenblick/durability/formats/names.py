"""Names of segments and packs: EPOCH-SEQUENCE. Pure.

No name is given twice: a later owner has a later epoch, and one owner counts on.
"""

from __future__ import annotations

import re
from typing import Final

JOURNAL_FOLDER: Final = "journal"
CHECKPOINT_FOLDER: Final = "checkpoint"
TEMPORARY: Final = ".new-"  # begin of a file's name until it is whole
_NAME: Final = re.compile(r"(\d{12})-(\d{12})")


def file_name(epoch: int, sequence: int) -> str:
    """The name; names sort as the files follow each other."""
    return f"{epoch:012d}-{sequence:012d}"


def parse_file_name(name: str) -> tuple[int, int] | None:
    """(epoch, sequence) of a name; None for any other file."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None
