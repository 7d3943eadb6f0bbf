"""When a change is called one, and what it is called then."""

from __future__ import annotations

import math

SAME, UNKNOWN, INCOMPARABLE = "same", "unknown", "incomparable"
MORE, LESS, SLOWER, FASTER, NEW, GONE = "more", "less", "slower", "faster", "new", "gone"
MINOR = "minor"
"""On one side only, but so little that it may be chance."""
CALLED = frozenset({MORE, LESS, SLOWER, FASTER, NEW, GONE})


def amount(change: float, noise: float | None) -> str:
    """Returns the verdict on an amount.

    Args:
        change: AFTER minus BEFORE.
        noise: Changes up to this are none; None or infinity where nothing tells it.
    """
    if change == 0:
        return SAME
    if noise is None or math.isinf(noise):
        return UNKNOWN
    if abs(change) <= noise:
        return SAME
    return MORE if change > 0 else LESS


def speed(change: float, noise: float | None) -> str:
    """Returns the verdict on a duration, as ``amount`` does."""
    return {MORE: SLOWER, LESS: FASTER}.get(amount(change, noise), amount(change, noise))


def finite(value: float | None) -> float | None:
    """Returns a number as JSON can hold it, None for infinity."""
    return None if value is None or math.isinf(value) or math.isnan(value) else value
