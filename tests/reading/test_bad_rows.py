"""Rows that are no events are counted and left out; the rest is used to the nanosecond."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer._native import QueryError
from tests.reading.reader import KERNEL, NVTX, RUNTIME, Reading, assert_sound, launches, read, refused
from tests.support.export import Export, RawText, Value, global_pid, global_tid

MEMCPY, MEMSET = "CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_MEMSET"
GRAPH_TRACE = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
EPOCH = 1_763_820_000_123_456_789
NO_INTEGERS: list[Value] = ["12", "", b"\x0c", 12.0, 12.5, RawText(b"\xff"), None]


def written(folder: Path, export: Export) -> Reading:
    """Writes an export and reads it."""
    return read(export.write(folder / "trace.sqlite"))


def only_device(reading: Reading) -> dict[str, object]:
    """Returns the one row of gpu_devices, in short."""
    (device,) = reading.rows("gpu_idle", "gpu_devices")
    names = ("window_start_ns", "window_end_ns", "window_ns", "busy_ns", "idle_ns")
    return {name: device[name] for name in names}


@pytest.mark.parametrize("value", NO_INTEGERS)
@pytest.mark.parametrize("column", ["start", "end", "deviceId"])
def test_kernels_with_something_else_where_an_integer_belongs(tmp_path: Path, column: str, value: Value) -> None:
    export = launches().retype(KERNEL, column, "")
    cells = {"start": 200_000, "end": 200_400, "deviceId": 0, column: value}
    export.kernel("bad", cells["start"], cells["end"], corr=1, device=cells["deviceId"])
    reading = written(tmp_path, export)
    assert reading.kernels() == {"kernel0": 17, "kernel1": 17, "kernel2": 16}
    assert reading.rejected == {KERNEL: 1}
    assert reading.counts[KERNEL] == 51
    assert f"1 of 51 rows of {KERNEL}" in reading.message("rejected_rows")
    assert reading.summary("nvtx")["correlated_kernels"] == 50


@pytest.mark.parametrize("value", NO_INTEGERS)
@pytest.mark.parametrize("column", ["start", "end"])
@pytest.mark.parametrize("table", [MEMCPY, MEMSET, GRAPH_TRACE, RUNTIME])
def test_other_events_with_something_else_where_a_time_belongs(
    tmp_path: Path, table: str, column: str, value: Value
) -> None:
    export = launches().retype(table, column, "")
    start, end = (value, 200_400) if column == "start" else (200_000, value)
    if table == MEMCPY:
        export.memcpy(start, end)
    elif table == MEMSET:
        export.memset(start, end)
    elif table == GRAPH_TRACE:
        export.graph_trace(start, end)
    else:
        export.call("cudaDeviceSynchronize_v3020", start, end)
    reading = written(tmp_path, export)
    assert reading.rejected == {table: 1}
    assert reading.codes == {"rejected_rows"}
    assert only_device(reading)["busy_ns"] == 20_000
    assert reading.summary("nvtx")["coverage"] == 1.0
    assert reading.rows("sync", "sync_calls") == []


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_ranges_with_something_else_where_an_integer_belongs(tmp_path: Path, value: Value) -> None:
    export = launches().retype(NVTX, "start", "").retype(NVTX, "end", "").retype(NVTX, "eventType", "")
    export.nvtx("bad start", value, 9).nvtx("bad end", 1, value).nvtx("bad type", 1, 9, event_type=value)
    reading = written(tmp_path, export)
    is_open = value is None
    assert reading.rejected == {NVTX: 2 if is_open else 3}
    assert reading.summary("nvtx")["open_ranges"] == int(is_open)
    assert [row["range_name"] for row in reading.rows("nvtx", "nvtx_ranges")] == ["step"]


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_something_else_in_columns_that_only_join(tmp_path: Path, value: Value) -> None:
    export = Export().process(100, "worker").nvtx("step", 0, 1_000)
    for column in ("correlationId", "globalPid", "demangledName", "graphNodeId", "graphId"):
        export.retype(KERNEL, column, "")
    export.call("cudaLaunchKernel_v7000", 10, 20, corr=12)
    export.kernel("good", 100, 200, corr=12)
    export.kernel("lost", 300, 400, correlationId=value)
    export.kernel("named", 500, 600, corr=12, demangledName=value, graphNodeId=value, graphId=value)
    export.kernel("placed", 700, 800, corr=12, globalPid=value)
    reading = written(tmp_path, export)
    assert reading.kernels() == {"good": 1, "lost": 1, "named": 1, "placed": 1}
    assert reading.rejected == {}
    assert reading.summary("nvtx")["correlated_kernels"] == 3
    assert {row["pid"]: row["kernels"] for row in reading.rows("processes", "processes")} == {100: 4}


@pytest.mark.parametrize("start", [-5_000, 0, 7])
def test_negative_times(tmp_path: Path, start: int) -> None:
    export = Export().call("cudaLaunchKernel_v7000", start - 90, start - 80, corr=1).nvtx("early", start - 100, start)
    export.kernel("k", start + 1, start + 11, corr=1).kernel("k", start + 21, start + 31)
    reading = written(tmp_path, export)
    assert only_device(reading) == {
        "window_start_ns": start + 1,
        "window_end_ns": start + 31,
        "window_ns": 30,
        "busy_ns": 20,
        "idle_ns": 10,
    }
    assert reading.summary("nvtx")["attributed_kernels"] == 1
    assert reading.info["span_ns"] == (start - 100, start + 31)
    assert reading.rejected == {}


def test_ends_before_starts(tmp_path: Path) -> None:
    export = launches()
    export.kernel("bad", 20, 10, corr=1).memcpy(20, 10).memset(20, 10).graph_trace(20, 10)
    export.call("cudaLaunchKernel_v7000", 20, 10, corr=1).nvtx("bad", 20, 10)
    reading = written(tmp_path, export)
    assert reading.rejected == dict.fromkeys((KERNEL, MEMCPY, MEMSET, GRAPH_TRACE, RUNTIME, NVTX), 1)
    assert reading.summary("kernels") == {"kernels": 50, "total_ns": 20_000}
    assert reading.summary("nvtx")["coverage"] == 1.0
    assert only_device(reading)["busy_ns"] == 20_000


def test_no_length_and_no_times(tmp_path: Path) -> None:
    """An op of no length is one; an op whose times are both 0 was not measured. A range of no length covers nothing."""
    export = Export().kernel("k", 10, 10).kernel("k", 20, 30).kernel("unmeasured", 0, 0).graph_trace(0, 0)
    reading = written(tmp_path, export.nvtx("nothing", 5, 5).nvtx("something", 5, 6))
    assert reading.kernels() == {"k": 2}
    assert reading.rejected == {KERNEL: 1, GRAPH_TRACE: 1}
    assert only_device(reading)["busy_ns"] == 10
    assert reading.summary("nvtx")["ranges"] == 1


def test_normalised_times_are_exact(tmp_path: Path) -> None:
    export = Export().nvtx("step", EPOCH, EPOCH + 10_000)
    for number in range(100):
        export.call("cudaLaunchKernel_v7000", EPOCH + number * 10, EPOCH + number * 10 + 1, corr=number + 1)
        export.kernel("k", EPOCH + 5_001 + number * 10, EPOCH + 5_008 + number * 10, corr=number + 1)
    reading = written(tmp_path, export)
    assert only_device(reading) == {
        "window_start_ns": EPOCH + 5_001,
        "window_end_ns": EPOCH + 5_998,
        "window_ns": 997,
        "busy_ns": 700,
        "idle_ns": 297,
    }
    (kernel,) = reading.rows("kernels", "kernels")
    assert (kernel["min_ns"], kernel["p50_ns"], kernel["max_ns"], kernel["total_ns"]) == (7, 7.0, 7, 700)
    (span,) = reading.rows("nvtx", "nvtx_ranges")
    assert (span["total_ns"], span["kernels"], span["projected_ns"]) == (10_000, 100, 997)
    assert {row["gap_ns"] for row in reading.rows("gpu_idle", "gpu_idle_gaps")} == {3}
    assert reading.window == {"start_ns": EPOCH + 5_001, "end_ns": EPOCH + 5_998, "source": "trace"}


@pytest.mark.parametrize("last", [2**62, 2**62 - 1])
def test_the_largest_times(tmp_path: Path, last: int) -> None:
    first = 1 - 2**62
    reading = written(tmp_path, Export().kernel("k", first, last, corr=1).call("cudaLaunchKernel_v7000", first, last))
    assert only_device(reading) == {
        "window_start_ns": first,
        "window_end_ns": last,
        "window_ns": last - first,
        "busy_ns": last - first,
        "idle_ns": 0,
    }
    assert reading.summary("kernels")["total_ns"] == last - first


def test_sums_stop_at_the_end_of_64_bits(tmp_path: Path) -> None:
    reading = written(tmp_path, Export().kernel("a", 1, 2**62).kernel("a", 1, 2**62).kernel("b", 1, 2**62))
    assert reading.summary("kernels") == {"kernels": 3, "total_ns": 2**63 - 1}
    assert only_device(reading)["busy_ns"] == 2**62 - 1


@pytest.mark.parametrize("time", [2**62 + 1, 2**63 - 1, -(2**62), -(2**63)])
def test_times_beyond_are_no_times(tmp_path: Path, time: int) -> None:
    start, end = (time, 5) if time < 0 else (5, time)
    export = (
        launches().kernel("bad", start, end).call("cudaDeviceSynchronize_v3020", start, end).nvtx("bad", start, end)
    )
    reading = written(tmp_path, export.memcpy(time, time))
    assert reading.rejected == {KERNEL: 1, RUNTIME: 1, NVTX: 1, MEMCPY: 1}
    assert reading.summary("kernels") == {"kernels": 50, "total_ns": 20_000}
    assert only_device(reading)["idle_ns"] == 600 * 49


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    export = Export().process(100, RawText(b"w\xfforker")).nvtx("t", 0, 10, text=RawText(b"st\xc3(ep"))
    export.string_row(500, RawText(b"ker\xff\xfenel")).kernel("k", 10, 20, demangledName=500).gpu(
        0, RawText(b"GPU\x80")
    )
    export.string_row(600, RawText(b"cudaDevice\xf0\x28Synchronize")).diagnostic("x", severity=3)
    reading = written(tmp_path, export.call("c", 1, 2, nameId=600))
    assert set(reading.kernels()) == {"ker\ufffd\ufffdnel"}
    assert [row["range_name"] for row in reading.rows("nvtx", "nvtx_ranges")] == ["st\ufffd(ep"]
    assert [row["name"] for row in reading.rows("processes", "processes")] == ["w\ufffdorker"]
    assert [gpu["name"] for gpu in reading.info["gpus"]] == ["GPU\ufffd"]


def test_names_that_are_missing_or_no_text(tmp_path: Path) -> None:
    export = Export().retype("StringIds", "value", "")
    export.string_row(60, b"blob").string_row(61, 42).string_row(62, "")
    for number in (60, 61, 62, 99, -7, 2**63 - 1):
        export.kernel("k", 10, 20, demangledName=number)
    export.kernel("k", 10, 20, demangledName=None, shortName=62).kernel("k", 10, 20, demangledName=None, shortName=None)
    export.nvtx(None, 0, 9, textId=99).nvtx(None, 0, 9).nvtx(None, 0, 9, textId=60)
    reading = written(tmp_path, export)
    assert reading.kernels() == {
        "<id 60>": 1,
        "<id 61>": 1,
        "": 2,
        "<id 99>": 1,
        "<id -7>": 1,
        f"<id {2**63 - 1}>": 1,
        "<no name>": 1,
    }
    assert {row["range_name"]: row["count"] for row in reading.rows("nvtx", "nvtx_ranges")} == {"": 3}


def test_of_several_texts_of_one_id_the_first_counts(tmp_path: Path) -> None:
    export = Export().kernel("k", 10, 20, demangledName=7).drop("StringIds")
    export.sql("CREATE TABLE StringIds(id, value)").sql("INSERT INTO StringIds VALUES (7, 'first'), (7, 'second')")
    assert reading_names(written(tmp_path, export)) == ["first"]


def reading_names(reading: Reading) -> list[str]:
    """Returns the names of kernels in their order."""
    return [row["kernel_name"] for row in reading.rows("kernels", "kernels")]


def test_names_with_control_characters_come_out_as_they_are(tmp_path: Path) -> None:
    names = ["nul\0inside", "esc\x1b[31m", "line\nbreak", "=1+1", "<script>", "\u202eright to left"]
    export = Export()
    for name in names:
        export.kernel(name, 10, 20)
    assert sorted(reading_names(written(tmp_path, export))) == sorted(names)


def test_huge_text(tmp_path: Path) -> None:
    name = "k" * 8_000_000
    reading = written(
        tmp_path, Export().kernel(name, 10, 20).nvtx("é" * 4_000_000, 0, 10).process(100, "p" * 1_000_000)
    )
    assert reading_names(reading) == [name]
    assert [len(row["range_name"]) for row in reading.rows("nvtx", "nvtx_ranges")] == [4_000_000]


def test_a_text_beyond_all_reason(tmp_path: Path) -> None:
    export = launches(3).sql("UPDATE StringIds SET value = printf('%.*c', 270000000, 'k') WHERE id = 1")
    refused(export.write(tmp_path / "trace.sqlite"), QueryError, "string or blob too big")


@pytest.mark.parametrize("table", [KERNEL, RUNTIME, NVTX, "StringIds"])
@pytest.mark.parametrize("threads", [1, 4])
def test_huge_gaps_between_row_ids(tmp_path: Path, table: str, threads: int) -> None:
    key = "id" if table == "StringIds" else "rowid"
    move = (
        "UPDATE {t} SET {k} = -9223372036854775808 WHERE rowid = (SELECT min(rowid) FROM {t})",
        "UPDATE {t} SET {k} = 9223372036854775807 WHERE rowid = (SELECT max(rowid) FROM {t})",
        "UPDATE {t} SET {k} = rowid - 4611686018427387904 WHERE rowid BETWEEN 3 AND 20",
    )
    export = launches()
    for statement in move[: 2 if table == "StringIds" else 3]:
        export.sql(statement.format(t=table, k=key))
    reading = read(export.write(tmp_path / "trace.sqlite"), threads=threads)
    assert reading.summary("kernels") == {"kernels": 50, "total_ns": 20_000}
    assert reading.summary("nvtx")["coverage"] == 1.0
    assert reading.counts[table] == {KERNEL: 50, RUNTIME: 50, NVTX: 1, "StringIds": 4}[table]


def test_duplicate_correlation_ids(tmp_path: Path) -> None:
    """Of several calls with the id of an op, the latest that started before it."""
    export = Export().nvtx("first", 0, 100).nvtx("second", 200, 300).nvtx("third", 400, 500)
    for start in (10, 210, 410):
        export.call("cudaLaunchKernel_v7000", start, start + 5, corr=7)
    export.kernel("a", 110, 120, corr=7).kernel("b", 310, 330, corr=7).kernel("c", 210, 250, corr=7)
    export.kernel("too early", 5, 6, corr=7)
    reading = written(tmp_path, export)
    found = {row["range_name"]: (row["kernels"], row["kernel_ns"]) for row in reading.rows("nvtx", "nvtx_ranges")}
    assert found == {"first": (1, 10), "second": (2, 60), "third": (0, 0)}
    assert reading.summary("nvtx")["correlated_kernels"] == 3


@pytest.mark.parametrize("none", [0, None])
def test_correlation_ids_that_mean_none(tmp_path: Path, none: Value) -> None:
    export = Export().nvtx("step", 0, 100).call("cudaLaunchKernel_v7000", 10, 20, corr=none)
    export.kernel("k", 30, 40, corr=none).call("cudaLaunchKernel_v7000", 21, 22, corr=5).kernel("k", 50, 60, corr=5)
    reading = written(tmp_path, export)
    assert reading.summary("nvtx")["correlated_kernels"] == 1
    assert reading.summary("nvtx")["attributed_kernel_ns"] == 10


@pytest.mark.parametrize("corr", [-1, -(2**63), 2**63 - 1, 2**32])
def test_any_other_correlation_id_joins(tmp_path: Path, corr: int) -> None:
    export = launches().call("cudaLaunchKernel_v7000", 40_020, 40_030, corr=corr)
    reading = written(tmp_path, export.kernel("k", 50_000, 50_400, corr=corr))
    assert reading.summary("nvtx")["correlated_kernels"] == 51


def test_the_same_correlation_ids_in_two_processes(tmp_path: Path) -> None:
    export = Export()
    for pid in (100, 200):
        export.nvtx(f"step {pid}", 0, 100, pid=pid).call("cudaLaunchKernel_v7000", 10, 20, corr=1, pid=pid)
        export.kernel("k", 100 + pid, 110 + pid + pid // 100, corr=1, pid=pid, device=pid // 100 - 1)
    reading = written(tmp_path, export)
    assert {row["range_name"]: row["kernel_ns"] for row in reading.rows("nvtx", "nvtx_ranges")} == {
        "step 100": 11,
        "step 200": 12,
    }
    assert reading.summary("nvtx")["correlated_kernels"] == 2


def test_several_processes_without_global_pid(tmp_path: Path) -> None:
    export = Export().drop(KERNEL, "globalPid")
    for pid in (100, 200):
        export.nvtx("step", 0, 100, pid=pid).call("cudaLaunchKernel_v7000", 10, 20, corr=1, pid=pid)
    reading = written(tmp_path, export.kernel("k", 110, 120, corr=1))
    assert reading.summary("kernels") == {"kernels": 1, "total_ns": 10}
    nvtx = reading.summary("nvtx")
    assert (nvtx["correlated_kernels"], nvtx["attributed_kernels"], nvtx["coverage"]) == (0, None, None)
    assert {row["kernel_ns"] for row in reading.rows("nvtx", "nvtx_ranges")} == {None}
    assert "1 GPU ops carry no process id while several processes call CUDA" in reading.message("no_call_join")


def test_the_limits_of_ranges_without_a_join_are_true(tmp_path: Path) -> None:
    export = Export().drop(KERNEL, "globalPid").kernel("k", 110, 120, corr=1).nvtx("step", 0, 100)
    export.call("cudaLaunchKernel_v7000", 10, 20, corr=1, pid=100)
    reading = written(tmp_path, export.call("cudaLaunchKernel_v7000", 10, 20, corr=1, pid=200))
    assert not any("Without GPU ops" in limit for limit in reading.sections["nvtx"].limitations)


@pytest.mark.parametrize("tid", [None, "thread", global_tid(100) | 1 << 62, -1])
def test_threads_that_are_none(tmp_path: Path, tid: Value) -> None:
    export = launches().retype(RUNTIME, "globalTid", "").retype(NVTX, "globalTid", "")
    export.call("cudaDeviceSynchronize_v3020", 1_001, 1_002, globalTid=tid).nvtx("other", 1_000, 2_000, globalTid=tid)
    reading = written(tmp_path, export)
    assert reading.summary("nvtx")["coverage"] == 1.0
    assert {row["range_name"]: row["kernels"] for row in reading.rows("nvtx", "nvtx_ranges")} == {
        "step": 50,
        "other": 0,
    }
    assert [row["calls"] for row in reading.rows("sync", "sync_calls")] == [1]


def test_a_thread_id_where_a_process_id_belongs(tmp_path: Path) -> None:
    export = Export().nvtx("step", 0, 100).call("cudaLaunchKernel_v7000", 10, 20, corr=1)
    export.kernel("k", 110, 120, corr=1, globalPid=global_pid(100) | 12_345)
    reading = written(tmp_path, export)
    assert reading.summary("nvtx")["coverage"] == 1.0
    assert [row["pid"] for row in reading.rows("processes", "processes")] == [100]


def test_what_is_sound_stays_sound(tmp_path: Path) -> None:
    assert_sound(written(tmp_path, launches()))
