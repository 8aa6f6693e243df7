"""The kernel's bounds are those of limits.py."""

from augenblick import limits
from augenblick_native.kernel import LIMITS


def test_the_kernel_has_the_bounds_that_limits_says() -> None:
    assert LIMITS
    assert {name: getattr(limits, name) for name in LIMITS} == LIMITS
