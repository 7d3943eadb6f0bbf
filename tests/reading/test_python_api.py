"""What Python sees of the core: threads, the GIL, Ctrl-C, progress, and tables in every form."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from nsys_llm_explainer import _native, analyze
from nsys_llm_explainer.demo import DemoSpec, generate, spec_for_bytes
from tests.reading.reader import KERNEL, RUNTIME, assert_sound, contents, everything, launches, read, untouched

Tables = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small export that fills every table."""
    return generate(tmp_path_factory.mktemp("demo") / "demo.sqlite", DemoSpec(decode_scale=0.05))


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of some 100 MB, which takes some tenths of a second."""
    return generate(tmp_path_factory.mktemp("long") / "long.sqlite", spec_for_bytes(100_000_000))


def tables(path: Path) -> Iterator[_native.Table]:
    """Yields every table of a report."""
    for section in _native.open_trace(str(path)).analyze(phase_map=[("decode", ["re:execute"])])["sections"]:
        yield from section.tables.values()


# -- threads ---------------------------------------------------------------------------------------------------------


def test_the_same_bytes_for_any_number_of_threads(
    long_file: Path, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for path in (demo, long_file):
        found = set()
        for threads in (1, 2, 4, 7, None):
            result = _native.open_trace(str(path)).analyze(threads=threads)
            found.add(everything(result))
        assert len(found) == 1
    for threads in (1, 4):
        analyze(long_file, threads=threads).write(tmp_path / str(threads))
    assert contents(tmp_path / "1") == contents(tmp_path / "4")
    assert len(contents(tmp_path / "1")) > 10


def test_several_python_threads_at_once(demo: Path, long_file: Path) -> None:
    shared = _native.open_trace(str(demo))

    def work(number: int) -> str:
        if number % 3 == 0:
            return everything(shared.analyze(threads=1 + number % 2))
        return everything(_native.open_trace(str(demo), source="sqlite").analyze())

    with ThreadPoolExecutor(6) as pool:
        background = pool.submit(_native.open_trace(str(long_file)).analyze)
        results = set(pool.map(work, range(24)))
        background.result()
    assert results == {everything(shared.analyze())}


def test_a_report_may_be_read_from_several_threads(demo: Path) -> None:
    for table in tables(demo):
        with ThreadPoolExecutor(4) as pool:
            found = {json.dumps(rows) for rows in pool.map(lambda _, table=table: table.rows(), range(8))}
        assert found == {json.dumps(table.rows())}


def test_the_gil_is_free_while_the_core_works(long_file: Path) -> None:
    stop, started = threading.Event(), threading.Event()
    ticks = [0]

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            started.set()
            stop.wait(0.001)

    other = threading.Thread(target=tick)
    other.start()
    started.wait()
    before = ticks[0]
    _native.open_trace(str(long_file)).analyze(threads=1)
    during = ticks[0] - before
    stop.set()
    other.join()
    assert during > 10


def test_nothing_stays_open(demo: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("only Linux lists the open files of a process")
    with untouched(demo.parent):
        trace = _native.open_trace(str(demo))
        trace.analyze()
        assert str(demo) not in {str(link.readlink()) for link in folder.iterdir() if link.is_symlink()}


# -- progress and Ctrl-C ---------------------------------------------------------------------------------------------


def test_progress(long_file: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    result = _native.open_trace(str(long_file)).analyze(threads=1, progress=lambda *state: seen.append(state))
    assert seen
    assert all(type(stage) is str and type(done) is int and type(expected) is int for stage, done, expected in seen)
    assert {stage for stage, _, _ in seen} <= {"reading", "computing"}
    assert all(0 <= done <= expected for _, done, expected in seen)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1] <= sum(result["trace"]["tables"].values())


def test_progress_with_huge_gaps_between_row_ids(long_file: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(long_file, tmp_path / "gaps.sqlite"))
    connection = sqlite3.connect(path)
    for table in (KERNEL, RUNTIME):
        for edge, far in (("max", 2**63 - 1), ("min", -(2**63))):
            connection.execute(f"UPDATE {table} SET rowid = {far} WHERE rowid = (SELECT {edge}(rowid) FROM {table})")
    connection.commit()
    connection.close()
    seen: list[tuple[str, int, int]] = []
    read(path, progress=lambda *state: seen.append(state))
    assert seen
    assert all(0 <= done <= expected < 2**64 for _, done, expected in seen)


class StopError(Exception):
    """Raised by a callback."""


@pytest.mark.parametrize("error", [StopError("enough"), KeyboardInterrupt(), SystemExit(3), ValueError("mine")])
def test_what_the_callback_raises_comes_out(long_file: Path, error: BaseException) -> None:
    calls = []

    def stop(*state: object) -> None:
        calls.append(state)
        raise error

    trace = _native.open_trace(str(long_file))
    with untouched(long_file.parent), pytest.raises(type(error)) as caught:
        trace.analyze(threads=1, progress=stop)
    assert caught.value is error
    assert len(calls) == 1
    assert trace.analyze(window=(0, 10**9))["trace"]["rejected_rows"] == {}


def test_a_callback_may_use_the_core_itself(long_file: Path, tmp_path: Path) -> None:
    small = launches().write(tmp_path / "small.sqlite")
    counted: list[int] = []

    def nested(stage: str, done: int, expected: int) -> None:
        counted.append(_native.open_trace(str(small)).analyze()["trace"]["tables"][KERNEL])

    _native.open_trace(str(long_file)).analyze(threads=1, progress=nested)
    assert set(counted) == {50}


_ENDLESS = """
import sys
from nsys_llm_explainer import _native
trace = _native.open_trace(sys.argv[1])
while True:
    trace.analyze(progress=lambda stage, done, expected: print("working", flush=True))
"""


def test_ctrl_c(long_file: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(long_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with untouched(long_file.parent):
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert errors.count("Traceback") == 1
    assert "panic" not in errors


_CAUGHT = """
import os, signal, sys, threading
from nsys_llm_explainer import _native
trace = _native.open_trace(sys.argv[1])
progress = lambda *state: os.kill(os.getpid(), signal.SIGINT)
for _ in range(3):
    try:
        trace.analyze(progress=progress)
        print("finished")
    except KeyboardInterrupt:
        print("interrupted")
print(trace.analyze()["trace"]["tables"]["CUPTI_ACTIVITY_KIND_KERNEL"])
"""


def test_life_goes_on_after_ctrl_c(long_file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _CAUGHT, str(long_file)], capture_output=True, text=True, check=True)
    kernels = {table["name"]: table["rows"] for table in _native.open_trace(str(long_file)).tables()}[KERNEL]
    assert done.stdout.splitlines() == ["interrupted"] * 3 + [str(kernels)]
    assert done.stderr == ""


# -- values ----------------------------------------------------------------------------------------------------------


def test_every_form_of_a_table_agrees(demo: Path) -> None:
    filled = 0
    for table in tables(demo):
        rows, columns = table.rows(), table.to_pydict()
        names = [column["name"] for column in table.columns]
        assert [list(row) for row in rows] == [names] * len(table)
        assert columns == {name: [row[name] for row in rows] for name in names}
        arrow = pa.table(table)
        assert arrow.schema.names == names
        assert arrow.to_pylist() == rows
        assert pl.DataFrame(table).to_dicts() == rows
        relation = duckdb.from_arrow(arrow)
        assert relation.columns == names
        assert relation.fetchall() == [tuple(row.values()) for row in rows]
        assert len(rows) == len(table) <= table.total_rows
        filled += len(table) > 0
    assert filled >= 15


def test_duckdb_and_polars_take_a_table_as_it_is(demo: Path) -> None:
    kernels = {table.name: table for table in tables(demo)}["kernels"]
    rows = kernels.rows()
    total = duckdb.execute("SELECT sum(total_ns) FROM kernels").fetchall()
    assert total == [(sum(row["total_ns"] for row in rows),)]
    assert pl.DataFrame(kernels).shape == (len(rows), len(kernels.columns))


def test_types_are_those_of_the_schema(demo: Path) -> None:
    kinds = {"int": int, "float": float, "text": str, "bool": bool}
    arrow_kinds = {"int": "int64", "float": "double", "text": "string", "bool": "bool"}
    declared = {table["name"]: table["columns"] for section in _native.schema() for table in section["tables"]}
    for table in tables(demo):
        assert table.columns == declared[table.name]
        fields = pa.table(table).schema
        for column in table.columns:
            values = table.to_pydict()[column["name"]]
            assert {type(value) for value in values if value is not None} <= {kinds[column["type"]]}
            assert column["nullable"] or None not in values
            field = fields.field(column["name"])
            assert (str(field.type), field.nullable) == (arrow_kinds[column["type"]], column["nullable"])
            unit = column["unit"]
            assert (field.metadata or {}) == ({} if unit is None else {b"unit": unit.encode()})


def test_values_are_copies(demo: Path) -> None:
    table = next(tables(demo))
    table.rows()[0].clear()
    table.to_pydict().clear()
    table.columns.clear()
    assert table.rows()[0]
    assert table.to_pydict()
    assert table.columns


def test_an_arrow_stream_may_be_taken_again_and_outlives_its_table(demo: Path) -> None:
    table = next(tables(demo))
    rows = table.rows()
    first, second = pa.table(table), pa.table(table)
    del table
    assert first.to_pylist() == second.to_pylist() == rows


def test_classes_are_frozen(demo: Path) -> None:
    trace = _native.open_trace(str(demo))
    section = trace.analyze()["sections"][0]
    table = next(iter(section.tables.values()))
    for thing, attribute in ((trace, "path"), (section, "summary"), (section, "new"), (table, "name"), (table, "rows")):
        with pytest.raises(AttributeError):
            setattr(thing, attribute, 1)
        with pytest.raises(TypeError):
            type(thing)()
        with pytest.raises(TypeError):
            type("Sub", (type(thing),), {})
    section.tables.clear()
    section.summary.clear()
    assert section.tables
    assert section.summary


def test_a_relative_path_stays_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launches().write(tmp_path / "trace.sqlite")
    monkeypatch.chdir(tmp_path)
    trace = _native.open_trace("trace.sqlite")
    expected = everything(trace.analyze())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert everything(trace.analyze()) == expected
    assert trace.path == "trace.sqlite"


def test_representations_name_the_thing(demo: Path) -> None:
    trace = _native.open_trace(str(demo))
    section = next(section for section in trace.analyze()["sections"] if section.id == "kernels")
    table = section.tables["kernels"]
    assert repr(trace) == f'<Trace "{demo}">'
    assert repr(section) == "<Section kernels: ok>"
    assert repr(table) == f"<Table kernels: {len(table)} of {table.total_rows} rows>"


@pytest.mark.parametrize("path", [5, None, b"\xff", ["trace.sqlite"]])
def test_paths_of_another_type(path: Any) -> None:
    with pytest.raises((TypeError, FileNotFoundError)):
        _native.open_trace(path)


def test_all_errors_are_one_family() -> None:
    family = (_native.NotAnExportError, _native.CorruptTraceError, _native.UnsafeSchemaError, _native.QueryError)
    for error in family:
        assert issubclass(error, _native.NsysError)
        assert error.__module__ == "nsys_llm_explainer._native"
    assert not issubclass(_native.NsysError, OSError)


def test_the_same_trace_gives_the_same_twice(tmp_path: Path) -> None:
    path = launches().write(tmp_path / "trace.sqlite")
    trace = _native.open_trace(str(path))
    assert everything(trace.analyze()) == everything(trace.analyze())
    assert_sound(read(path))
