"""A stand-in for the kernel: it reads marks and makes one firing per event, no rules."""

import struct
from typing import Any

from augenblick.binding.kernel import Outputs
from augenblick.binding.releases import Release
from augenblick.core.metrics import NO_CLOCK

MARK = struct.Struct("<IIqq")
EVENT = struct.Struct("<IIqQQQ")


def stream(*items: tuple[int, str] | int) -> bytes:
    """A stream of marks (a watermark) and events (time, user)."""
    parts = []
    for item in items:
        if isinstance(item, int):
            parts.append(MARK.pack(0xFFFFFFFF, 0, item, 0))
        else:
            body = item[1].encode()
            parts.append(EVENT.pack(len(body), 0, item[0], 0, 0, 0) + body)
    return b"".join(parts)


class StubKernel:
    """Fires once per event; a user "bad..." becomes a dead letter, "custom..." a match."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.clock_ms = NO_CLOCK
        self.memory_bytes = 0
        self.events = 0
        self.seen: set[str] = set()
        self.letters_made = 0
        self.memory_bytes_max = 0

    def decide_users(self) -> bool:
        return False

    def refuse_users(self, is_full: bool) -> None:
        self.calls.append(("refuse", is_full))

    @property
    def users(self) -> int:
        return len(self.seen)

    def counters(self) -> dict[str, int]:
        return {"events": self.events}

    def advance(self, watermark_ms: int, now_ms: int) -> Outputs:
        self.calls.append(("advance", watermark_ms))
        self.clock_ms = max(self.clock_ms, watermark_ms)
        return Outputs()

    def apply(
        self, data: bytes, gateway: int, incarnation: int, cap_watermark_ms: int, now_ms: int
    ) -> Outputs:
        self.calls.append(("apply", gateway, incarnation, cap_watermark_ms))
        outputs = Outputs()
        at = 0
        data = bytes(data)
        while at < len(data):
            if data[at : at + 4] == b"\xff" * 4:
                self.clock_ms = max(
                    self.clock_ms, min(MARK.unpack_from(data, at)[2], cap_watermark_ms)
                )
                at += MARK.size
                continue
            size, _, time_ms, *_ = EVENT.unpack_from(data, at)
            user = data[at + EVENT.size : at + EVENT.size + size].decode()
            at += EVENT.size + size
            self._event(outputs, user, time_ms, now_ms)
        return outputs

    def apply_some(self, *call: Any) -> None:
        self.apply(*call[:-1])

    is_event_clock = False

    def suppressed(self) -> dict[str, dict[str, int]]:
        return {}

    def snapshot(self, key_group: int) -> bytes:
        return b"group %d" % key_group

    def restore(self, data: bytes) -> int:
        return int(data.split()[1])

    def changed_groups(self) -> bytes:
        return bytes([1]) * 4096

    def _event(self, outputs: Outputs, user: str, time_ms: int, now_ms: int) -> None:
        self.events += 1
        self.seen.add(user)
        record = {
            "kind": "firing",
            "id": f"{user}@{time_ms}",
            "trigger": "t",
            "user": user,
            "by": None,
            "time": time_ms,
            "fired_at": now_ms,
            "cause": {"event": "view", "id": None, "time": time_ms, "props": {}},
            "session": None,
            "values": {"n": 1},
            "variant": None,
        }
        if user.startswith("bad"):
            outputs.dead_letters.append({"kind": "dead_letter", "id": user, "reason": "late"})
        elif user.startswith("custom"):
            outputs.matches.setdefault("mine", []).append({**record, "trigger": "mine"})
        else:
            outputs.releases.append(Release.of(record, ["call"]))
        outputs.panes.append((0, 0, time_ms // 1000 * 1000, None, self.events, 0))
