"""Augenblick: a real-time user-behaviour engine.

The names below are the public ones; everything else may change without notice. Those of the plan
are imported when first asked for, so that a client does not pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from augenblick.client import Client
from augenblick.errors import AugenblickError, PlanError, PluginError

if TYPE_CHECKING:
    from augenblick.plan import (
        Absence,
        Emit,
        EventWhere,
        Feature,
        FileAction,
        LogAction,
        Metric,
        Over,
        Plan,
        Policies,
        SessionSettings,
        TimeSettings,
        Trigger,
        WebhookAction,
        check_plan,
        load_plan,
        write_plan,
    )

__version__ = "0.1.0"

__all__ = [
    "Absence",
    "AugenblickError",
    "Client",
    "Emit",
    "EventWhere",
    "Feature",
    "FileAction",
    "LogAction",
    "Metric",
    "Over",
    "Plan",
    "PlanError",
    "PluginError",
    "Policies",
    "SessionSettings",
    "TimeSettings",
    "Trigger",
    "WebhookAction",
    "__version__",
    "check_plan",
    "load_plan",
    "write_plan",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("augenblick.plan"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
