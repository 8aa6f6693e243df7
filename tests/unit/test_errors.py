"""Every error says whose fault it is and whether trying again helps."""

import pytest

from augenblick import errors
from augenblick.errors import AugenblickError, Blame, DeliveryFailed, PlanError, unknown_name


def tree(base: type[AugenblickError]) -> list[type[AugenblickError]]:
    return [base, *(found for child in base.__subclasses__() for found in tree(child))]


@pytest.mark.parametrize("error", tree(AugenblickError), ids=lambda error: error.__name__)
def test_blame_retryable_and_docstring(error):
    assert isinstance(error.blame, Blame)
    assert isinstance(error.retryable, bool)
    assert error.__doc__


def test_the_tree_is_the_docstring():
    ours = [error for error in tree(AugenblickError) if error.__module__ == errors.__name__]
    for error in ours:
        assert f"{error.__name__} " in f"{errors.__doc__} " or f"{error.__name__}\n" in (
            errors.__doc__ or ""
        )


def test_plan_error_names_file_and_line():
    assert str(PlanError("no such key", file="shop.yaml", line=7)) == "shop.yaml:7: no such key"
    assert str(PlanError("no such key", file="shop.yaml")) == "shop.yaml: no such key"
    assert str(PlanError("no such key")) == "no such key"


def test_delivery_failed_carries_the_channels_judgement():
    assert DeliveryFailed("503", retryable=True, retry_after_ms=500).retryable
    assert not DeliveryFailed("410", retryable=False).retryable


def test_unknown_name():
    assert unknown_name("channel", "fax", ["log", "file"]) == (
        "unknown channel 'fax'; known: file, log"
    )
    assert unknown_name("channel", "fax", []) == "unknown channel 'fax'; known: none"
