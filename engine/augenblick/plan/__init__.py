"""The plan: its model, conditions, checks and the compiler to the kernel's program.

``load_plan`` reads YAML; the classes below make the same model in Python. ``compile_plan`` gives
the kernel's program, ``check_plan`` what there is to say of it, ``write_plan`` YAML again.

They are imported from their homes when first used: the engine's processes need the program only,
and start without the model and what it is made with.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augenblick.plan.compiler import compile_plan
    from augenblick.plan.load import load_plan
    from augenblick.plan.model.actions import FileAction, LogAction, WebhookAction
    from augenblick.plan.model.events import EventWhere
    from augenblick.plan.model.features import Feature, Metric, Over
    from augenblick.plan.model.occasions import Absence
    from augenblick.plan.model.plan import Plan
    from augenblick.plan.model.settings import Emit, Policies, SessionSettings, TimeSettings
    from augenblick.plan.model.trigger import Trigger
    from augenblick.plan.report import Report, check_plan
    from augenblick.plan.writing import write_plan

__all__ = [
    "Absence",
    "Emit",
    "EventWhere",
    "Feature",
    "FileAction",
    "LogAction",
    "Metric",
    "Over",
    "Plan",
    "Policies",
    "Report",
    "SessionSettings",
    "TimeSettings",
    "Trigger",
    "WebhookAction",
    "check_plan",
    "compile_plan",
    "load_plan",
    "write_plan",
]

_HOMES = {
    "Absence": "augenblick.plan.model.occasions",
    "Emit": "augenblick.plan.model.settings",
    "EventWhere": "augenblick.plan.model.events",
    "Feature": "augenblick.plan.model.features",
    "FileAction": "augenblick.plan.model.actions",
    "LogAction": "augenblick.plan.model.actions",
    "Metric": "augenblick.plan.model.features",
    "Over": "augenblick.plan.model.features",
    "Plan": "augenblick.plan.model.plan",
    "Policies": "augenblick.plan.model.settings",
    "Report": "augenblick.plan.report",
    "SessionSettings": "augenblick.plan.model.settings",
    "TimeSettings": "augenblick.plan.model.settings",
    "Trigger": "augenblick.plan.model.trigger",
    "WebhookAction": "augenblick.plan.model.actions",
    "check_plan": "augenblick.plan.report",
    "compile_plan": "augenblick.plan.compiler",
    "load_plan": "augenblick.plan.load",
    "write_plan": "augenblick.plan.writing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
