"""When Python looks for garbage in a process of the engine.

Everything that lives for as long as the process (modules, plan, Ray's own objects: some 80,000) is
taken out of the collector's sight once the process is up; a full collection over it took 10 to 30
ms, in the middle of events. What an event leaves behind has no cycles, so collections are rare.
"""

from __future__ import annotations

import gc
from typing import Final

_THRESHOLDS: Final = (5_000, 20, 50)  # young objects; collections of each age until the next age's


def settle() -> None:
    """Call once, when the process is up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
