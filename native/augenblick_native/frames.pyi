from typing import Final

IS_END: Final[int]
IS_WARM: Final[int]
LIMITS: dict[str, int]

def packed_frame(
    data: bytes | bytearray | memoryview, start: int, stop: int
) -> tuple[int, bytes, int, int, bytes, bytes, int] | None: ...
