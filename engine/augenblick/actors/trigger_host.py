"""The shell of a trigger host: runs a custom class on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import numpy as np

from augenblick.actors.link_shell import LOG, LinkShell
from augenblick.config.process import ProcessSettings
from augenblick.core.actor_host import ActorHostCore
from augenblick.core.effects import CallCustom, Effect, EndProcess
from augenblick.core.routing import host_name
from augenblick.errors import PluginError
from augenblick.plan.program import Trigger
from augenblick.trigger_actors import EventBatch, Firing, TriggerActor


class TriggerHostShell(LinkShell):
    """One custom trigger's process; made inside its event loop, then `start`."""

    core: ActorHostCore

    def __init__(
        self, settings: ProcessSettings, trigger: str, plugins: tuple[str, ...], incarnation: int
    ) -> None:
        super().__init__(settings, "host", host_name(trigger), incarnation)
        self._trigger = next(one for one in settings.program.triggers if one.name == trigger)
        self._plugins = plugins
        self._incarnation = incarnation
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="custom-trigger")
        self._actor: TriggerActor | None = None

    async def start(self) -> None:
        """Listen, report for duty, and have the class made by its own thread."""
        await self.listen()
        self.core = ActorHostCore(self._trigger.name, self._incarnation, address=self.address)
        self.open()
        making = self.loop.run_in_executor(self._executor, self._make)
        making.add_done_callback(lambda done: self._report_made(done.result()))

    def carry_out_one(self, effect: Effect) -> None:
        """Call the class, or end a process that hangs; the rest is common."""
        match effect:
            case CallCustom(token, columns):
                future = self.loop.run_in_executor(self._executor, self._call, columns)
                future.add_done_callback(lambda done: self._report(token, done.result()))
            case EndProcess(reason):
                LOG.error("%s: %s", self.name, reason)
                os._exit(1)
            case _:
                super().carry_out_one(effect)

    def _report_made(self, error: str) -> None:
        if error:
            self.carry_out(self.core.on_unusable(error, self.now_ms()))

    def _make(self) -> str:
        """On the custom thread: import and make the class; the error's text or ""."""
        try:
            self._actor = make_actor(self._trigger, self._plugins)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _report(
        self, token: int, result: tuple[list[tuple[int, str, dict[str, Any]]], str]
    ) -> None:
        self.carry_out(self.core.on_called(token, *result, self.now_ms()))

    def _call(self, columns: dict[str, Any]) -> tuple[list[tuple[int, str, dict[str, Any]]], str]:
        """On the custom thread: one call; whatever it raises becomes the error's text."""
        try:
            if self._actor is None:
                self._actor = make_actor(self._trigger, self._plugins)
            batch = batch_of(columns)
            return _checked(self._actor.on_events(batch), batch.rows), ""
        except Exception as error:
            return [], f"{type(error).__name__}: {error}"


def make_actor(trigger: Trigger, plugins: tuple[str, ...]) -> TriggerActor:
    """Import and make a trigger's class; raises PluginError."""
    module_name, _, class_name = trigger.actor.partition(":")
    if module_name.partition(".")[0] not in plugins:
        raise PluginError(
            f"trigger {trigger.name!r} names {trigger.actor!r}, but the package is not among "
            f"--plugins ({', '.join(plugins) or 'none'})"
        )
    try:
        found = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"cannot import {trigger.actor!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, TriggerActor)):
        raise PluginError(f"{trigger.actor!r} is no subclass of augenblick.TriggerActor")
    return found(trigger.params)


def batch_of(columns: dict[str, Any]) -> EventBatch:
    """Columns of a message as numpy."""
    return EventBatch(
        user=_objects(columns["user"]),
        time=np.array(columns["time"], dtype=np.int64),
        event=_objects(columns["event"]),
        id=_objects(columns["id"]),
        props=[props or {} for props in columns["props"]],
        values={name: _column(values) for name, values in columns["values"].items()},
    )


def _column(values: list[Any]) -> np.ndarray[Any, Any]:
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return np.array(values, dtype=np.int64)
    if kinds <= {int, float, type(None)} and kinds != {type(None)}:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return _objects(values)


def _objects(values: list[Any]) -> np.ndarray[Any, Any]:
    column = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        column[row] = value
    return column


def _checked(firings: Iterable[Firing], rows: int) -> list[tuple[int, str, dict[str, Any]]]:
    """The firings as plain values; what is no firing of this batch raises."""
    checked = []
    for firing in firings:
        if not isinstance(firing, Firing):
            raise TypeError(f"on_events returned {firing!r}, not a Firing")
        if not 0 <= firing.row < rows:
            raise ValueError(f"row {firing.row} of a batch of {rows}")
        values = {str(name): _plain(value) for name, value in firing.values.items()}
        checked.append((int(firing.row), str(firing.key), values))
    return checked


def _plain(value: Any) -> Any:
    """numpy's scalars and arrays as plain values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value
