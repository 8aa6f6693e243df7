"""The plan: its model, conditions, checks and the compiler to the kernel's program.

``load_plan`` reads YAML; the classes below make the same model in Python. ``compile_plan`` gives
the kernel's program, ``check_plan`` what there is to say of it, ``write_plan`` YAML again.
"""

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
