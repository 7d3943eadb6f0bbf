"""Reads a condition: ``FIGURE OPERATOR LIMIT``, such as ``steps.decode.period_p50_ns > 12ms``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

OPERATORS = (">=", "<=", "==", "!=", ">", "<")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SPACE = re.compile(r"\s*", re.ASCII)
_VALUE = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"'\\,\[\]=](?:[^"'\\,\[\]=]*)))\s*""", re.DOTALL
)
_LIMIT = re.compile(r"(?P<sign>[+-]?)(?P<number>\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})\s*(?P<unit>[A-Za-z]+|%)?", re.ASCII)
_PERCENT = "%"
_TIME = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_SIZE = {"B": 1, "kB": 1_000, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_EXAMPLE = "budget.idle_share > 20%"


class Against(Enum):
    """What a limit is measured from."""

    ZERO = "zero"
    BASELINE = "baseline"
    BASELINE_SHARE = "share of the baseline"


@dataclass(frozen=True)
class Path:
    """Where a figure stands.

    Attributes:
        text: As it was written.
        names: Its names in order: section and figure, table and column, ``steps``, kind and column.
        where: Columns and the values that choose rows, empty for all rows; None where no rows are asked for.
    """

    text: str
    names: tuple[str, ...]
    where: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class Condition:
    """One condition; a report that meets it fails the gate.

    Attributes:
        text: As it was written.
        path: The figure.
        operator: One of ``OPERATORS``.
        amount: The limit in the unit of the figure, or what is added to the baseline's figure.
        against: Whether the amount is the limit, or a difference from the baseline.
        limit_text: The limit as it was written.
    """

    text: str
    path: Path
    operator: str
    amount: Fraction
    against: Against
    limit_text: str

    def limit(self, baseline: float | None = None) -> float:
        """Returns the limit as a number in the unit of the figure.

        Args:
            baseline: The figure of the baseline, where the condition is relative to it.
        """
        if self.against is Against.ZERO:
            return float(self.amount)
        base = Fraction(baseline or 0)
        return float(base + (self.amount if self.against is Against.BASELINE else abs(base) * self.amount))

    def holds(self, value: float, limit: float) -> bool:
        """Returns whether a figure meets the condition."""
        return {
            ">": value > limit,
            ">=": value >= limit,
            "<": value < limit,
            "<=": value <= limit,
            "==": value == limit,
            "!=": value != limit,
        }[self.operator]


def parse(text: str) -> Condition:
    """Returns the condition that a text holds.

    Args:
        text: ``FIGURE OPERATOR LIMIT``. A figure is ``section.figure``, ``steps.KIND.column``, also written
            ``step.KIND.column``, ``table.column``, ``table[column=value].column``, or one of ``findings`` or, of a
            comparison, ``diff``. A limit is a
            number with or without a unit; with a sign it is relative to the baseline.

    Raises:
        ValueError: The text is no condition; the message says where it goes wrong.
    """
    path, position = _path(text)
    position = _skip(text, position)
    operator = next((known for known in OPERATORS if text.startswith(known, position)), None)
    if operator is None:
        raise _wrong(text, position, f"one of {' '.join(OPERATORS)}")
    position = _skip(text, position + len(operator))
    match = _LIMIT.match(text, position)
    if match is None:
        raise _wrong(text, position, "a number")
    end = _skip(text, match.end())
    if end != len(text):
        raise _wrong(text, end, "nothing more")
    amount, against = _amount(text, path.names[-1], match)
    return Condition(text, path, operator, amount, against, match[0].strip())


def _amount(text: str, figure: str, match: re.Match[str]) -> tuple[Fraction, Against]:
    number, unit = Fraction(match["number"]), match["unit"] or ""
    signed = -number if match["sign"] == "-" else number
    if unit == _PERCENT:
        if match["sign"]:
            return signed / 100, Against.BASELINE_SHARE
        if figure.endswith("_ns") or "bytes" in figure:
            raise ValueError(f"{text!r} is no condition: {figure} is no share, so {match[0]} needs a sign: +{match[0]}")
        return signed / 100, Against.ZERO
    return signed * _scale(text, figure, unit), Against.BASELINE if match["sign"] else Against.ZERO


def _scale(text: str, figure: str, unit: str) -> int:
    if not unit:
        return 1
    if unit in _TIME:
        scale, fits, of = _TIME[unit], figure.endswith("_ns"), "a time"
    elif unit in _SIZE:
        scale, fits, of = _SIZE[unit], "bytes" in figure, "a number of bytes"
    else:
        raise ValueError(f"{text!r} is no condition: {unit!r} is no unit: ns us ms s, %, B kB MB GB")
    if not fits:
        raise ValueError(f"{text!r} is no condition: {figure} is not {of}, so its limit is not in {unit}")
    return scale


def _path(text: str) -> tuple[Path, int]:
    start = _skip(text, 0)
    name, position = _name(text, start)
    names, where = [name], None
    if text.startswith("[", position):
        where, position = _where(text, position + 1)
    while text.startswith(".", position):
        name, position = _name(text, position + 1)
        names.append(name)
    if names[0] == "step" and len(names) == 3 and where is None:
        names[0] = "steps"
    # Only a finding and a kind of step have three names; a selection belongs to a table and one of its columns.
    allowed = (2, 3, 4) if names[0] == "diff" else (2, 3) if names[0] in ("findings", "steps") else (2,)
    if len(names) not in (allowed if where is None else (2,)) or (where is not None and names[0] == "diff"):
        raise _wrong(text, position, "section.figure, steps.KIND.column, table.column or findings.ID.figure")
    return Path(text[start:position], tuple(names), where), position


def _where(text: str, position: int) -> tuple[tuple[tuple[str, str], ...], int]:
    if text.startswith("*]", position):
        return (), position + 2
    chosen = []
    while True:
        column, position = _name(text, _skip(text, position))
        position = _skip(text, position)
        if not text.startswith("=", position):
            raise _wrong(text, position, "=")
        match = _VALUE.match(text, position + 1)
        if match is None:
            raise _wrong(text, position + 1, "a value, in quotes where it holds any of , = [ ]")
        quoted = match[1] if match[1] is not None else match[2]
        chosen.append((column, match[3].strip() if quoted is None else re.sub(r"(?s)\\(.)", r"\1", quoted)))
        position = match.end() + 1
        if text.startswith("]", position - 1):
            return tuple(chosen), position
        if not text.startswith(",", position - 1):
            raise _wrong(text, position - 1, ", or ]")


def _name(text: str, position: int) -> tuple[str, int]:
    match = _NAME.match(text, position)
    if match is None:
        raise _wrong(text, position, "a name")
    return match[0], match.end()


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return position if match is None else match.end()


def _wrong(text: str, position: int, expected: str) -> ValueError:
    found = repr(text[position : position + 12]) if position < len(text) else "the end"
    return ValueError(f"{text!r} is no condition such as {_EXAMPLE!r}: expected {expected}, found {found}")
