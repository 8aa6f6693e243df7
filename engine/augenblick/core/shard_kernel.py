"""What the shard core needs of the kernel; the binding provides it, a test may stand in."""

from __future__ import annotations

from typing import Any, Protocol

from augenblick.binding.kernel import Outputs


class ShardKernel(Protocol):
    """One shard's kernel. Calls change its state at once; times are epoch ms.

    `letters_made` numbers the dead letters, whose ids follow from it.
    """

    letters_made: int
    is_event_clock: bool

    @property
    def memory_bytes_max(self) -> int:
        """Above it new users are refused; 0: never."""

    def decide_users(self) -> bool:
        """Are new users refused in the calls that follow? To be told to a replay."""

    def refuse_users(self, is_full: bool) -> None:
        """As it was decided."""

    def apply(
        self,
        stream: bytes | memoryview,
        gateway: int,
        incarnation: int,
        cap_watermark_ms: int,
        now_ms: int,
    ) -> Outputs:
        """Apply a stream of marks and events of one gateway; no mark counts beyond the cap."""

    def advance(self, watermark_ms: int, now_ms: int) -> Outputs:
        """Move every key group's clock forward."""

    def apply_some(
        self,
        stream: bytes | memoryview,
        gateway: int,
        incarnation: int,
        cap_watermark_ms: int,
        now_ms: int,
        mask: bytes,
    ) -> None:
        """`apply` for the key groups whose byte of the mask is 1; what comes of it is dropped."""

    def snapshot(self, key_group: int) -> bytes:
        """A key group's state, for `restore`."""

    def restore(self, data: bytes) -> int:
        """Take a key group from its snapshot; returns its number."""

    def users_with(self, user_key: int) -> list[str]:
        """The ids of the users with this key."""

    def erase_user(self, user_key: int, user: str) -> bool:
        """Forget a user, with all timers; nothing comes of it."""

    def show_user(self, user_key: int, user: str) -> dict[str, Any] | None:
        """All that is held of a user, as plain values; None: there is no such user."""

    def changed_groups(self) -> bytes:
        """4,096 bytes: 1 where a key group has changed since its last snapshot."""

    def counters(self) -> dict[str, int]:
        """Events applied, late, duplicate and so on, by name, since the start; has "events"."""

    def suppressed(self) -> dict[str, dict[str, int]]:
        """Firings that policies held back, by trigger and reason, since the start."""

    @property
    def users(self) -> int:
        """Users that have state."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of state."""

    @property
    def clock_ms(self) -> int:
        """The largest watermark applied; -2**63 before the first."""
