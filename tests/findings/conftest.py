"""What every test of a rule needs: the findings of a tiny export, through the real core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import Finding, analyze
from tests.support.export import Export

Find = Callable[..., list[Finding]]


@pytest.fixture
def find(export_file: Callable[[Export], Path]) -> Find:
    """``find(export, id)`` returns the findings of that id, or all of them without one."""

    def found(export: Export, finding_id: str | None = None, **options: Any) -> list[Finding]:
        report = analyze(export_file(export), **options)
        return [finding for finding in report.findings if finding_id in (None, finding.id)]

    return found


def text_of(finding: Finding) -> str:
    """Returns everything a finding says."""
    return "\n".join((finding.title, *(item.text for item in finding.evidence), *finding.recommendations))
