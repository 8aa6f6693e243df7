"""A kernel to try things on: streams written by hand, everything that came of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import msgpack

from augenblick.binding.blocks import NEVER_ms
from augenblick.binding.kernel import Kernel, Outputs
from augenblick.plan import compile_plan, load_plan
from augenblick_native import _testing

MARK = struct.Struct("<IIqq")
EVENT = struct.Struct("<IIqQQQ")
KEY = bytes(16)
END_ms = 2**62


def kernel_of(plan_text: str, **options: Any) -> Kernel:
    return Kernel(compile_plan(load_plan(plan_text)), **options)


def key_of(user: str) -> int:
    return _testing.siphash(KEY, user.encode())


def group_of(user: str) -> int:
    return key_of(user) >> 52


def mark(watermark_ms: int, ingest_ms: int = 0) -> bytes:
    return MARK.pack(0xFFFFFFFF, 0, watermark_ms, ingest_ms)


def event(
    time_ms: int,
    user: str = "ann",
    name: str = "a",
    *,
    number: int = 0,
    fingerprint: int = 0,
    warm: bool = False,
    key: int | None = None,
    **props: Any,
) -> bytes:
    """An event as the router writes it; `key` pretends another user key."""
    body = msgpack.packb({"user": user, "event": name, "time": time_ms, "props": props})
    user_key = key_of(user) if key is None else key
    return EVENT.pack(len(body), int(warm), time_ms, user_key, number, fingerprint) + body


class Run:
    """One kernel, one gateway after the other; keeps what came out."""

    def __init__(self, plan_text: str, **options: Any) -> None:
        self.plan_text = plan_text
        self.options = options
        self.kernel = kernel_of(plan_text, **options)
        self.out: list[Outputs] = []

    def apply(
        self, *items: bytes, gateway: int = 0, incarnation: int = 1, cap_ms: int = NEVER_ms
    ) -> Outputs:
        self.out.append(self.kernel.apply(b"".join(items), gateway, incarnation, cap_ms, 0))
        return self.out[-1]

    def advance(self, watermark_ms: int) -> Outputs:
        self.out.append(self.kernel.advance(watermark_ms, 0))
        return self.out[-1]

    def move(self, key_groups: Iterable[int], plan_text: str | None = None) -> None:
        """Go on in a fresh kernel, with these key groups of the old one."""
        fresh = kernel_of(plan_text or self.plan_text, **self.options)
        for key_group in key_groups:
            assert fresh.restore(self.kernel.snapshot(key_group)) == key_group
        self.kernel = fresh

    @property
    def records(self) -> list[dict[str, Any]]:
        return [release.record for out in self.out for release in out.releases]

    @property
    def panes(self) -> list[Any]:
        return [pane for out in self.out for pane in out.panes]

    def count(self, name: str) -> int:
        return self.kernel.counters()[name]


def firings(out: Outputs) -> list[dict[str, Any]]:
    return [release.record for release in out.releases]


def values(out: Outputs) -> list[Any]:
    """What the firings carried, one map each."""
    return [record["values"] for record in firings(out)]


def reasons(out: Outputs) -> list[str]:
    return [letter["reason"] for letter in out.dead_letters]
