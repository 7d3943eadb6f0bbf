"""Rows read from pages give the same report as rows read through SQLite, on any number of threads."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import _native
from nsys_llm_explainer.demo import DemoSpec, generate
from tests.support.export import Export

PHASES = [("decode", ["re:^execute_context_0"]), ("prefill", ["execute_context"]), ("rest", ["re:."])]
PAGES = ("pages", "a plain database without a writer")


def report(path: Path, source: str, threads: int, **options: Any) -> dict[str, Any]:
    """Returns all that a report is made of, as plain values."""
    trace = _native.open_trace(str(path), source=source)
    result = trace.analyze(threads=threads, phase_map=PHASES, **options)
    info = {key: value for key, value in trace.info().items() if key not in {"source", "source_reason"}}
    sections = {
        section.id: (
            section.status,
            section.needs,
            section.limitations,
            section.summary,
            {name: (table.total_rows, table.rows()) for name, table in section.tables.items()},
        )
        for section in result["sections"]
    }
    rest = {key: value for key, value in result.items() if key not in {"sections", "stages"}}
    return {"info": info, "tables": trace.tables(), "capabilities": trace.capabilities(), "sections": sections, **rest}


def assert_sources_agree(path: Path, **options: Any) -> None:
    """Compares both sources on one thread and on four."""
    expected = report(path, "sqlite", 1, **options)
    assert len(expected["sections"]) == len(_native.schema())
    for source, threads in [("pages", 1), ("pages", 4), ("sqlite", 4), ("auto", 2)]:
        assert report(path, source, threads, **options) == expected, (source, threads)


def source_of(path: Path, source: str = "auto") -> tuple[str, str]:
    """Returns which source reads an export, and why."""
    info = _native.open_trace(str(path), source=source).info()
    return info["source"], info["source_reason"]


def test_real_exports(real_trace: Path) -> None:
    assert source_of(real_trace) == PAGES
    assert_sources_agree(real_trace)


@pytest.mark.parametrize("graph_mode", ["node", "graph", "none"])
@pytest.mark.parametrize("workers", [1, 3])
def test_generated_serving_runs(tmp_path: Path, graph_mode: str, workers: int) -> None:
    spec = DemoSpec(seed=workers, workers=workers, decode_steps=8, prefill_every=4, layers=4, graph_mode=graph_mode)
    path = generate(tmp_path / "demo.sqlite", spec)
    assert source_of(path) == PAGES
    assert_sources_agree(path)


def test_options_change_nothing_about_it(tmp_path: Path) -> None:
    path = generate(tmp_path / "demo.sqlite", DemoSpec(decode_steps=12, layers=8))
    start, end = _native.open_trace(str(path)).info()["span_ns"]
    middle = (start + (end - start) // 4, start + (end - start) // 2)
    assert_sources_agree(path, window=middle)
    assert_sources_agree(path, window=(middle[0], None), kernel_percentiles=False, nvtx_kernel_map=False)


@pytest.mark.parametrize(
    "settings",
    [
        "PRAGMA page_size = 512",
        "PRAGMA page_size = 65536",
        "PRAGMA auto_vacuum = FULL",
        "PRAGMA page_size = 1024; PRAGMA auto_vacuum = INCREMENTAL",
    ],
)
def test_a_file_that_was_laid_out_anew(tmp_path: Path, settings: str) -> None:
    path = generate(tmp_path / "demo.sqlite", DemoSpec(workers=1, decode_steps=6, layers=4))
    expected = report(path, "sqlite", 1)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"{settings}; VACUUM")
    connection.close()
    assert source_of(path) == PAGES
    assert_sources_agree(path)
    for facts in (expected["info"], expected["trace"]):
        facts["file_bytes"] = path.stat().st_size
    assert report(path, "pages", 2) == expected


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_texts_of_two_bytes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "trace.sqlite"
    plain = generate(tmp_path / "demo.sqlite", DemoSpec(workers=1, decode_steps=4, layers=2))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA encoding = '{encoding}'; CREATE TABLE first (x)")
    source = sqlite3.connect(plain)
    connection.executescript("\n".join(line for line in source.iterdump() if line.startswith(("CREATE", "INSERT"))))
    source.close()
    connection.close()
    assert source_of(path) == PAGES
    assert_sources_agree(path)
    assert report(path, "pages", 2)["sections"] == report(plain, "pages", 2)["sections"]


def small(tmp_path: Path, *statements: str) -> Path:
    """Writes an export with a little of everything, and what the statements make of it."""
    export = Export(schema="3.25.0")
    for i in range(20):
        export.call("cudaLaunchKernel_v7000", 100 * i, 100 * i + 10, corr=i, pid=100)
        export.kernel(f"gemm {i % 3}", 100 * i + 20, 100 * i + 90, corr=i, pid=100)
        export.nvtx(f"execute_context_0(0)_generation_{i % 2}", 100 * i - 5, 100 * i + 50, pid=100)
    path = export.write(tmp_path / "trace.sqlite")
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()
    return path


def assert_only_sqlite(path: Path, reason: str) -> dict[str, Any]:
    """Makes sure that pages are refused with a reason and that the automatic choice says so; returns its report."""
    assert source_of(path) == ("sqlite", reason)
    assert source_of(path, "sqlite")[0] == "sqlite"
    with pytest.raises(_native.QueryError, match="could not read its pages") as refused:
        _native.open_trace(str(path), source="pages")
    assert reason in str(refused.value)
    found = report(path, "auto", 2)
    notes = [warning for warning in found["warnings"] if warning["code"] == "read_through_sqlite"]
    assert len(notes) == 1
    assert reason in notes[0]["message"]
    return found


def test_a_plain_file(tmp_path: Path) -> None:
    path = small(tmp_path)
    assert source_of(path) == source_of(path, "pages") == PAGES
    assert source_of(path, "sqlite") == ("sqlite", "asked for")
    assert_sources_agree(path)


def test_write_ahead_mode(tmp_path: Path) -> None:
    expected = report(small(tmp_path), "pages", 1)
    path = small(tmp_path, "PRAGMA journal_mode = WAL")
    found = assert_only_sqlite(path, "the file is in write-ahead mode")
    assert found["sections"] == expected["sections"]


def test_a_write_ahead_log_with_content(tmp_path: Path) -> None:
    path = small(tmp_path, "PRAGMA journal_mode = WAL")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("DELETE FROM CUPTI_ACTIVITY_KIND_KERNEL WHERE start > 1000").fetchall()
    found = assert_only_sqlite(path, "the file has a write-ahead log with content")
    assert found["sections"]["kernels"][3]["kernels"] == 10
    writer.close()


def test_a_table_without_row_ids(tmp_path: Path) -> None:
    path = small(
        tmp_path,
        "CREATE TABLE other (id INTEGER PRIMARY KEY, value TEXT) WITHOUT ROWID",
        "INSERT INTO other SELECT id, value FROM StringIds",
    )
    # Only counted: all tables that are read are plain.
    assert source_of(path) == PAGES
    assert_sources_agree(path)
    expected = report(path, "pages", 1)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("DROP TABLE StringIds; ALTER TABLE other RENAME TO StringIds")
    connection.close()
    found = assert_only_sqlite(path, "StringIds is WITHOUT ROWID or hides its row ids")
    assert found["sections"] == expected["sections"]


def test_columns_that_hide_the_row_ids(tmp_path: Path) -> None:
    path = small(tmp_path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "CREATE TABLE other (id INTEGER, value TEXT, rowid TEXT, _rowid_ TEXT, oid TEXT);"
        "INSERT INTO other SELECT id, value, '', '', '' FROM StringIds;"
        "DROP TABLE StringIds; ALTER TABLE other RENAME TO StringIds"
    )
    connection.close()
    assert_only_sqlite(path, "StringIds is WITHOUT ROWID or hides its row ids")


def test_a_generated_column(tmp_path: Path) -> None:
    path = small(tmp_path, "CREATE TABLE other (a INTEGER, b INTEGER AS (a + 1))", "INSERT INTO other VALUES (1), (2)")
    assert source_of(path) == PAGES
    assert {table["name"]: table["rows"] for table in _native.open_trace(str(path)).tables()}["other"] == 2
    assert_sources_agree(path)
    computed = small(tmp_path, "ALTER TABLE NVTX_EVENTS ADD COLUMN length INTEGER AS (end - start)")
    for source in ("auto", "pages", "sqlite"):
        with pytest.raises(_native.UnsafeSchemaError, match="column length of NVTX_EVENTS is generated"):
            _native.open_trace(str(computed), source=source)


def test_a_default_that_only_sqlite_can_tell(tmp_path: Path) -> None:
    path = small(tmp_path, "ALTER TABLE NVTX_EVENTS ADD COLUMN ratio REAL DEFAULT 1.5")
    assert_only_sqlite(path, "column ratio of NVTX_EVENTS has an unusual default")
    path = small(
        tmp_path,
        "ALTER TABLE NVTX_EVENTS ADD COLUMN ratio REAL",
        "ALTER TABLE NVTX_EVENTS ADD COLUMN extra INTEGER DEFAULT -3",
        "ALTER TABLE StringIds ADD COLUMN note TEXT DEFAULT 'it''s'",
    )
    assert source_of(path) == PAGES
    assert_sources_agree(path)


def test_a_journal_beside_the_file(tmp_path: Path) -> None:
    path = small(tmp_path)
    expected = report(path, "pages", 1)
    journal = Path(f"{path}-journal")
    # One that its writer finished: the first bytes are zeros.
    journal.write_bytes(bytes(512))
    assert assert_only_sqlite(path, "a rollback journal lies beside the file")["sections"] == expected["sections"]
    journal.write_bytes(b"")
    assert source_of(path) == PAGES


def test_a_hot_journal(tmp_path: Path) -> None:
    """Copies a file in the middle of a transaction, with its journal: only a writer may undo that."""
    path = small(tmp_path)
    hot = tmp_path / "hot.sqlite"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.executescript("PRAGMA cache_size = 1; BEGIN IMMEDIATE; DELETE FROM StringIds")
    # Pages that do not fit into the cache are written, after their old content went into the journal.
    for i in range(2000):
        writer.execute("INSERT INTO StringIds VALUES (?, ?)", (10_000 + i, f"name {i}" * 20))
    shutil.copy(path, hot)
    shutil.copy(f"{path}-journal", f"{hot}-journal")
    writer.close()
    for source in ("auto", "pages", "sqlite"):
        with pytest.raises(_native.QueryError, match="a writer has left unfinished changes beside it"):
            _native.open_trace(str(hot), source=source)
    assert source_of(path) == PAGES
    assert_sources_agree(path)
