"""Generated exports are deterministic, physically possible, and plain unless a cause is injected."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from nsys_llm_explainer.demo import Causes, DemoSpec, generate, spec_for_bytes
from tests.support import oracle

SMALL = DemoSpec(decode_steps=6, prefill_every=3, layers=4)


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def disjoint(spans: list[tuple[int, int]]) -> bool:
    ordered = sorted(spans)
    return all(left[1] <= right[0] for left, right in zip(ordered, ordered[1:]))


def test_the_seed_decides_every_row(tmp_path: Path) -> None:
    first, again = generate(tmp_path / "a.sqlite", SMALL), generate(tmp_path / "b.sqlite", SMALL)
    other = generate(tmp_path / "c.sqlite", replace(SMALL, seed=1))
    assert first.read_bytes() == again.read_bytes()
    assert dump(first) != dump(other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sqlite", "b.sqlite", "c.sqlite"]


@pytest.mark.parametrize("mode", ["node", "graph", "none"])
def test_events_are_physical(tmp_path: Path, mode: str) -> None:
    trace = oracle.read(generate(tmp_path / "t.sqlite", replace(SMALL, graph_mode=mode)))
    assert trace.rejected == {}
    streams: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for op in trace.ops:
        assert op.call is not None
        assert op.call.process == op.process
        assert op.call.start < op.call.end <= op.start < op.end
        streams[op.process].append((op.start, op.end))
    assert len(streams) == SMALL.workers
    assert all(disjoint(spans) for spans in streams.values())
    threads: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for call in trace.calls:
        threads[call.tid].append((call.start, call.end))
    assert all(disjoint(spans) for spans in threads.values())
    nested: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for found in trace.ranges:
        nested[found.tid or 0].append((found.start, -found.end))
    for spans in nested.values():
        stack: list[int] = []
        for start, minus_end in sorted(spans):
            while stack and stack[-1] <= start:
                stack.pop()
            assert not stack or -minus_end <= stack[-1]
            stack.append(-minus_end)


def test_correlation_ids_collide_and_collectives_end_together(tmp_path: Path) -> None:
    trace = oracle.read(generate(tmp_path / "t.sqlite", SMALL))
    by_process: dict[int, set[int]] = defaultdict(set)
    for call in trace.calls:
        by_process[call.process].add(call.corr or 0)
    first, second = (by_process[process] for process in sorted({op.process for op in trace.ops}))
    assert len(first & second) > 0.9 * len(first)
    ends: dict[int, list[int]] = defaultdict(list)
    for op in trace.kernels:
        if "reduce_1stage" in op.name or op.name.startswith("nccl"):
            ends[op.device_id].append(op.end)
    assert ends[0] == ends[1]


def test_the_default_run_waits_for_its_scheduler_alone(tmp_path: Path) -> None:
    path = generate(tmp_path / "t.sqlite")
    assert path.stat().st_size < 5_000_000
    sections = oracle.analyze(path, {"prefill": ["re:^execute_context_[1-9]"], "decode": ["execute_context_0"]})
    assert 0.08 <= sections["gpu_idle"]["summary"]["idle_share"] <= 0.15
    assert sections["nvtx"]["summary"]["coverage"] > 0.9
    assert sections["launches"]["summary"]["launch_storm"] is False
    assert sections["launches"]["tables"]["launch_storms"] == []
    assert sections["trace"] == {"rejected_rows": {}, "cuda_graph_mode": "node"}
    graphs = sections["graphs"]["summary"]
    assert graphs["graph_launches"] == DemoSpec().workers * DemoSpec().decode_steps
    assert [row["role"] for row in sections["processes"]["tables"]["processes"]] == ["worker", "worker", "host"]
    idle = sections["gpu_idle"]["summary"]
    assert sections["sync"]["summary"]["blocking_exposed_ns"] < 0.05 * idle["window_ns"]
    assert max(row["share"] for row in sections["kernels"]["tables"]["kernels"]) < 0.25


def test_graph_mode_hides_the_kernels(tmp_path: Path) -> None:
    nodes = oracle.analyze(generate(tmp_path / "n.sqlite", SMALL))
    whole = oracle.analyze(generate(tmp_path / "g.sqlite", replace(SMALL, graph_mode="graph")))
    assert whole["graphs"]["summary"]["cuda_graph_mode"] == "graph"
    assert whole["kernels"]["summary"]["kernels"] == nodes["graphs"]["summary"]["eager_kernels"]
    assert nodes["gpu_idle"]["summary"]["window_ns"] == whole["gpu_idle"]["summary"]["window_ns"]


def test_causes_show_where_they_should(tmp_path: Path) -> None:
    def run(name: str, causes: Causes) -> dict[str, oracle.Row]:
        return oracle.analyze(generate(tmp_path / name, replace(SMALL, causes=causes)))

    healthy = run("healthy", Causes())
    late = run("late", Causes(launch_delay_ns=4_000_000))
    assert late["gpu_idle"]["summary"]["idle_ns"] > healthy["gpu_idle"]["summary"]["idle_ns"] + 2 * 6 * 3_900_000
    synced = run("synced", Causes(extra_sync=True, extra_sync_ns=2_000_000))
    exposed = synced["sync"]["summary"]["blocking_exposed_ns"] - healthy["sync"]["summary"]["blocking_exposed_ns"]
    assert exposed > 2 * 8 * 1_900_000
    skewed = run("skewed", Causes(straggler_rank=1))
    waits = {
        row["device_id"]: row["total_ns"]
        for row in skewed["kernels"]["tables"]["kernels"]
        if "reduce_1stage" in row["kernel_name"]
    }
    assert waits[0] > 2 * waits[1]
    pageable = run("pageable", Causes(pageable_inputs=True, input_bytes=1 << 20))
    assert pageable["gpu_idle"]["summary"]["idle_ns"] > healthy["gpu_idle"]["summary"]["idle_ns"]


def test_eager_decode_of_short_kernels_is_a_storm(tmp_path: Path) -> None:
    spec = replace(SMALL, graph_mode="none", decode_scale=0.02, nvtx=False, decode_steps=40, prefill_every=0, layers=48)
    sections = oracle.analyze(generate(tmp_path / "t.sqlite", spec))
    assert sections["launches"]["tables"]["launch_storms"]
    assert sections["nvtx"]["summary"]["ranges"] == 0


def test_sizes_are_met(tmp_path: Path) -> None:
    path = generate(tmp_path / "t.sqlite", spec_for_bytes(12_000_000))
    assert path.stat().st_size == pytest.approx(12_000_000, rel=0.15)


def test_bad_specs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="graph_mode"):
        DemoSpec(graph_mode="both")
    with pytest.raises(ValueError, match="at least one"):
        DemoSpec(workers=0)
    with pytest.raises(ValueError, match="markers"):
        DemoSpec(markers="triton")
    with pytest.raises(ValueError, match="cuda_graphs"):
        DemoSpec(cuda_graphs="some")
    with pytest.raises(ValueError, match="cannot be eager"):
        DemoSpec(layers=4, causes=Causes(eager_layers=5))
    with pytest.raises(ValueError, match=r"3\.25\.0"):
        generate(tmp_path / "t.sqlite", DemoSpec(schema="3.1.2"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["3.27.0", "3.28.1"])
def test_newer_schemas(tmp_path: Path, version: str) -> None:
    trace = oracle.read(generate(tmp_path / "t.sqlite", replace(SMALL, schema=version)))
    assert trace.ops
    assert trace.ranges
