"""The public names change on purpose only: adding one is adding it here."""

import subprocess
import sys

import pytest

import augenblick

PUBLIC = [
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
PUBLIC_COUNT_MAX = 30


def test_public_names():
    assert augenblick.__all__ == PUBLIC
    assert len(PUBLIC) <= PUBLIC_COUNT_MAX


def test_each_is_there():
    for name in PUBLIC:
        assert getattr(augenblick, name)


def test_others_are_not():
    with pytest.raises(AttributeError, match="no attribute 'Kernel'"):
        _ = augenblick.Kernel


def test_importing_the_package_imports_nothing_heavy():
    program = (
        "import sys, augenblick\n"
        "print(*{'ray', 'numpy', 'pydantic', 'uvloop', 'msgpack'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
