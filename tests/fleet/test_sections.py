"""Other analyses over several traces add their section to the fleet's outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from nsys_llm_explainer.fleet.columns import Column
from nsys_llm_explainer.fleet.result import ExtraSection, TraceResult
from nsys_llm_explainer.fleet.work.batch import Means, checked_options, run_batch
from nsys_llm_explainer.sections import Kind
from tests.fleet.conftest import COMMAND


def _kernels(traces: Sequence[TraceResult]) -> list[ExtraSection]:
    """Reads the report of each trace that was explained."""
    columns = (
        Column("trace", "text", "The trace.", "trace", Kind.LABEL),
        Column("kernels", "int", "Its kernels.", "kernels", Kind.COUNT),
    )
    rows = []
    for trace in traces:
        if trace.error is None:
            report = json.loads((trace.folder / "report.json").read_text())
            rows.append({"trace": trace.name, "kernels": report["sections"]["categories"]["summary"]["kernels"]})
    return [ExtraSection("kernels", "Kernels of each trace", columns, tuple(rows), ("counted, not timed",))]


def test_a_section_of_another_analysis_is_in_every_output(some: Path, tmp_path: Path) -> None:
    (some / "broken.sqlite").write_text("x")
    fleet = run_batch([some], tmp_path / "out", checked_options(), Means(), [_kernels])
    (section,) = fleet.sections
    assert [row["trace"] for row in section.rows] == ["run0", "run1", "run2"]
    found = json.loads((tmp_path / "out" / "fleet.json").read_text())["sections"]["kernels"]
    assert found["rows"] == [dict(row) for row in section.rows]
    markdown = (tmp_path / "out" / "fleet.md").read_text()
    assert "## Kernels of each trace\n\ncounted, not timed\n\n| trace | kernels |" in markdown
    assert 'id="table-kernels"' in (tmp_path / "out" / "fleet.html").read_text()


def test_workers_do_not_outlive_a_parent_that_is_killed(traces: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "batch", str(traces), "--out", "out", "--jobs", "2"], cwd=tmp_path, env=os.environ.copy()
    )
    workers: list[psutil.Process] = []
    while len(workers) < 2:
        assert process.poll() is None
        workers = psutil.Process(process.pid).children()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
