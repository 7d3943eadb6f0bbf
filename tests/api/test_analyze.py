"""The Python API."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nsys_llm_explainer
from nsys_llm_explainer import NotAnExportError, NsysError, Report, Trace, analyze, open_trace
from nsys_llm_explainer.demo import generate, spec_for_bytes
from nsys_llm_explainer.render.outputs import report_files
from nsys_llm_explainer.report import FORMATS, timestamp


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def _bytes(report: Report) -> dict[str, bytes]:
    return report_files(report, FORMATS, kernel_limit=30)


def test_public_names_exist() -> None:
    for name in nsys_llm_explainer.__all__:
        assert getattr(nsys_llm_explainer, name) is not None


def test_import_is_cheap() -> None:
    heavy = ("rich", "jsonschema", "numpy", "argparse")
    code = f"import sys, nsys_llm_explainer; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tables_are_the_core_s(trace_file) -> None:
    report = analyze(trace_file("mfu_2gpu_before"))
    table = report.sections["kernels"].tables["kernels"]
    assert table.rows()[0]["kernel_name"] == table.to_pydict()["kernel_name"][0]
    pyarrow = pytest.importorskip("pyarrow")
    assert pyarrow.table(table).num_rows == len(table)


def test_open_trace(trace_file) -> None:
    trace = open_trace(trace_file("mfu_2gpu_before"))
    assert isinstance(trace, Trace)
    assert {table["name"]: table["rows"] for table in trace.tables()}["CUPTI_ACTIVITY_KIND_KERNEL"] == 4010
    assert {row["section"] for row in trace.capabilities()} == set(analyze(trace_file("mfu_2gpu_before")).sections)


def test_the_report_is_frozen(trace_file) -> None:
    report = analyze(trace_file("multi_stream_async"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.findings = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        report.sections["kernels"] = None  # type: ignore[index]
    with pytest.raises(TypeError):
        report.trace["path"] = "x"  # type: ignore[index]


def test_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timestamp() == "2023-11-14T22:13:20Z"
    for wrong in ("yesterday", "1e9", "9" * 30):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", wrong)
        with pytest.raises(ValueError, match="SOURCE_DATE_EPOCH"):
            timestamp()


def test_same_bytes_with_any_number_of_threads(real_trace: Path) -> None:
    one, two = (analyze(real_trace, threads=threads) for threads in (1, 2))
    assert _bytes(one) == _bytes(two)


def test_safe_from_several_threads(trace_file) -> None:
    path = trace_file("a100_llm_forward_nvtx")
    with ThreadPoolExecutor(4) as pool:
        results = {json.dumps(report.to_dict()) for report in pool.map(analyze, [path] * 8)}
    assert len(results) == 1


def test_window_narrows(trace_file) -> None:
    path = trace_file("mfu_2gpu_before")
    whole = analyze(path)
    start, end = whole.window["start_ns"], whole.window["end_ns"]
    part = analyze(path, window=(start, (start + end) // 2))
    kernels = [report.sections["kernels"].summary["kernels"] for report in (whole, part)]
    assert 0 < kernels[1] < kernels[0]


@pytest.fixture(scope="module")
def long_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that takes some tenths of a second."""
    path = tmp_path_factory.mktemp("long") / "long.sqlite"
    generate(path, spec_for_bytes(30_000_000))
    return path


def test_progress_is_reported(long_trace: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    analyze(long_trace, progress=lambda stage, done, total: seen.append((stage, done, total)))
    assert seen
    assert all(isinstance(stage, str) and 0 <= done <= total for stage, done, total in seen)


def test_an_interrupt_in_progress_comes_out(long_trace: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze(long_trace, progress=interrupt)


def test_switches(trace_file) -> None:
    report = analyze(trace_file("a100_llm_forward_nvtx"), kernel_percentiles=False, nvtx_kernel_map=False)
    assert {row["p50_ns"] for row in report.sections["kernels"].tables["kernels"].rows()} == {None}
    assert report.sections["nvtx"].summary["coverage"] is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"threads": 0}, "threads"),
        ({"window": (5, 5)}, "window"),
        ({"window": (10**17, None)}, "window"),
        ({"phase_map": {}}, "no phase"),
        ({"phase_map": {"decode": ["re:("]}}, "decode"),
    ],
)
def test_bad_arguments(trace_file, options: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        analyze(trace_file("multi_stream_async"), **options)


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("hello, this is no database" * 50)
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(FileNotFoundError):
        open_trace(tmp_path / "missing.sqlite")
    with pytest.raises(IsADirectoryError):
        open_trace(tmp_path)
    for name in ("text.sqlite", "empty.sqlite"):
        with pytest.raises(NotAnExportError) as caught:
            analyze(tmp_path / name)
        assert isinstance(caught.value, NsysError)
        assert name in str(caught.value)
