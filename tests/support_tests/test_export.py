"""The tiny-export builder writes what the tests ask for, in the layout of the schema version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nsys_llm_explainer.demo import schema
from nsys_llm_explainer.demo.schema_enums import ENUM_ROWS
from tests.support.export import Export, RawText, global_pid, global_tid
from tests.support.traces import TRACE_NAMES

KERNEL = schema.KERNEL


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def tables(path: Path) -> set[str]:
    return {name.decode() for (name,) in rows(path, "SELECT name FROM sqlite_master")}  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", schema.VERSIONS)
def test_every_version_is_valid_sql(version: str) -> None:
    connection = sqlite3.connect(":memory:")
    for table in schema.tables(version):
        connection.execute(schema.ddl(table, version))
        declared = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert declared == [column.name for column in schema.columns(table, version)]
        assert not table.startswith("ENUM_") or ENUM_ROWS[table]
    connection.close()


def test_layouts_are_those_of_the_real_exports(real_trace: Path) -> None:
    connection = sqlite3.connect(f"{real_trace.as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    version = "none"
    for table in ("META_DATA_EXPORT", "EXPORT_META_DATA"):
        if table in present:
            query = f"SELECT value FROM {table} WHERE name = 'EXPORT_SCHEMA_VERSION'"
            version = connection.execute(query).fetchone()[0]
    shared = [table for table in schema.tables(version) if table in present]
    assert len(shared) >= 4
    for table in shared:
        found = [(row[1], row[2], bool(row[5])) for row in connection.execute(f"PRAGMA table_info({table})")]
        assert found == [(c.name, c.type, c.primary_key) for c in schema.columns(table, version)], table
    connection.close()


def test_real_traces_are_named_once() -> None:
    assert len(set(TRACE_NAMES)) == len(TRACE_NAMES) == 17


def test_version_decides_the_columns() -> None:
    newest = {column.name for column in schema.columns(KERNEL, "3.25.0")}
    oldest = {column.name for column in schema.columns(KERNEL, "none")}
    assert newest - oldest >= {"mangledName", "greenContextId", "graphId", "tensorSizeMinusOneElements"}
    assert schema.columns("NVTX_EVENTS", "3.28.1")[0].name == "eventId"
    with pytest.raises(KeyError, match="EXPORT_META_DATA"):
        schema.columns("EXPORT_META_DATA", "3.4.0")


def test_rows_ids_and_lazy_tables(tmp_path: Path) -> None:
    path = (
        Export("3.25.0")
        .kernel("gemm", 10, 20, device=1, corr=3, pid=7)
        .nvtx("step", 0, 100, pid=7, tid=8, use_text_id=True)
        .write(tmp_path / "t.sqlite")
    )
    columns = "start, end, deviceId, correlationId, globalPid, demangledName, tensorSizeMinusOneElements"
    assert rows(path, f"SELECT {columns} FROM {KERNEL}") == [(10, 20, 1, 3, global_pid(7), 0, b"[]")]
    assert rows(path, "SELECT text, textId, globalTid FROM NVTX_EVENTS") == [(None, 1, global_tid(7, 8))]
    assert rows(path, "SELECT * FROM StringIds") == [(0, b"gemm"), (1, b"step")]
    assert tables(path) == {KERNEL, "NVTX_EVENTS", "StringIds", "META_DATA_EXPORT"}


def test_ugly_values_are_kept(tmp_path: Path) -> None:
    export = Export("3.11.1").retype(KERNEL, "start", "")
    export.kernel("k", "12", None).kernel("k", b"\x01", 2.5).kernel("k", 1, "x", demangledName=99, globalPid=None)
    export.nvtx(None, 1, 2, text=RawText(b"\xff\xfe"))
    path = export.write(tmp_path / "t.sqlite")
    found = rows(path, f"SELECT typeof(start), typeof(end), demangledName, globalPid IS NULL FROM {KERNEL}")
    assert found == [(b"text", b"null", 0, 0), (b"blob", b"real", 0, 0), (b"integer", b"text", 99, 1)]
    assert rows(path, "SELECT text, typeof(text) FROM NVTX_EVENTS") == [(b"\xff\xfe", b"text")]


def test_tables_and_columns_come_and_go(tmp_path: Path) -> None:
    export = Export("3.25.0").kernel("k", 1, 2).memcpy(1, 2).memset(3, 4)
    export.drop(schema.MEMCPY).drop(KERNEL, "globalPid", "correlationId").declare("OTHER", "a INTEGER", "b")
    export.add_column(schema.MEMSET, "note", "TEXT").raw("OTHER", a=1, b="x")
    export.sql("CREATE VIEW seen AS SELECT * FROM OTHER")
    path = export.declare(schema.RUNTIME).write(tmp_path / "t.sqlite")
    assert schema.MEMCPY not in tables(path)
    names = [row[1] for row in rows(path, f"PRAGMA table_info({KERNEL})")]
    assert b"globalPid" not in names
    assert b"start" in names
    assert rows(path, "SELECT * FROM seen") == [(1, b"x")]
    assert rows(path, f"SELECT count(*) FROM {schema.RUNTIME}") == [(0,)]


def test_misspelled_columns_are_refused() -> None:
    with pytest.raises(KeyError, match="gridd"):
        Export("3.25.0").kernel("k", 1, 2, gridd=3)


def test_page_size_encoding_and_wal(tmp_path: Path) -> None:
    export = Export("3.25.0").kernel("k", 1, 2)
    path = export.write(tmp_path / "utf16.sqlite", page_size=512, encoding="UTF-16le")
    assert rows(path, "PRAGMA page_size") == [(512,)]
    assert rows(path, "PRAGMA encoding") == [(b"UTF-16le",)]
    path = export.write(tmp_path / "wal.sqlite", wal=True)
    assert path.read_bytes()[18:20] == b"\x02\x02"
    assert list(tmp_path.glob("wal.sqlite-*")) == []


def test_live_writer_keeps_its_rows_in_the_wal(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite"
    writer = Export("3.25.0").kernel("k", 1, 2).write_live(path)
    assert (tmp_path / "live.sqlite-wal").stat().st_size > 0
    assert KERNEL.encode() not in path.read_bytes()
    assert rows(path, f"SELECT start FROM {KERNEL}") == [(1,)]
    writer.close()
    assert KERNEL.encode() in path.read_bytes()


def test_old_exports_have_no_version_table(tmp_path: Path) -> None:
    path = Export("none").kernel("k", 1, 2).write(tmp_path / "t.sqlite")
    assert tables(path) == {KERNEL, "StringIds"}
    path = Export("3.1.2", enums=True).kernel("k", 1, 2).write(tmp_path / "u.sqlite")
    assert {"EXPORT_META_DATA", "ENUM_CUDA_KRENEL_LAUNCH_TYPE"} <= tables(path)


def test_each_call_of_the_fixture_writes_another_file(export_file: object) -> None:
    assert callable(export_file)
    first, second = export_file(Export().kernel("k", 1, 2)), export_file(Export().kernel("k", 1, 2))
    assert first != second
    assert first.exists()
    assert second.exists()
