"""Exports without columns that every known one has: what cannot be told is an error, never a null or an empty table."""

from __future__ import annotations

from pathlib import Path

import pytest

import nsys_llm_explainer
from nsys_llm_explainer import NotCapturedError
from tests.support.export import Export

KERNEL, MEMCPY, RUNTIME = (f"CUPTI_ACTIVITY_KIND_{name}" for name in ("KERNEL", "MEMCPY", "RUNTIME"))


def _export() -> Export:
    return (
        Export()
        .call("cudaLaunchKernel_v7000", 0, 5, corr=1)
        .kernel("gemm", 6, 9, corr=1)
        .memcpy(21, 23, corr=1)
        .nvtx("forward", -1, 100)
    )


@pytest.mark.parametrize("dropped", [KERNEL, MEMCPY, RUNTIME])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("kernels", "api_name"),
        ("kernels", "range"),
        ("copies", "launch_start_ns"),
        ("copies", "range_id"),
        ("gaps", "call_id"),
        ("gaps", "range"),
        ("api_calls", "gpu_ops"),
    ],
)
def test_without_ids_no_call_is_said_to_be_missing(tmp_path: Path, dropped: str, table: str, column: str) -> None:
    path = _export().drop(dropped, "correlationId").write(tmp_path / "trace.sqlite")
    trace = nsys_llm_explainer.open_trace(path)
    with pytest.raises(NotCapturedError, match=f"{dropped} has no column correlationId; capture it with --trace=cuda"):
        trace.stream(table, [column])
    left = trace.read_streams({table: ["start_ns", column]}, skip_missing=True)[table]
    assert [found["name"] for found in left.columns] == ["start_ns"]
    (told,) = (stream for stream in trace.streams() if stream["name"] == table)
    (status,) = (found["status"] for found in told["columns"] if found["name"] == column)
    assert (told["status"], status) == ("ok", "missing")


@pytest.mark.parametrize(
    ("table", "dropped", "column"),
    [
        ("kernels", KERNEL, "start"),
        ("copies", MEMCPY, "end"),
        ("api_calls", RUNTIME, "end"),
        ("ranges", "NVTX_EVENTS", "eventType"),
    ],
)
def test_a_table_without_times_is_no_empty_stream(tmp_path: Path, table: str, dropped: str, column: str) -> None:
    path = _export().drop(dropped, column).write(tmp_path / "trace.sqlite")
    trace = nsys_llm_explainer.open_trace(path)
    with pytest.raises(NotCapturedError, match=f"the stream {table}: {dropped} has no column {column}"):
        trace.stream(table)
    assert trace.read_streams({table: None}, skip_missing=True) == {}


def test_ops_of_which_one_table_has_times_have_gaps(tmp_path: Path) -> None:
    path = _export().memcpy(30, 31).drop(KERNEL, "start").write(tmp_path / "trace.sqlite")
    assert nsys_llm_explainer.open_trace(path).stream("gaps", ["start_ns", "end_ns"]).batch(0) == {
        "start_ns": [23],
        "end_ns": [30],
    }


def test_whether_it_is_of_a_graph_is_not_guessed(tmp_path: Path) -> None:
    path = _export().drop(KERNEL, "graphNodeId").write(tmp_path / "trace.sqlite")
    trace = nsys_llm_explainer.open_trace(path)
    with pytest.raises(NotCapturedError, match="graphNodeId"):
        trace.stream("kernels", ["in_graph"])
    assert trace.stream("copies", ["in_graph"]).batch(0) == {"in_graph": [False]}
