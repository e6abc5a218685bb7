"""Whether parameters of workloads are such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TYPES = ("unmovable", "movable", "reclaimable")


def check_number(name: str, value: Any, fits: Callable[[float], bool], expected: str) -> None:
    """Refuse what is no number, or not one of those that are *expected*.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it does not fit.
    """
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not fits(float(value)):
        raise ValueError(f"{name} must be {expected}, got {value}")


def check_shares(name: str, shares: Any) -> None:
    """Refuse what is not a share for each of `TYPES`.

    Raises
    ------
    TypeError
        If it holds something that is no number.
    ValueError
        If there are not as many, one is negative, or they do not add up to 1.
    """
    if not isinstance(shares, (tuple, list)) or len(shares) != len(TYPES):
        raise ValueError(
            f"{name} must be three numbers, one each for {', '.join(TYPES)}, got {shares!r}"
        )
    for kind, share in zip(TYPES, shares, strict=True):
        check_number(f"{name}, of {kind},", share, lambda value: value >= 0, "0 or more")
    if not abs(sum(shares) - 1) <= 1e-9:
        raise ValueError(f"{name} must be three numbers that add up to 1, got {shares}")
