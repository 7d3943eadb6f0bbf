"""What is joined to rows is what the report's tables sum up."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze, open_trace
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.demo.spec import Causes
from tests.streams.conftest import rows_of
from tests.support.export import Export

OPS = ("kernels", "copies", "memsets", "graphs")
GAP = ["gap_before_ns", "gap_cause", "device_id", "start_ns"]


def _table(report: Report, section: str, table: str) -> list[dict]:
    found = report.sections[section]
    return found.tables[table].rows() if found.status == "ok" else []


def _sums(rows: list[dict], *keys: str, value: str) -> dict[tuple, int]:
    sums: dict[tuple, int] = defaultdict(int)
    for row in rows:
        sums[tuple(row[key] for key in keys)] += row[value]
    return dict(sums)


def _check(path: Path, window: tuple[int, int] | None = None) -> set[str]:
    """Compares streams with the report; returns what there was to compare."""
    report, trace = analyze(path, window=window), open_trace(path)
    kernel_columns = ["device_id", "duration_ns", "category", "range", "step", "pid", *GAP[:2]]
    wanted = {
        "kernels": kernel_columns,
        "graphs": ["kernels_traced", "device_id", "duration_ns", "range", "step", "pid", *GAP[:2]],
        "copies": GAP,
        "memsets": GAP,
        "gaps": None,
        "steps": None,
    }
    streams = trace.read_streams(wanted, window=window, skip_missing=True)
    rows = {}
    for name, stream in streams.items():
        texts = {c["name"]: stream.texts(c["name"]) for c in stream.columns if c["type"] == "text"}
        rows[name] = []
        for number in range(stream.batches):
            lists = stream.batch(number)
            for column, known in texts.items():
                lists[column] = [None if code is None else known[code] for code in lists[column]]
            rows[name] += [dict(zip(lists, values)) for values in zip(*lists.values())]
    compared = set()
    kernels = rows.get("kernels", [])
    work = [*kernels, *(row for row in rows.get("graphs", []) if not row["kernels_traced"])]
    if categories := _table(report, "categories", "kernel_categories"):
        found = _sums(kernels, "device_id", "category", value="duration_ns")
        assert found == _sums(categories, "device_id", "category", value="total_ns")
        compared.add("category")
    ranges = [row for row in _table(report, "nvtx", "nvtx_ranges") if row["kernels"]]
    if ranges:
        inside = [row for row in work if row.get("range") is not None]
        assert _sums(inside, "range", value="duration_ns") == _sums(ranges, "range_name", value="kernel_ns")
        compared.add("range")
    if steps := [row for row in _table(report, "steps", "steps") if row["kernels"]]:
        inside = [{**row, "one": 1} for row in work if row["step"] is not None]
        found = _sums(inside, "device_id", "pid", "step", value="one")
        assert found == _sums(steps, "device_id", "pid", "index", value="kernels")
        assert {(row["step"], row["start_ns"], row["step_kind"]) for row in rows["steps"] if row["kernels"]} == {
            (row["index"], row["start_ns"], row["kind"]) for row in steps
        }
        compared.add("step")
    if devices := _table(report, "gpu_idle", "gpu_devices"):
        ended = [row for name in OPS for row in rows.get(name, [])]
        idle = sum(row["idle_ns"] for row in devices)
        assert sum(row["gap_before_ns"] for row in ended) == sum(row["duration_ns"] for row in rows["gaps"]) == idle
        assert all((row["gap_before_ns"] > 0) == (row["gap_cause"] is not None) for row in ended)
        by_cause = _sums(rows["gaps"], "gap_cause", value="duration_ns")
        named = [row for row in ended if row["gap_cause"] is not None]
        assert _sums(named, "gap_cause", value="gap_before_ns") == by_cause
        groups = _table(report, "budget", "gap_groups")
        assert _sums(groups, "cause", value="total_ns") == by_cause
        causes = {
            (r["device_id"], r["start_ns"], r["end_ns"], r["cause"]) for r in _table(report, "budget", "gap_causes")
        }
        assert causes <= {(r["device_id"], r["start_ns"], r["end_ns"], r["gap_cause"]) for r in rows["gaps"]}
        compared.add("gap")
    return compared


def test_generated(demo_path: Path) -> None:
    assert _check(demo_path) == {"category", "range", "step", "gap"}


def test_in_a_window(demo_path: Path, demo_report: Report) -> None:
    start, end = demo_report.window["start_ns"], demo_report.window["end_ns"]
    third = (end - start) // 3
    assert _check(demo_path, (start + third, end - third)) == {"category", "range", "step", "gap"}


def test_graphs_traced_as_wholes(tmp_path: Path) -> None:
    export = Export()
    for step in range(6):
        at = 1000 * step
        export.nvtx(f"execute_context_0(0)_generation_{step}(4)", at, at + 500, pid=7)
        export.call("cudaGraphLaunch_v10000", at + 10, at + 40, corr=step + 1, pid=7)
        export.graph_trace(at + 60, at + 400, corr=step + 1, pid=7).kernel("sample", at + 450, at + 470, pid=7)
    # One execution whose kernels were traced as well.
    export.kernel("inside", 70, 90, corr=1, pid=7)
    assert _check(export.write(tmp_path / "graphs.sqlite")) == {"category", "range", "step", "gap"}


@pytest.mark.parametrize("cause", ["launch_delay_ns", "between_steps_ns", "stall_ns"])
def test_with_injected_causes(tmp_path: Path, cause: str) -> None:
    causes = Causes(**{cause: 5_000_000})
    generate(tmp_path / "t.sqlite", DemoSpec(decode_steps=10, prefill_every=5, layers=3, causes=causes))
    assert "gap" in _check(tmp_path / "t.sqlite")


def test_real(real_trace: Path) -> None:
    _check(real_trace)


def test_the_launch_is_that_of_the_call(demo) -> None:
    calls = {
        row["call_id"]: row for row in rows_of(demo, "api_calls", ["call_id", "api_name", "start_ns", "end_ns", "tid"])
    }
    columns = ["start_ns", "call_id", "api_name", "launch_start_ns", "launch_end_ns", "launch_tid", "range", "range_id"]
    kernels = rows_of(demo, "kernels", columns)
    assert {row["api_name"] for row in kernels} >= {"cudaGraphLaunch_v10000", "cudaLaunchKernel_v7000"}
    ranges = {row["range_id"]: row for row in rows_of(demo, "ranges", ["range_id", "range_name", "start_ns", "end_ns"])}
    for row in kernels:
        call = calls[row["call_id"]]
        launched = [row["api_name"], row["launch_start_ns"], row["launch_end_ns"], row["launch_tid"]]
        assert launched == [call["api_name"], call["start_ns"], call["end_ns"], call["tid"]]
        assert row["start_ns"] >= row["launch_start_ns"]
        if row["range_id"] is not None:
            around = ranges[row["range_id"]]
            assert around["range_name"] == row["range"]
            assert around["start_ns"] <= call["start_ns"] <= call["end_ns"] <= around["end_ns"]


def test_own_categories_and_steps(demo) -> None:
    names = {row["category"] for row in rows_of(demo, "kernels", ["category"], categories=[("mine", "nvjet")])}
    assert "mine" in names
    steps = rows_of(demo, "steps", step_range="gpu_model_runner: forward")
    assert steps
    assert {row["step_kind"] for row in steps} <= {"prefill", "decode", "mixed", "unknown"}


def test_ops_that_start_at_once_share_one_gap(export_file) -> None:
    export = Export().call("cudaLaunchKernel", 0, 2, corr=1).kernel("first", 5, 10, corr=1, stream=1)
    export.call("cudaLaunchKernel", 13, 15, corr=2).call("cudaLaunchKernel", 11, 12, corr=3)
    export.kernel("later call", 20, 30, corr=2, stream=1).kernel("earlier call", 20, 25, corr=3, stream=2)
    rows = rows_of(export_file(export), "kernels", ["kernel_name", "gap_before_ns", "gap_cause"])
    assert [tuple(row.values()) for row in rows] == [
        ("first", 0, None),
        ("earlier call", 10, "idle.queued"),
        ("later call", 0, None),
    ]
