from collections.abc import Iterable
from typing import Any, final

from augenblick_native.kernel import Block

def firing_id(parts: Iterable[str]) -> str: ...

@final
class ReleaseMaker:
    def __new__(cls, program: Any) -> ReleaseMaker: ...
    def firing(self, block: Block, index: int) -> tuple[str, bytes]: ...
