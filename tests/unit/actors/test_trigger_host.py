from dataclasses import replace

import numpy as np
import pytest
from tests.unit.core.programs import actor_trigger

from augenblick.actors.trigger_host import batch_of, make_actor
from augenblick.errors import PluginError
from augenblick.trigger_actors import EventBatch, Firing, TriggerActor


class Rule(TriggerActor):
    def on_events(self, events: EventBatch) -> list[Firing]:
        return []


TRIGGER = replace(actor_trigger("t"), actor=f"{__name__}:Rule", params={"n": 3})
PACKAGE = __name__.partition(".")[0]


def test_columns_have_the_narrowest_type_that_holds_them() -> None:
    batch = batch_of(
        {
            "user": ["a", "b"],
            "time": [1, 2],
            "event": ["x", "y"],
            "id": [None, "i"],
            "props": [None, {"k": 1}],
            "values": {
                "whole": [1, 2],
                "mixed": [1, None],
                "text": ["t", None],
                "lists": [[1, 2], [3, 4]],
                "none": [None, None],
                "flags": [True, False],
            },
        }
    )
    assert batch.rows == 2
    assert batch.time.dtype == np.int64
    assert batch["whole"].dtype == np.int64
    assert batch["mixed"].dtype == np.float64
    assert np.isnan(batch["mixed"][1])
    assert batch["text"].tolist() == ["t", None]
    assert batch["lists"].tolist() == [[1, 2], [3, 4]]
    assert batch["none"].tolist() == [None, None]
    assert batch["flags"].dtype == object
    assert batch.props == [{}, {"k": 1}]


def test_the_class_comes_from_a_named_package_only() -> None:
    made = make_actor(TRIGGER, (PACKAGE,))
    assert made.params == {"n": 3}
    with pytest.raises(PluginError, match="--plugins"):
        make_actor(TRIGGER, ("other",))
    for actor, text in (
        (f"{__name__}:Nothing", "cannot import"),
        (f"{__name__}:TRIGGER", "no subclass"),
        (f"{PACKAGE}.nothing:Rule", "cannot import"),
    ):
        with pytest.raises(PluginError, match=text):
            make_actor(replace(TRIGGER, actor=actor), (PACKAGE,))
