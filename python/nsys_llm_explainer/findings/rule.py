"""What a rule is, and what it hands to the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Optional

from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.ledger import Claim
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Finding

HEADINGS = ("What it means", "Why it matters", "What to do", "How to verify", "What would contradict it")
HIGH_SHARE = 0.25
MEDIUM_SHARE = 0.10
LOW_SHARE = 0.01


@dataclass(frozen=True)
class Grading:
    """How much of the window of the most affected device makes a finding of which severity.

    Attributes:
        high: At least this share: high. None: never.
        medium: At least this share: medium. None: never.
        low: At least this share: low; under it there is no finding.
    """

    high: Optional[float] = HIGH_SHARE
    medium: Optional[float] = MEDIUM_SHARE
    low: float = LOW_SHARE

    def severity(self, share: float) -> str | None:
        """Returns the severity of a share, None where there is no finding."""
        if self.high is not None and share >= self.high:
            return "high"
        if self.medium is not None and share >= self.medium:
            return "medium"
        return "low" if share >= self.low else None


BY_SHARE = Grading()
ALWAYS_LOW = Grading(high=None, medium=None)


@dataclass(frozen=True)
class Draft:
    """A finding before the engine has settled which device time is its own.

    Attributes:
        finding: The finding. With a grading its severity is that of the time that it is granted.
        claims: The device time that it accounts for.
        grading: How severity follows from that time; None keeps the severity of the finding.
    """

    finding: Finding
    claims: tuple[Claim, ...] = ()
    grading: Grading | None = None


@dataclass(frozen=True)
class Threshold:
    """A named constant of a rule, for its page in the documentation."""

    name: str
    text: str
    meaning: str


SHARES = (
    Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the window of the most affected device: high"),
    Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of its window: medium"),
    Threshold("LOW_SHARE", fmt.percent(LOW_SHARE), "of its window: low; under it there is no finding"),
)
"""The thresholds of ``BY_SHARE``."""


@dataclass(frozen=True)
class Rule:
    """A rule: one file, whose docstring says what it means, why it matters, what to do, and how to check it.

    Attributes:
        id: The stem of its file, and the id of its findings.
        title: Its name in the documentation.
        doc: The docstring of its file.
        check: Looks at a case: the report, and what the rules before this one have settled.
        thresholds: Its named constants.
    """

    id: str
    title: str
    doc: str
    check: Callable[[Case], Iterable[Draft]]
    thresholds: tuple[Threshold, ...] = ()

    def parts(self) -> tuple[str, dict[str, str]]:
        """Returns the first line of the docstring, and the text under each of its headings."""
        first, _, rest = self.doc.strip().partition("\n")
        pieces = re.split(r"^(\w[\w ]+):$", rest, flags=re.MULTILINE)
        return first, {heading: " ".join(text.split()) for heading, text in zip(pieces[1::2], pieces[2::2])}
