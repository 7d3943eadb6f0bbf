"""The summary: one screen, every GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.escape.terminal import cells
from nsys_llm_explainer.render.terminal import HEIGHT, WIDTH, summary_lines
from tests.findings.scene import MS, Worker, decode
from tests.support.export import Export


def _check(lines: list[str]) -> None:
    assert len(lines) <= HEIGHT
    assert all(cells(line) <= WIDTH for line in lines)
    assert all(line.isprintable() for line in lines)


def test_every_real_trace_fits_on_a_screen(real_trace: Path) -> None:
    report = analyze(real_trace)
    lines = summary_lines(report, "out/report.md")
    _check(lines)
    assert lines[-1] == "Report: out/report.md"
    for finding in report.findings[:3]:
        assert any(finding.title[:40] in line for line in lines)


@pytest.mark.parametrize("gpus", [1, 2, 8, 9, 16, 32])
def test_every_gpu_stands_there_by_name(export_file, gpus: int) -> None:
    export = Export().gpu(0, "NVIDIA H100 80GB HBM3")
    for device in range(gpus):
        export.kernel("a", 0, 100_000 * (device + 1), device=device)
        export.kernel("b", 4_000_000, 5_000_000, device=device)
    lines = summary_lines(analyze(export_file(export)), "out/report.md")
    _check(lines)
    text = "\n".join(lines)
    for device in range(gpus):
        assert f"GPU {device}" in text
    assert text.count("idle") >= gpus


def test_hostile_names_move_nothing(hostile_report: Report) -> None:
    _check(summary_lines(hostile_report, "out/re\x1b[2Jport.md"))


def test_busy_and_idle_of_a_known_trace(trace_file) -> None:
    lines = summary_lines(analyze(trace_file("a100_2.7b_cuda_graphs_graph_mode")))
    assert any("GPU 0" in line and "99.995 %" in line for line in lines)


def test_leads_with_the_findings_then_time_and_steps(export_file) -> None:
    export = Export()
    decode(Worker(export), between=MS)
    lines = summary_lines(analyze(export_file(export)), "out/report.md")
    parts = ("[high]", "GPU 0", "20 decode")
    starts = [next(number for number, line in enumerate(lines) if line.startswith(part)) for part in parts]
    assert starts == sorted(starts)
    assert "GPU 0  compute 67.7 %, idle 32.3 % (host_code) of 59.1 ms" in lines
    assert any(line.startswith("20 decode steps: period 3.00 ms") for line in lines)


def test_a_long_path_is_not_cut(trace_file) -> None:
    where = "out/" + "d" * 150 + "/report.md"
    lines = summary_lines(analyze(trace_file("h100_2gpu_1s")), where)
    assert lines[-1].endswith(where)
    assert sum(max(1, -(-len(line) // WIDTH)) for line in lines) <= HEIGHT
