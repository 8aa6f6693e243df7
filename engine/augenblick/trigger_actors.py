"""Custom triggers: subclass `TriggerActor` and name the class in a plan.

    triggers:
      odd_basket: {actor: "shop_rules:OddBasket", event: add_to_cart, values: [spend_24h],
                   params: {limit: 3}, then: care}

The class runs in a process of its own, one per trigger, beside the engine. It gets the matching
events in batches, as numpy columns, and returns firings. It may be slow, raise or hang: nothing
else waits for it. Only packages that the operator names with `--plugins` are imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EventBatch", "Firing", "TriggerActor"]


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing for the event in `row` of the batch.

    `key` tells firings of one user apart: with the trigger's name and version and the user it makes
    the firing's id, and equal ids are one firing. Use what the firing is about (an order number),
    or the event's id or time; an empty key fires once per user. `values` leave with the firing.
    """

    row: int
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Matching events, one per row, oldest first; all columns have `rows` entries.

    user    object[str]: the user's id
    time    int64: the event's time, epoch ms
    event   object[str]: the event's name
    id      object[str | None]: the event's id
    props   list of the events' properties
    values  the plan's `values`, one column per name: int64 if all are whole numbers, float64 with
            NaN for missing if all are numbers or missing, else object with None for missing
    """

    user: NDArray[np.object_]
    time: NDArray[np.int64]
    event: NDArray[np.object_]
    id: NDArray[np.object_]
    props: list[Mapping[str, Any]]
    values: Mapping[str, NDArray[Any]]

    @property
    def rows(self) -> int:
        """How many events."""
        return len(self.time)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column of a named value."""
        return self.values[name]


class TriggerActor(ABC):
    """One custom trigger. Made once per process start with the trigger's `params`; its methods run
    on one thread, one call at a time. State lives as long as the process.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params

    @abstractmethod
    def on_events(self, events: EventBatch) -> Iterable[Firing]:
        """Look at a batch and return what fires.

        An exception loses the batch's firings and is counted and shown by `status`; a call that
        takes more than 10 s has the process ended and started anew. A batch may come again after
        the process has died: equal keys make equal firing ids.
        """
