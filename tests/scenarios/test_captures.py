"""What was captured, and how, is found too: hidden kernels, missing activity, missing annotations."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nsys_llm_explainer import analyze
from nsys_llm_explainer.demo import generate, healthy
from nsys_llm_explainer.demo import schema as layouts
from tests.scenarios.conftest import Explain


def test_whole_graphs_hide_their_kernels(explain: Explain) -> None:
    explained = explain(healthy(graph_mode="graph"))
    assert "--cuda-graph-trace=node" in " ".join(explained.finding("graph_mode_hides_kernels").recommendations)


def test_a_full_command_buffer_means_that_the_gpu_is_the_limit(explain: Explain) -> None:
    explained = explain(healthy(graph_mode="none", lookahead=100))
    assert explained.finding("gpu_bound").severity == "low"
    assert explained.report.sections["launch_path"].summary["command_buffer_full_ns"] > 0


def test_no_gpu_activity(tmp_path: Path) -> None:
    path = generate(tmp_path / "none.sqlite", healthy())
    connection = sqlite3.connect(path)
    for table in (layouts.KERNEL, layouts.MEMCPY, layouts.MEMSET):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.commit()
    connection.close()
    assert [finding.id for finding in analyze(path).findings] == ["gpu_not_captured"]


def test_unannotated_decode(explain: Explain) -> None:
    explained = explain(healthy(markers="none"))
    assert explained.finding("nvtx_coverage").at_stake_ns is None


def test_capture_time_attribution(explain: Explain) -> None:
    explained = explain(healthy(node_events=True))
    rows = explained.report.sections["launch_path"].tables["capture_attribution"].rows()
    names = {row["range_name"] for row in rows}
    assert {"model.layers.0.self_attn", "model.layers.7.mlp"} <= names
    kernels = explained.report.sections["graphs"].summary["graph_kernels"]
    assert sum(row["kernels"] for row in rows) == kernels


def test_memory_usage_is_summed(explain: Explain) -> None:
    explained = explain(healthy(memory_events=True, causes={"allocate_every": 5, "allocate_ns": 400_000}))
    for row in explained.report.sections["memory"].tables["memory_usage"].rows():
        assert row["allocations"] == 1 + 45 // 5
        assert row["allocated_bytes"] == (16 << 30) + 9 * (512 << 20)
        assert row["freed_bytes"] == 9 * (512 << 20)


def test_collectives_carry_their_bytes(explain: Explain) -> None:
    spec = healthy(nccl_payloads=True)
    explained = explain(spec)
    (row,) = explained.report.sections["communication"].tables["collective_bytes"].rows()
    calls = spec.workers * spec.prefill_steps * spec.layers * 2
    assert (row["name"], row["calls"], row["bytes"]) == ("ncclAllReduce", calls, calls * 67_108_864)
    assert row["ranks"] == spec.workers


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_waiting_is_no_transfer(explain: Explain, factor: float) -> None:
    explained = explain(healthy(causes={"straggler_rank": 1, "straggler_factor": 1.5, "communication_factor": factor}))
    waits = explained.report.sections["communication"].tables["rank_waits"].rows()
    late = max(waits, key=lambda row: row["late_spread_ns"])
    assert late["device_id"] == 1
    injected = explained.run.injected
    assert sum(row["wait_ns"] for row in waits) == pytest.approx(
        injected["straggling_rank"] + injected.get("rank_jitter", 0), rel=0.01
    )
    transfers = sum(row["transfer_ns"] for row in waits)
    assert transfers == pytest.approx(injected["exposed_communication"], rel=0.01)
