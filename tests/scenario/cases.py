"""Reads the scenario files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "engine" / "augenblick" / "examples"


@dataclass(frozen=True)
class Case:
    file: str
    name: str
    plan: dict[str, Any]
    events: list[dict[str, Any]]
    expect: list[dict[str, Any]]
    emit: tuple[str, ...] = ("firing",)
    drain: bool = True
    refused: str | None = None

    @property
    def lines(self) -> list[bytes]:
        return [json.dumps(event).encode() for event in self.events]

    @property
    def plan_text(self) -> str:
        """JSON is YAML."""
        return json.dumps(self.plan, indent=1)


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`more` over `base`, one level deep."""
    joined = dict(base)
    for key, value in more.items():
        is_part = isinstance(value, dict) and isinstance(base.get(key), dict)
        joined[key] = {**base[key], **value} if is_part else value
    return joined


def event_of(entry: Any) -> dict[str, Any]:
    """An event written as [time, user, event, props, other keys], or as it stands."""
    if isinstance(entry, dict):
        return entry
    time, user, name, *rest = entry
    event: dict[str, Any] = {"user": user, "event": name, "time": time}
    if rest:
        event["props"] = rest[0]
    return event | (rest[1] if len(rest) > 1 else {})


def load_cases() -> Iterator[Case]:
    """Every case of every file beside this one."""
    yaml = YAML(typ="safe", pure=True)
    for path in sorted(HERE.glob("*.yaml")):
        document = yaml.load(path)
        defaults = {"plan": path.stem, **document.get("defaults", {})}
        if "example" in document:
            defaults = yaml.load(EXAMPLES / f"{document['example']}.yaml")
        for entry in document["cases"]:
            plan = merged(defaults, entry.get("plan", {}))
            yield Case(
                file=path.stem,
                name=entry["name"],
                plan=plan,
                events=[event_of(event) for event in entry["events"]],
                expect=entry["expect"],
                emit=tuple(entry.get("emit", ["firing"])),
                drain=entry.get("drain", True),
                refused=entry.get("refused"),
            )
