"""Which rows each stream has, and what stands in them: exports written row by row, with ugly rows."""

from __future__ import annotations

import pytest

from nsys_llm_explainer import NotCapturedError, analyze, export_perfetto, open_trace
from tests.streams.conftest import rows_of
from tests.support.export import Export, global_tid

OPS = ("kernels", "copies", "memsets", "graphs")


def _times(rows: list[dict]) -> list[tuple[int, int]]:
    return [(row["start_ns"], row["end_ns"]) for row in rows]


def test_kernels(export_file) -> None:
    path = export_file(
        Export()
        .kernel("late", 30, 40, corr=3, stream=9, device=1)
        .kernel("early", 10, 20, corr=1, graph_node=5, graph_id=4)
        .kernel("point", 10, 10)
        .kernel("backwards", 50, 40)
        .kernel("nothing", 0, 0)
        .kernel("text", "soon", 60)
    )
    trace = open_trace(path)
    columns = ["kernel_name", "start_ns", "end_ns", "duration_ns", "device_id", "stream_id", "correlation_id"]
    stream = trace.stream("kernels", [*columns, "in_graph", "graph_id", "pid"])
    assert stream.rejected_rows == 3
    assert len(stream) == 3
    assert [tuple(row.values()) for row in rows_of(trace, "kernels", [*columns, "in_graph", "graph_id", "pid"])] == [
        ("point", 10, 10, 0, 0, 7, None, False, None, 100),
        ("early", 10, 20, 10, 0, 7, 1, True, 4, 100),
        ("late", 30, 40, 10, 1, 9, 3, False, None, 100),
    ]


def test_the_order_is_start_end_and_row(export_file) -> None:
    path = export_file(Export().kernel("c", 5, 9).kernel("a", 5, 9).kernel("d", 1, 2).kernel("b", 5, 7))
    assert [row["kernel_name"] for row in rows_of(path, "kernels")] == ["d", "b", "c", "a"]


def test_copies_memsets_and_graphs(export_file) -> None:
    path = export_file(
        Export(enums=True)
        .memcpy(1, 3, kind=2, size=77, src=2, dst=0)
        .memcpy(4, 5, kind=99)
        .memset(5, 6)
        .graph_trace(7, 9, graph_id=3, corr=8)
        .kernel("k", 7, 8, corr=8)
    )
    wanted = ["direction", "bytes", "src_kind", "dst_kind", "start_ns"]
    first, second = rows_of(path, "copies", wanted)
    assert first == {"direction": "DtoH", "bytes": 77, "src_kind": "device", "dst_kind": "pageable", "start_ns": 1}
    assert second["direction"] == "kind 99"
    assert _times(rows_of(path, "memsets")) == [(5, 6)]
    assert rows_of(path, "graphs", ["graph_id", "duration_ns", "kernels_traced"]) == [
        {"graph_id": 3, "duration_ns": 2, "kernels_traced": True}
    ]


def test_bytes_that_the_export_does_not_tell_are_null(export_file) -> None:
    sizes = (None, -5, "much", 0, 7, 1 << 40)
    export = Export()
    for moment, size in enumerate(sizes):
        export.memcpy(10 * moment, 10 * moment + 5, size=size)
    path = export_file(export)
    assert [row["bytes"] for row in rows_of(path, "copies", ["bytes"])] == [None, None, None, 0, 7, 1 << 40]
    (copies,) = analyze(path).sections["memory"].tables["copies"].rows()
    assert (copies["copies"], copies["bytes"]) == (6, (1 << 40) + 7)
    assert export_perfetto(path, path.with_suffix(".pftrace")).slices["copies"] == 6


def test_host_tables(export_file) -> None:
    path = export_file(
        Export()
        .process(100, "engine")
        .domain(3, "NCCL")
        .call("cudaLaunchKernel_v7000", 5, 8, corr=4, tid=102)
        .call("cuCtxSynchronize", 1, 2)
        .nvtx("aten::mul, op_id = 7", 0, 9, tid=102)
        .nvtx("ncclAllReduce", 3, 4, domain=3, endGlobalTid=global_tid(100, 7))
        .nvtx("open", 3, None)
        .osrt("poll", 2, 6, pid=100, tid=555)
    )
    calls = rows_of(path, "api_calls", ["api_name", "start_ns", "pid", "tid", "process", "correlation_id", "call_id"])
    assert [tuple(row.values()) for row in calls] == [
        ("cuCtxSynchronize", 1, 100, 100, "engine", None, 1),
        ("cudaLaunchKernel_v7000", 5, 100, 102, "engine", 4, 0),
    ]
    ranges = rows_of(path, "ranges", ["range_name", "raw_name", "domain", "start_ns", "tid", "crosses_threads"])
    assert [tuple(row.values()) for row in ranges] == [
        ("aten::mul", "aten::mul, op_id = 7", "default", 0, 102, False),
        ("ncclAllReduce", "ncclAllReduce", "NCCL", 3, 100, True),
    ]
    # A thread without CUDA calls or ranges has its calls too.
    (poll,) = rows_of(path, "os_calls", ["call_name", "start_ns", "end_ns", "duration_ns", "pid", "tid", "process"])
    assert tuple(poll.values()) == ("poll", 2, 6, 4, 100, 555, "engine")


def test_raw_names_may_be_registered_strings(export_file) -> None:
    path = export_file(Export().nvtx("step[7 decode]", 0, 5, use_text_id=True).nvtx("step[8 decode]", 6, 9))
    rows = rows_of(path, "ranges", ["range_name", "raw_name"])
    assert [row["range_name"] for row in rows] == ["step[# decode]"] * 2
    assert [row["raw_name"] for row in rows] == ["step[7 decode]", "step[8 decode]"]


def test_a_window_selects_as_analyze_does(export_file) -> None:
    export = Export().osrt("poll", 10, 12).osrt("poll", 25, 26)
    for start in (5, 10, 19, 20):
        export.kernel("k", start, start + 3, corr=start).call("cudaLaunchKernel", start - 4, start - 1, corr=start)
        export.nvtx("r", start - 3, start + 1)
    path = export_file(export)
    window = (10, 20)
    assert _times(rows_of(path, "kernels", window=window)) == [(10, 13), (19, 22)]
    assert _times(rows_of(path, "api_calls", window=window)) == [(15, 18), (16, 19)]
    assert _times(rows_of(path, "ranges", window=window)) == [(7, 11), (16, 20), (17, 21)]
    assert _times(rows_of(path, "os_calls", window=window)) == [(10, 12)]
    assert _times(rows_of(path, "kernels", window=(None, 6))) == [(5, 8)]
    launched = rows_of(path, "kernels", ["launch_start_ns"], window=window)
    assert [row["launch_start_ns"] for row in launched] == [6, 15]


def test_a_window_without_kernels_is_no_error_but_one_without_events_is(export_file) -> None:
    path = export_file(Export().kernel("k", 10, 20).call("cudaFree", 30, 40))
    assert rows_of(path, "kernels", window=(25, 35)) == []
    with pytest.raises(ValueError, match="window 50:60 ns holds no event; events span 10:40 ns"):
        rows_of(path, "kernels", window=(50, 60))
    with pytest.raises(ValueError, match="the end must be after the start"):
        rows_of(path, "kernels", window=(5, 5))


@pytest.mark.parametrize(
    ("table", "named", "flag"),
    [
        ("kernels", "CUPTI_ACTIVITY_KIND_KERNEL", "--trace=cuda"),
        ("graphs", "CUPTI_ACTIVITY_KIND_GRAPH_TRACE", "--cuda-graph-trace=graph"),
        ("ranges", "NVTX_EVENTS", "--trace=nvtx"),
        ("os_calls", "OSRT_API", "--trace=osrt"),
        ("gaps", "no table of GPU ops", "--trace=cuda"),
    ],
)
def test_what_was_not_captured_is_an_error_that_names_the_flag(export_file, table, named, flag) -> None:
    trace = open_trace(export_file(Export().call("cudaFree", 0, 1)))
    with pytest.raises(NotCapturedError, match=named) as caught:
        trace.stream(table)
    assert flag in str(caught.value)
    assert trace.read_streams({table: None}, skip_missing=True) == {}


def test_a_table_of_rejected_rows_is_empty_not_absent(export_file) -> None:
    stream = open_trace(export_file(Export().kernel("bad", 9, 3))).stream("kernels")
    assert (len(stream), stream.rejected_rows, stream.batches) == (0, 1, 0)


def test_an_empty_table_is_absent(export_file) -> None:
    path = export_file(Export().kernel("k", 1, 2).sql("DELETE FROM CUPTI_ACTIVITY_KIND_KERNEL"))
    with pytest.raises(NotCapturedError, match="absent or empty"):
        open_trace(path).stream("kernels")


def test_a_joined_column_without_its_table_is_an_error(export_file) -> None:
    trace = open_trace(export_file(Export().kernel("k", 1, 2)))
    with pytest.raises(NotCapturedError, match=r"the column range of kernels: .*RUNTIME is absent or empty"):
        trace.stream("kernels", ["range"])
    stream = trace.read_streams({"kernels": ["kernel_name", "range"]}, skip_missing=True)["kernels"]
    assert [column["name"] for column in stream.columns] == ["kernel_name"]


def test_no_steps_are_an_absence(export_file) -> None:
    trace = open_trace(export_file(Export().kernel("k", 1, 2)))
    with pytest.raises(NotCapturedError, match="no steps of an engine were found"):
        trace.stream("steps")
    assert rows_of(trace, "kernels", ["step"]) == [{"step": None}]
    assert list(trace.read_streams({"steps": None, "gaps": None}, skip_missing=True)) == ["gaps"]


def test_unknown_names_are_told_with_the_known_ones(export_file) -> None:
    trace = open_trace(export_file(Export().kernel("k", 1, 2)))
    with pytest.raises(ValueError, match='no stream is named "kernel"') as caught:
        trace.stream("kernel")
    assert "there are kernels, copies, memsets, graphs, api_calls" in str(caught.value)
    with pytest.raises(ValueError, match="the stream kernels has no column") as caught:
        trace.stream("kernels", ["name"])
    assert "kernel_name, start_ns" in str(caught.value)
    with pytest.raises(ValueError, match="asked for twice"):
        trace.stream("kernels", ["pid", "pid"])
    with pytest.raises(ValueError, match="without columns"):
        trace.stream("kernels", [])
    with pytest.raises(ValueError, match="threads: 0"):
        trace.stream("kernels", threads=0)


def test_the_process_of_an_old_export_is_its_only_caller(export_file) -> None:
    export = Export().kernel("k", 5, 9, corr=1).call("cudaLaunchKernel", 1, 2, corr=1, pid=42)
    path = export_file(export.drop("CUPTI_ACTIVITY_KIND_KERNEL", "globalPid"))
    assert rows_of(path, "kernels", ["pid"]) == [{"pid": 42}]
    assert rows_of(path, "kernels", ["pid", "api_name"]) == [{"pid": 42, "api_name": "cudaLaunchKernel"}]


def test_a_process_that_nothing_tells_is_null(export_file) -> None:
    export = Export().kernel("k", 5, 9, corr=1).call("cudaFree", 1, 2, pid=42).call("cudaFree", 1, 2, pid=43)
    path = export_file(export.drop("CUPTI_ACTIVITY_KIND_KERNEL", "globalPid"))
    assert rows_of(path, "kernels", ["pid", "call_id"]) == [{"pid": None, "call_id": None}]


def test_devices_are_those_of_the_report_where_processes_number_them_differently(export_file) -> None:
    export = Export().gpu(0, "A").gpu(1, "B").kernel("k", 5, 9, device=1, pid=100).memcpy(10, 12, device=0, pid=200)
    export.cuda_device(pid=100, ordinal=1, gpu=1).cuda_device(pid=200, ordinal=0, gpu=1)
    path = export_file(export)
    assert rows_of(path, "kernels", ["device_id", "gpu_id"]) == [{"device_id": 0, "gpu_id": 1}]


def test_times_at_the_edge(export_file) -> None:
    far = 1 << 62
    path = export_file(Export().kernel("a", 1 - far, 2 - far).kernel("b", far - 1, far).kernel("c", far, far + 1))
    assert _times(rows_of(path, "kernels")) == [(1 - far, 2 - far), (far - 1, far)]
    assert rows_of(path, "kernels", ["gap_before_ns"]) == [{"gap_before_ns": 0}, {"gap_before_ns": 2 * far - 3}]
