"""Oracle of the explanation: every section of it that the definitions settle, in the report's own names."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from tests.support import oracle_budget, oracle_steps
from tests.support.oracle_categories import categories
from tests.support.oracle_communication import communication
from tests.support.oracle_copies import memory
from tests.support.oracle_gpu import Interval, Row
from tests.support.oracle_host import read_capture
from tests.support.oracle_launch_path import launch_path


def analyze(path: Path, steady: Optional[Interval] = None) -> dict[str, Row]:
    """Return the sections of an export; ``steps``, and what is about steps, only where an engine marks them.

    Args:
        path: The export.
        steady: The steady window, for the columns that are about it. The oracle does not look for one.
    """
    capture = read_capture(path)
    budget = oracle_budget.Budget(capture)
    sections = {
        "budget": oracle_budget.section(budget, steady),
        "categories": categories(capture),
        "launch_path": launch_path(capture),
        "memory": memory(capture),
        "communication": communication(budget),
    }
    steps = oracle_steps.section(budget)
    if steps is not None:
        sections["steps"] = steps
        sections["categories"]["tables"]["step_categories"] = oracle_steps.category_rows(budget)
        sections["launch_path"]["tables"]["step_launches"] = oracle_steps.launch_rows(budget)
    return sections
