"""Batch shapes: which steps of the one side have partners of the same shape on the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

Row = Mapping[str, Any]
Shape = tuple[Optional[int], ...]
EXACT, BINNED, UNKNOWN = "exact", "binned", "unknown"
ENOUGH = 0.8
"""Shapes are matched as they are where that keeps this part of the steps of both sides, else by bins."""
_COLUMNS = ("context_requests", "context_tokens", "generation_requests")


@dataclass(frozen=True)
class Match:
    """Which shapes both sides have.

    Attributes:
        how: ``"exact"``, ``"binned"`` by powers of two, or ``"unknown"`` where no marker tells shapes.
        before: Steps of BEFORE by shape.
        after: Steps of AFTER by shape.
    """

    how: str
    before: Mapping[Shape, int]
    after: Mapping[Shape, int]

    @property
    def common(self) -> frozenset[Shape]:
        """The shapes of both sides."""
        return frozenset(self.before) & frozenset(self.after)

    @property
    def kept(self) -> tuple[float, float]:
        """The part of the steps of each side that has a partner."""
        common = self.common
        first, second = (
            sum(count for shape, count in side.items() if shape in common) / max(1, sum(side.values()))
            for side in (self.before, self.after)
        )
        return first, second

    def shape(self, row: Row) -> Shape:
        """Returns the shape of a step as it is matched."""
        return _SHAPES[self.how](row)

    def weight(self, shape: Shape) -> float:
        """Returns what a step of AFTER counts, so that its shapes are as frequent as in BEFORE."""
        return self.before[shape] / self.after[shape]


def match(before: Sequence[Row], after: Sequence[Row]) -> Match:
    """Returns how the steps of one kind match.

    Args:
        before: Steps of BEFORE.
        after: Steps of AFTER.
    """
    if not any(row[column] is not None for row in (*before, *after) for column in _COLUMNS):
        return _by(UNKNOWN, before, after)
    exact = _by(EXACT, before, after)
    return exact if min(exact.kept) >= ENOUGH else _by(BINNED, before, after)


def text(shape: Shape, how: str) -> str:
    """Returns a shape for people."""
    if how == UNKNOWN:
        return "all steps (batch shapes unknown)"
    show = _bin_text if how == BINNED else _plain
    requests, tokens, generating = shape
    parts = []
    if requests or tokens:
        parts.append(f"context {show(requests)} requests, {show(tokens)} tokens")
    if generating or not parts:
        parts.append(f"generating {show(generating)} requests")
    return "; ".join(parts)


def bin_of(value: int | None) -> int | None:
    """Returns the bin of a number: 0, 1, 2, then up to 4, 8, 16 and so on, named by its upper end."""
    return value if value is None or value <= 1 else 1 << (value - 1).bit_length()


def _by(how: str, before: Sequence[Row], after: Sequence[Row]) -> Match:
    shape = _SHAPES[how]
    return Match(how, Counter(map(shape, before)), Counter(map(shape, after)))


def _exact(row: Row) -> Shape:
    return tuple(row[column] for column in _COLUMNS)


def _binned(row: Row) -> Shape:
    return tuple(bin_of(row[column]) for column in _COLUMNS)


def _unknown(_: Row) -> Shape:
    return ()


_SHAPES: Mapping[str, Callable[[Row], Shape]] = {EXACT: _exact, BINNED: _binned, UNKNOWN: _unknown}


def _plain(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _bin_text(value: int | None) -> str:
    return _plain(value) if value is None or value <= 2 else f"{value // 2 + 1:,}-{value:,}"
