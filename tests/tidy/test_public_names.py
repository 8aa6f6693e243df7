"""The public names change on purpose only: adding one is adding it here."""

import augenblick

PUBLIC = [
    "AugenblickError",
    "Client",
    "PlanError",
    "PluginError",
    "__version__",
]
PUBLIC_COUNT_MAX = 30


def test_public_names():
    assert augenblick.__all__ == PUBLIC
    assert len(PUBLIC) <= PUBLIC_COUNT_MAX


def test_each_is_there():
    for name in PUBLIC:
        assert getattr(augenblick, name)
