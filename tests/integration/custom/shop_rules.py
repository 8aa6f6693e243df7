"""A custom trigger, as an operator would write it: baskets far above what the user usually buys."""

import time

import numpy as np

from augenblick import EventBatch, Firing, TriggerActor


class OddBasket(TriggerActor):
    """Fires for carts whose value is more than `factor` times the user's average order."""

    def on_events(self, events: EventBatch) -> list[Firing]:
        """One firing per odd cart, keyed by the event's id."""
        values = np.array([props.get("value", 0.0) for props in events.props])
        is_odd = values > self.params["factor"] * events["average"]
        return [
            Firing(row=int(row), key=events.id[row], values={"value": values[row]})
            for row in np.flatnonzero(is_odd)
        ]


class Broken(TriggerActor):
    """Raises for some events and hangs for others: for the tests of isolation."""

    def on_events(self, events: EventBatch) -> list[Firing]:
        """Raise or hang as the first event says."""
        if events.props[0].get("how") == "hang":
            time.sleep(3600)
        raise ValueError("no rule for this")
