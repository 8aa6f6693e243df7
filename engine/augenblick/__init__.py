"""Augenblick: a real-time user-behaviour engine.

The names below are the public ones; everything else may change without notice. They are imported
from their homes when first used, so that importing the package stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from augenblick.errors import (
    AugenblickError,
    AuthenticationFailed,
    EngineUnavailable,
    PlanError,
    PluginError,
    UsageError,
)

if TYPE_CHECKING:
    from augenblick.client import Client
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
    from augenblick.trigger_actors import EventBatch, Firing, TriggerActor

__version__ = "0.1.0"

__all__ = [
    "Absence",
    "AugenblickError",
    "AuthenticationFailed",
    "Client",
    "Emit",
    "EngineUnavailable",
    "EventBatch",
    "EventWhere",
    "Feature",
    "FileAction",
    "Firing",
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
    "TriggerActor",
    "UsageError",
    "WebhookAction",
    "__version__",
    "check_plan",
    "load_plan",
    "write_plan",
]

_HOMES = {
    "Client": "augenblick.client",
    "EventBatch": "augenblick.trigger_actors",
    "Firing": "augenblick.trigger_actors",
    "TriggerActor": "augenblick.trigger_actors",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, "augenblick.plan")), name)
    globals()[name] = found
    return found
