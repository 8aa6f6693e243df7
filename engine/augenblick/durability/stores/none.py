"""The store `none`: keeps nothing and answers at once.

An acknowledgement then means: applied in memory. The state of a shard that dies is lost.
"""

from __future__ import annotations

from collections.abc import Callable


class NoneStore:
    """Answers every append in the same turn."""

    def append(
        self, token: int, parts: tuple[bytes | memoryview, ...], on_appended: Callable[[int], None]
    ) -> None:
        """Keep nothing of the record; call `on_appended(token)`."""
        on_appended(token)


STORE = NoneStore
