"""The minimum of the gateways' watermarks, as one shard sees them.

A gateway holds the clock from its first batch that has a source (or whose clock goes on by itself)
until it says that it has none, leaves the table, or has been away for `gateway_absent_ms_max`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from augenblick import limits

NO_CAP: Final = 2**63 - 1


@dataclass(slots=True)
class _Clock:
    """One gateway's watermark; `holds`: it takes part in the minimum; `lost_ms`: away since."""

    watermark_ms: int = -(2**63)
    holds: bool = False
    lost_ms: float | None = None


class GatewayClocks:
    """Watermarks by gateway name."""

    def __init__(self) -> None:
        self._clocks: dict[str, _Clock] = {}

    def on_table(self, gateways: Iterable[str]) -> None:
        """Only these gateways count from now on."""
        known = set(gateways)
        for name in [name for name in self._clocks if name not in known]:
            del self._clocks[name]

    def on_new(self, gateway: str) -> None:
        """A new incarnation: it begins anew."""
        self._clocks[gateway] = _Clock()

    def on_connected(self, gateway: str) -> None:
        """It is back; if it is the same incarnation it holds the clock as before."""
        if gateway in self._clocks:
            self._clocks[gateway].lost_ms = None

    def on_lost(self, gateway: str, now_ms: float) -> None:
        """Its connection broke: it may come back with events that it had already stamped."""
        if gateway in self._clocks:
            self._clocks[gateway].lost_ms = now_ms

    def on_batch(self, gateway: str, header: dict[str, Any]) -> None:
        """A batch was applied: `watermark_ms` is that of its last mark, `is_running` says whether
        the gateway has a source or a clock that goes on by itself.
        """
        clock = self._clocks.get(gateway)
        if clock is None:
            clock = self._clocks[gateway] = _Clock()
        clock.watermark_ms = max(clock.watermark_ms, header["watermark_ms"])
        clock.holds = header["is_running"]

    def on_recovered(self, now_ms: float) -> None:
        """Nobody is connected yet: each gateway that holds the clock does so for a while."""
        for clock in self._clocks.values():
            clock.lost_ms = now_ms

    def snapshot(self) -> list[Any]:
        """As plain values."""
        return [[name, one.watermark_ms, one.holds] for name, one in self._clocks.items()]

    def restore(self, plain: list[Any]) -> None:
        """Take over what `snapshot` gave."""
        self._clocks = {name: _Clock(ms, holds) for name, ms, holds in plain}

    def cap_ms(self, gateway: str) -> int:
        """The smallest watermark of all other gateways that hold the clock; NO_CAP if none does."""
        cap_ms = NO_CAP
        for name, clock in self._clocks.items():
            if clock.holds and clock.watermark_ms < cap_ms and name != gateway:
                cap_ms = clock.watermark_ms
        return cap_ms

    def low_ms(self, now_ms: float) -> int | None:
        """The smallest watermark of all gateways that hold the clock; None if none does."""
        for clock in self._clocks.values():
            if clock.lost_ms is not None and now_ms - clock.lost_ms > limits.gateway_absent_ms_max:
                clock.holds = False
        return min(
            (clock.watermark_ms for clock in self._clocks.values() if clock.holds), default=None
        )
