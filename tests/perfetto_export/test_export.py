"""What stands in a Perfetto trace: the events of the streams, on tracks where they nest, linked to their calls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsys_llm_explainer
from nsys_llm_explainer import NotCapturedError, analyze, export_perfetto, open_trace
from nsys_llm_explainer.demo import DemoSpec, generate
from tests.perfetto_export.decode import Decoded, decode
from tests.support.export import Export, RawText, global_tid

CATEGORY_OF = {"ranges": "nvtx", "api_calls": "cuda_api", "os_calls": "os", "copies": "memcpy", "memsets": "memset"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("perfetto") / "demo.sqlite"
    generate(path, DemoSpec(decode_steps=12, prefill_every=6, layers=4))
    return path


def _exported(path: Path, **options) -> tuple[Decoded, nsys_llm_explainer.api.PerfettoExport]:
    written = export_perfetto(path, path.with_suffix(".pftrace"), **options)
    decoded = decode(written.path)
    assert len(decoded.slices) == sum(written.slices.values())
    assert len(decoded.tracks) == written.tracks
    assert sum(len(found.ends) for found in decoded.slices) == written.flows
    return decoded, written


def _rows(path: Path, table: str, columns: list[str] | None = None, **options) -> list[dict]:
    try:
        return pa.table(open_trace(path).stream(table, columns, **options)).to_pylist()
    except NotCapturedError:
        return []


def _check_against_streams(path: Path, window: tuple[int, int] | None = None) -> Decoded:
    decoded, written = _exported(path, window=window)
    if written.shifted_ns:
        return decoded
    for table, category in CATEGORY_OF.items():
        rows = _rows(path, table, ["start_ns", "end_ns"], window=window)
        low, high = window or (-(1 << 63), 1 << 63)
        times = Counter((max(row["start_ns"], low), min(row["end_ns"], high)) for row in rows)
        if table != "ranges":
            times = Counter((row["start_ns"], row["end_ns"]) for row in rows)
        assert Counter((found.start, found.end) for found in decoded.of(category)) == times, table
    gaps = Counter((row["start_ns"], row["end_ns"], row["gap_cause"]) for row in _rows(path, "gaps", window=window))
    assert Counter((found.start, found.end, found.name) for found in decoded.of("idle")) == gaps
    kernels = _rows(path, "kernels", ["start_ns", "end_ns", "category"], window=window)
    for category, calls in Counter(row["category"] for row in kernels).items():
        assert len(decoded.of(category)) == calls
    return decoded


def test_generated(demo: Path) -> None:
    decoded = _check_against_streams(demo)
    report = analyze(demo)
    gpus = report.sections["gpu_idle"].tables["gpu_devices"].rows()
    assert sum(found.end - found.start for found in decoded.of("idle")) == sum(row["idle_ns"] for row in gpus)
    assert len(decoded.of("step")) == report.sections["steps"].tables["steps"].total_rows
    begun = {flow for found in decoded.slices for flow in found.begins}
    assert begun == {flow for found in decoded.slices for flow in found.ends}
    paths = {decoded.path(track) for track in decoded.tracks}
    assert "GPU 0: NVIDIA H100 80GB HBM3 / Idle, by cause" in paths
    assert any(path.startswith("process 4200 ") and path.endswith("/ thread 4200 / CUDA API") for path in paths)
    assert "GPU 1: NVIDIA H100 80GB HBM3 / Stream 7 of process 4201" in paths


def test_a_window(demo: Path) -> None:
    window = analyze(demo).window
    third = (window["end_ns"] - window["start_ns"]) // 3
    low, high = window["start_ns"] + third, window["end_ns"] - third
    decoded = _check_against_streams(demo, (low, high))
    ranges = decoded.of("nvtx")
    assert min(found.start for found in ranges) >= low
    assert max(found.end for found in ranges) <= high
    assert any(str(found.args.get("goes on", "")).startswith("before") for found in ranges)
    assert len(_exported(demo, window="steady")[0].slices) < len(_exported(demo, window="all")[0].slices)
    by_name, _ = _exported(demo, window="nvtx:gpu_model_runner: forward")
    assert by_name.slices


def test_real(real_trace: Path, tmp_path: Path) -> None:
    written = export_perfetto(real_trace, tmp_path / "out.pftrace")
    assert len(decode(written.path).slices) == sum(written.slices.values())


def test_flows_go_from_the_call_to_each_of_its_ops(export_file) -> None:
    export = Export().call("cudaGraphLaunch_v10000", 0, 5, corr=1).call("cudaFree", 6, 7, corr=9)
    for node in range(3):
        export.kernel(f"node{node}", 10 + 3 * node, 12 + 3 * node, corr=1, graph_node=node + 1, graph_id=8)
    export.memcpy(20, 25, corr=2, size=99).call("cudaMemcpyAsync", 15, 16, corr=2).kernel("orphan", 30, 31)
    decoded, written = _exported(export_file(export))
    assert written.flows == 4
    (launch,) = [found for found in decoded.slices if found.name.startswith("cudaGraphLaunch")]
    nodes = [found for found in decoded.slices if found.name.startswith("node")]
    assert launch.args["gpu_ops"] == 3
    assert [found.ends for found in nodes] == [launch.begins] * 3
    assert [found.args["graph_id"] for found in nodes] == [8] * 3
    by_name = {found.name: found for found in decoded.slices}
    assert by_name["memcpy HtoD"].ends == by_name["cudaMemcpyAsync"].begins
    assert by_name["memcpy HtoD"].args["bytes"] == 99
    assert (by_name["cudaFree"].begins, by_name["orphan"].ends) == ([], [])


def test_a_call_before_the_window_has_no_flow(export_file) -> None:
    export = Export().call("cudaLaunchKernel", 0, 5, corr=1).kernel("k", 50, 60, corr=1).nvtx("r", 0, 200)
    decoded, written = _exported(export_file(export), window=(40, 100))
    assert written.flows == 0
    assert [(found.name, found.start, found.end) for found in decoded.slices] == [("k", 50, 60), ("r", 40, 100)]
    assert decoded.of("nvtx")[0].args["goes on"] == "before and after the window"


def test_a_call_that_starts_with_its_op_comes_first(export_file) -> None:
    _exported(export_file(Export().kernel("k", 10, 20, corr=1).call("cudaLaunchKernel", 10, 12, corr=1)))


def test_a_call_after_its_op_starts_no_flow(export_file) -> None:
    decoded, written = _exported(
        export_file(Export().kernel("k", 10, 20, corr=1).call("cudaLaunchKernel", 11, 12, corr=1))
    )
    assert written.flows == 0
    assert not [found.ends for found in decoded.slices if found.ends]


def test_ranges_that_do_not_nest_get_tracks_of_their_own(export_file) -> None:
    export = Export().nvtx("outer", 0, 100).nvtx("inner", 10, 20).nvtx("overlaps", 50, 150).nvtx("same", 0, 100)
    export.nvtx("touches", 100, 120).nvtx("elsewhere", 5, 8, tid=7)
    export.nvtx("crossing", 1, 2, endGlobalTid=global_tid(100, 9))
    decoded, _ = _exported(export_file(export))
    tracks = {found.name: decoded.path(found.track) for found in decoded.slices}
    thread = "process 100 / thread 100"
    assert {tracks[name] for name in ("outer", "inner", "same", "touches", "crossing")} == {thread}
    assert tracks["overlaps"] == f"{thread} / NVTX"
    assert tracks["elsewhere"] == "process 100 / thread 7"
    assert {found.name: found.args for found in decoded.slices}["crossing"]["ends"] == "on another thread"


def test_kernels_side_by_side_on_a_stream(export_file) -> None:
    export = Export().kernel("a", 0, 10).kernel("b", 5, 15).kernel("c", 10, 12).kernel("point", 3, 3)
    decoded, _ = _exported(export_file(export))
    times = {found.name: (found.start, found.end) for found in decoded.slices if found.category != "idle"}
    assert times == {"a": (0, 10), "b": (5, 15), "c": (10, 12), "point": (3, 3)}


def test_steps_gaps_and_their_place(demo: Path) -> None:
    decoded, _ = _exported(demo)
    steps = decoded.of("step")
    assert {found.name for found in steps} == {"mixed step", "decode step"}
    numbers = {found.args["step"] for found in steps}
    kernels = [found for found in decoded.slices if "category" in found.args]
    assert {found.args["step"] for found in kernels if "step" in found.args} <= numbers
    assert any("gap before" in found.args and "range" in found.args for found in kernels)
    assert all(found.name.startswith("idle.") for found in decoded.of("idle"))


def test_times_before_zero_and_at_the_edge(export_file) -> None:
    far = 1 << 62
    decoded, written = _exported(export_file(Export().kernel("a", 1 - far, 2 - far).kernel("b", far - 1, far)))
    assert written.shifted_ns == far - 1
    times = {found.name: (found.start, found.end) for found in decoded.slices}
    assert times["a"] == (0, 1)
    assert times["b"] == (2 * far - 2, 2 * far - 1)


def test_text_of_a_trace_is_cut_and_made_harmless(export_file) -> None:
    export = Export().nvtx("x" * 5000, 0, 1).nvtx("", 2, 3).nvtx("a\x1b[31m\nb", 4, 5)
    export.kernel("k", 6, 7, demangledName=900).string_row(900, RawText(b"bad\xff\x00name")).process(100, "p\x07" * 400)
    decoded, _ = _exported(export_file(export))
    names = [found.name for found in decoded.slices]
    assert names[0] == "x" * 299 + "\u2026"
    assert names[1] == "(no name)"
    assert names[2] == "a\ufffd[31m\ufffdb"
    assert all(text.isprintable() and len(text) <= 300 for text in names)
    assert len(next(t.process.process_name for t in decoded.tracks.values() if t.HasField("process"))) == 300


def test_a_trace_without_events(export_file) -> None:
    path = export_file(Export().gpu(0, "H100"))
    decoded, written = _exported(path)
    assert (decoded.slices, dict(written.slices)) == ([], {})


def test_the_same_bytes_whatever_the_threads(demo: Path, tmp_path: Path) -> None:
    outputs = []
    for name, options in (("a", {"threads": 1}), ("b", {"threads": 4}), ("c", {"source": "sqlite"})):
        written = export_perfetto(demo, tmp_path / name, **options)
        outputs.append(written.path.read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]


_TIMES = st.tuples(st.integers(-50, 50), st.integers(0, 30))


@settings(max_examples=20, deadline=None)
@given(ranges=st.lists(_TIMES, max_size=12), kernels=st.lists(_TIMES, max_size=12), calls=st.lists(_TIMES, max_size=6))
def test_any_overlap_is_drawn(tmp_path_factory: pytest.TempPathFactory, ranges, kernels, calls) -> None:
    export = Export()
    for number, (start, length) in enumerate(ranges):
        export.nvtx(f"r{number}", start, start + length + 1)
    for number, (start, length) in enumerate(kernels):
        export.kernel(f"k{number}", start, start + length, corr=number % 3, stream=number % 2)
    for number, (start, length) in enumerate(calls):
        export.call("cudaLaunchKernel", start, start + length, corr=number)
    path = export.call("cudaFree", 200, 201).write(tmp_path_factory.mktemp("any") / "t.sqlite")
    decoded, written = _exported(path)
    shift = written.shifted_ns
    drawn = {found.name: (found.start - shift, found.end - shift) for found in decoded.slices}
    assert all(drawn[f"r{n}"] == (s, s + length + 1) for n, (s, length) in enumerate(ranges))
    accepted = {n: (s, s + length) for n, (s, length) in enumerate(kernels) if (s, s + length) != (0, 0)}
    assert all(drawn[f"k{n}"] == times for n, times in accepted.items())
