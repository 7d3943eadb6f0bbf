"""Clocks of files: a straight line from one to another, exact in whole nanoseconds."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

PPM = 1_000_000


@dataclass(frozen=True)
class Clock:
    """What another clock shows when this one shows a moment.

    Attributes:
        origin: A moment of this clock.
        there: What the other clock shows then.
        rate: How much faster the other clock runs, as a fraction.
    """

    origin: int = 0
    there: int = 0
    rate: float = 0.0

    def at(self, moment: int) -> int:
        """Returns what the other clock shows."""
        since = moment - self.origin
        return self.there + since + (round(since * self.rate) if self.rate else 0)

    def all_at(self, moments: Sequence[int]) -> Sequence[int]:
        """Returns what the other clock shows, for many moments."""
        shift = self.there - self.origin
        if not self.rate:
            if not shift:
                return moments
            return array("q", [moment + shift for moment in moments])
        origin, rate = self.origin, self.rate
        return array("q", [moment + shift + round((moment - origin) * rate) for moment in moments])

    def inverse(self) -> Clock:
        """Returns the way back."""
        return Clock(self.there, self.origin, 1 / (1 + self.rate) - 1)

    def then(self, other: Clock) -> Clock:
        """Returns this way and another one after it."""
        return Clock(self.origin, other.at(self.there), (1 + self.rate) * (1 + other.rate) - 1)
