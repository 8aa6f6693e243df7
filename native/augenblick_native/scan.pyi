from typing import Any, final

from augenblick_native.status import STATUS_NAMES, ScanError

__all__ = ["LIMITS", "NO_TIME", "STATUS_NAMES", "Routed", "Router", "ScanError", "Source", "skip"]

NO_TIME: int
LIMITS: dict[str, int]

@final
class Source:
    max_event_ms: int
    ingest_ms: int
    max_event_clock_ms: int
    events: int
    late: int
    def __init__(self) -> None: ...

@final
class Routed:
    @property
    def events(self) -> int: ...
    @property
    def refused(self) -> list[tuple[int, int, int, int]]: ...
    @property
    def consumed(self) -> int: ...
    @property
    def last_event_ms(self) -> int: ...

@final
class Router:
    watermark_ms: int
    others_min_ms: int
    now_limit_ms: int
    clock_event: bool
    time_required: bool
    @property
    def max_event_ms(self) -> int: ...
    @property
    def lateness_ms(self) -> int: ...
    @property
    def future_ms(self) -> int: ...
    @property
    def shard_count(self) -> int: ...
    def __new__(
        cls, program: Any, hash_key: bytes, pseudonym_key: bytes | None = None
    ) -> Router: ...
    def set_table(self, shard_of_key_group: Any) -> None: ...
    def route(
        self,
        data: bytes | bytearray | memoryview,
        start: int,
        end: int,
        format: int,  # noqa: A002
        source: Source,
        ingest_ms: int,
        *,
        carrier_ms: int | None = None,
        tag: bytes | None = None,
        chunk: bytes | None = None,
        warm: bool = False,
    ) -> Routed: ...
    def mark(self, watermark_ms: int, ingest_ms: int) -> None: ...
    def pending(self, shard: int) -> int: ...
    def marked_ms(self, shard: int) -> int: ...
    def take(self, shard: int) -> tuple[bytes, int]: ...

def skip(data: bytes | bytearray | memoryview, offset: int, end: int) -> int: ...
