"""``choose``: the actions of a firing whose trigger leaves them to a feature of the user."""

import json
from typing import Any

from augenblick.binding.releases import pack, unpack
from augenblick.plan.program import Choice, Program


class Choices:
    """What one program's triggers choose. Holds no state of its own."""

    def __init__(self, program: Program) -> None:
        self._choices = {choice.name: choice for choice in program.choices}
        self._hidden = {
            index: trigger.hidden
            for index, trigger in enumerate(program.triggers)
            if any(name in self._choices for name in trigger.actions)
        }

    def __contains__(self, trigger: int) -> bool:
        """Does one of the trigger's actions choose?"""
        return trigger in self._hidden

    def choose(self, trigger: int, packed: bytes) -> bytes:
        """The release with the actions that were chosen, without the values that were read for
        that alone.
        """
        release: dict[str, Any] = unpack(packed)
        values = release["record"]["values"]
        chosen = [self._action(name, values) for name in release["actions"]]
        release["actions"] = list(dict.fromkeys(name for name in chosen if name))
        for name in self._hidden[trigger]:
            del values[name]
        return pack(release)

    def _action(self, name: str, values: dict[str, Any]) -> str:
        choice = self._choices.get(name)
        return name if choice is None else pick(choice, values.get(choice.feature))


def pick(choice: Choice, value: Any) -> str:
    """The action for a value; empty: none. A whole number is written without a fraction."""
    if value is None:
        return choice.otherwise
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return choice.cases.get(text, choice.otherwise)
