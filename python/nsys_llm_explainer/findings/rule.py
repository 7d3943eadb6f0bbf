"""What a rule is, and what it hands to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from nsys_llm_explainer.report import Finding, Report

DeviceKey = tuple[object, object]
"""(device_id, gpu_id) as they stand in the tables; each of them may be None."""


class Pool(Enum):
    """The three parts that every device window divides into without rest."""

    IDLE = "idle"
    COPY = "copy"
    """Copies and memsets alone, while no kernel runs."""
    KERNEL = "kernel"


@dataclass(frozen=True)
class Claim:
    """Device time that a finding accounts for.

    Attributes:
        pool: The part of the window.
        ns: How much.
        device: Whose window; None where the trace does not tell.
    """

    pool: Pool
    ns: int
    device: DeviceKey | None = None


@dataclass(frozen=True)
class Draft:
    """A finding before the engine has settled which device time is its own."""

    finding: Finding
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class Threshold:
    """A named constant of a rule, for its page in the documentation."""

    name: str
    text: str
    meaning: str


@dataclass(frozen=True)
class Rule:
    """A rule: one file, whose docstring says what it means, why it matters and what to do.

    Attributes:
        id: The stem of its file, and the id of its findings.
        title: Its name in the documentation.
        doc: The docstring of its file.
        check: Looks at a report that has no findings yet.
        thresholds: Its named constants.
    """

    id: str
    title: str
    doc: str
    check: Callable[[Report], Iterable[Draft]]
    thresholds: tuple[Threshold, ...] = ()
