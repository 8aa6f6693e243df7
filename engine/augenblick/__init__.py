"""Augenblick: a real-time user-behaviour engine.

The names below are the public ones; everything else may change without notice.
"""

from augenblick.client import Client
from augenblick.errors import AugenblickError, PlanError, PluginError

__version__ = "0.1.0"

__all__ = ["AugenblickError", "Client", "PlanError", "PluginError", "__version__"]
