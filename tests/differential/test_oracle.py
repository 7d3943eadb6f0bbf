"""Every section equals an independent reading of the definitions, value by value, on real and generated exports."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsys_llm_explainer import _native
from nsys_llm_explainer.demo import DemoSpec, generate
from tests.support import oracle
from tests.support.export import Export

Row = dict[str, Any]

PHASES = {
    "aten": ["aten::"],
    "attention": ["re:[Aa]tt(ention|n)"],
    "forward": ["forward"],
    "nothing": ["no such range"],
}

# The oracle of these is another one: test_oracle_explain.
EXPLAINED = {"budget", "steps", "categories", "launch_path", "memory", "communication", "checks"}

KEYS = {
    "kernels": ("kernel_name", "device_id", "gpu_id"),
    "launch_storms": ("device_id", "gpu_id", "start_ns"),
    "tiny_kernels": ("kernel_name",),
    "sync_calls": ("api_name",),
    "gpu_devices": ("device_id", "gpu_id"),
    "gpu_idle_gaps": ("device_id", "gpu_id", "start_ns"),
    "gap_sizes": ("device_id", "gpu_id", "bucket"),
    "nvtx_ranges": ("range_name",),
    "nvtx_phases": ("phase",),
    "processes": ("pid", "name"),
    "kernels_by_pid": ("pid", "kernel_name", "device_id", "gpu_id"),
    "launches_by_pid": ("pid",),
    "sync_by_pid": ("pid", "api_name"),
    "nvtx_by_pid": ("pid", "range_name"),
    "cuda_graphs": ("pid", "graph_id"),
}


def same(found: object, expected: object) -> bool:
    if isinstance(found, float) and isinstance(expected, (int, float)):
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)
    return found == expected


def assert_table(name: str, found: list[Row], expected: list[Row], total_rows: int) -> None:
    key = KEYS[name]
    assert total_rows == len(expected), name
    wanted = {tuple(row[k] for k in key): row for row in expected}
    assert len(wanted) == len(expected), f"the key of {name} is not unique"
    if total_rows == len(found):
        assert {tuple(row[k] for k in key) for row in found} == set(wanted), name
    for row in found:
        twin = wanted[tuple(row[k] for k in key)]
        wrong = {k: (row[k], twin.get(k, "absent")) for k in row if k in twin and not same(row[k], twin[k])}
        assert not wrong, f"{name} {[row[k] for k in key]}: (found, expected) {wrong}"
        assert set(twin) <= set(row), f"{name}: columns {set(twin) - set(row)} are missing"


def assert_like_oracle(path: Path, phases: dict[str, list[str]] | None = None, **options: Any) -> int:
    """Compares all sections; returns how many could be compared."""
    result = _native.open_trace(str(path)).analyze(phase_map=list(phases.items()) if phases else None, **options)
    expected = oracle.analyze(path, phases)
    assert result["trace"]["rejected_rows"] == expected["trace"]["rejected_rows"]
    assert result["trace"]["cuda_graph_mode"] == expected["trace"]["cuda_graph_mode"]
    compared = 0
    for section in result["sections"]:
        if section.status == "missing" or section.id in EXPLAINED:
            continue
        compared += 1
        wanted = expected[section.id]
        for name, value in section.summary.items():
            if name in wanted["summary"]:
                assert same(value, wanted["summary"][name]), (section.id, name, value, wanted["summary"][name])
        for name, table in section.tables.items():
            assert_table(name, table.rows(), wanted["tables"][name], table.total_rows)
    return compared


def test_real_exports(real_trace: Path) -> None:
    compared = assert_like_oracle(real_trace, PHASES)
    # Exports without any CUDA or NVTX activity have no section to compare.
    assert compared >= (
        0 if real_trace.stem in {"empty_capture", "osrt_only_invalid_utf8", "no_cuda_sched_only"} else 3
    )


@pytest.mark.parametrize("graph_mode", ["node", "graph", "none"])
@pytest.mark.parametrize("workers", [1, 3])
def test_generated_serving_runs(tmp_path: Path, graph_mode: str, workers: int) -> None:
    spec = DemoSpec(seed=workers, workers=workers, decode_steps=6, prefill_every=3, layers=2, graph_mode=graph_mode)
    path = generate(tmp_path / "demo.sqlite", spec)
    assert assert_like_oracle(path, {"decode": ["re:^execute_context_0"], "prefill": ["execute_context"]}) == 8


TIMES = st.integers(-50, 400)
PIDS = st.sampled_from([100, 200])
CORRELATIONS = st.one_of(st.none(), st.integers(0, 12))
NAMES = st.sampled_from(["gemm", "norm", "attention", "aten::mul, op_id = 3", "execute_context_0(0)_generation_4(4)"])
CALLS = st.sampled_from(
    [
        "cudaLaunchKernel_v7000",
        "cudaStreamSynchronize_v3020",
        "cudaEventQuery_v3020",
        "cuCtxSynchronize",
        "cudaGraphLaunch_v10000",
    ]
)


@st.composite
def exports(draw: st.DrawFn) -> Export:
    """Small exports with everything that real ones rarely have: overlaps, shared ids, partial nesting, ugly rows."""
    schema = draw(st.sampled_from(["3.25.0", "3.16.1"]))
    export = Export(schema=schema)
    for _ in range(draw(st.integers(0, 12))):
        start, length = draw(TIMES), draw(st.integers(-1, 60))
        columns = {"globalPid": None} if draw(st.integers(0, 9)) == 0 else {}
        export.kernel(
            draw(NAMES),
            start,
            start + length,
            device=draw(st.integers(0, 1)),
            corr=draw(CORRELATIONS),
            pid=draw(PIDS),
            graph_node=draw(st.sampled_from([None, None, 0, 7])),
            **columns,
        )
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(TIMES), draw(st.integers(0, 60))
        kind = draw(st.sampled_from(["memcpy", "memset", "graph_trace"]))
        add = {"memcpy": export.memcpy, "memset": export.memset, "graph_trace": export.graph_trace}[kind]
        add(start, start + length, device=draw(st.integers(0, 1)), corr=draw(CORRELATIONS), pid=draw(PIDS))
    for _ in range(draw(st.integers(0, 14))):
        start, length = draw(TIMES), draw(st.integers(-1, 40))
        pid = draw(PIDS)
        export.call(
            draw(CALLS), start, start + length, corr=draw(CORRELATIONS), pid=pid, tid=pid + draw(st.integers(0, 1))
        )
    for _ in range(draw(st.integers(0, 14))):
        start, length = draw(TIMES), draw(st.integers(-2, 200))
        pid = draw(PIDS)
        tid = pid + draw(st.integers(0, 1))
        export.nvtx(
            draw(NAMES),
            start,
            start + length,
            pid=pid,
            tid=tid,
            domain=draw(st.integers(0, 2)),
            event_type=draw(st.sampled_from([59, 59, 60, 34])),
            use_text_id=draw(st.booleans()),
        )
    if draw(st.booleans()):
        export.domain(1, "NCCL", pid=draw(PIDS))
    if schema == "3.25.0" and draw(st.booleans()):
        export.cuda_device(pid=100, ordinal=0, gpu=1).cuda_device(pid=200, ordinal=0, gpu=draw(st.integers(0, 1)))
    return export


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(export=exports())
def test_random_exports(tmp_path_factory: pytest.TempPathFactory, export: Export) -> None:
    path = export.write(tmp_path_factory.mktemp("random") / "trace.sqlite")
    assert_like_oracle(path, PHASES)


@pytest.mark.parametrize("threads", [1, 4])
def test_thread_count_does_not_matter(trace_file: Callable[[str], Path], threads: int) -> None:
    assert assert_like_oracle(trace_file("mfu_2gpu_before"), threads=threads) == 7
