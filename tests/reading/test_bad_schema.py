"""Schemas that no exporter writes: refused where they stand in for events, ignored and named elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer._native import CorruptTraceError, UnsafeSchemaError
from tests.reading.reader import KERNEL, NVTX, RUNTIME, assert_sound, launches, read, refused
from tests.support.export import Export, RawText

WRITABLE = "PRAGMA writable_schema=ON"
ENDLESS = "WITH RECURSIVE endless(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM endless) SELECT n AS start FROM endless"
ALIEN = "'table', 'alien', 'alien', 0, 'CREATE VIRTUAL TABLE alien USING nosuch(a)'"
READ_TABLES = [KERNEL, RUNTIME, NVTX, "StringIds", "PROCESSES", "META_DATA_EXPORT"]


def disguise(name: str, word: str = "CREATE  VIRTUAL") -> str:
    """Returns the statement that rewrites a schema entry so that it does not look like a virtual table."""
    return f"UPDATE sqlite_schema SET sql = replace(sql, 'CREATE VIRTUAL', '{word}') WHERE name = '{name}'"


@pytest.mark.parametrize("table", READ_TABLES)
def test_a_view_in_place_of_a_table(tmp_path: Path, table: str) -> None:
    export = launches().sql(f"ALTER TABLE {table} RENAME TO hidden").sql(f"CREATE VIEW {table} AS SELECT * FROM hidden")
    path = export.write(tmp_path / "trace.sqlite")
    refused(path, UnsafeSchemaError, f"{table} is a view where an event table belongs", "export the .nsys-rep again")


@pytest.mark.parametrize("table", [KERNEL, RUNTIME])
def test_a_view_that_never_ends_is_not_run(tmp_path: Path, table: str) -> None:
    path = launches().drop(table).sql(f"CREATE VIEW {table.lower()} AS {ENDLESS}").write(tmp_path / "trace.sqlite")
    refused(path, UnsafeSchemaError, f"{table.lower()} is a view")


@pytest.mark.parametrize("table", READ_TABLES)
@pytest.mark.parametrize("word", ["CREATE VIRTUAL", "CREATE  VIRTUAL", "CREATE/**/VIRTUAL"])
def test_a_virtual_table_in_place_of_a_table(tmp_path: Path, table: str, word: str) -> None:
    export = launches().drop(table).sql(f"CREATE VIRTUAL TABLE {table} USING fts5(start, value)")
    path = export.sql(WRITABLE).sql(disguise(table, word)).write(tmp_path / "trace.sqlite")
    refused(path, UnsafeSchemaError, f"{table} is a virtual table where an event table belongs")


@pytest.mark.parametrize("table", [KERNEL, RUNTIME, NVTX])
@pytest.mark.parametrize("kind", ["VIRTUAL", "STORED"])
def test_a_generated_column_of_a_table_that_is_read(tmp_path: Path, table: str, kind: str) -> None:
    generated = f'CREATE TABLE "{table}"(start INTEGER, "end" INTEGER AS (start + abs(start)) {kind})'
    path = launches().drop(table).sql(generated).write(tmp_path / "trace.sqlite")
    refused(path, UnsafeSchemaError, f"column end of {table} is generated", "export the .nsys-rep again")


def test_a_generated_column_elsewhere_is_not_computed(tmp_path: Path) -> None:
    generated = "CREATE TABLE own(a, b AS (abs(a)) VIRTUAL)"
    path = launches().sql(generated).sql("INSERT INTO own(a) VALUES (-1), (2)")
    reading = read(path.write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    assert reading.counts["own"] == 2


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("view endless", [f"CREATE VIEW endless AS {ENDLESS}"]),
        ("view itself", ["CREATE VIEW itself AS SELECT * FROM itself"]),
        ("trigger sneaky", ["CREATE TRIGGER sneaky AFTER INSERT ON StringIds BEGIN SELECT 1; END"]),
        ("trigger bad", [f"CREATE TRIGGER bad BEFORE DELETE ON {KERNEL} BEGIN DELETE FROM StringIds; END"]),
        ("virtual table notes", ["CREATE VIRTUAL TABLE notes USING fts5(text)"]),
        ("virtual table notes", ["CREATE VIRTUAL TABLE notes USING fts5(text)", WRITABLE, disguise("notes")]),
        (
            "virtual table alien",
            [
                WRITABLE,
                f"INSERT INTO sqlite_schema VALUES ({ALIEN})",
            ],
        ),
    ],
)
def test_what_stands_elsewhere_is_left_alone_and_named(tmp_path: Path, name: str, statements: list[str]) -> None:
    export = launches()
    for statement in statements:
        export.sql(statement)
    reading = read(export.write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    assert reading.codes == {"schema_object"}
    assert name in reading.message("schema_object")
    assert f"{name}: left alone, no genuine export has it" in reading.info["notes"]
    assert name.rsplit(" ", maxsplit=1)[-1] not in reading.counts


def test_a_sound_export_has_no_such_warning(tmp_path: Path) -> None:
    reading = read(launches().write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    assert reading.codes == set()
    assert reading.info["notes"] == []


@pytest.mark.parametrize(
    "row",
    [
        "('index', 'lie', 'lie', 0, 'CREATE VIEW CUPTI_ACTIVITY_KIND_MEMCPY AS SELECT 1')",
        "('table', 'lie', 'lie', 5000, 'CREATE TABLE lie(a)')",
        "('table', 'lie', 'lie', 2, 'CREATE TABLE lie(')",
        "('table', 'lie', 'lie', 2, 'DROP TABLE StringIds')",
    ],
)
def test_a_schema_that_contradicts_itself(tmp_path: Path, row: str) -> None:
    path = launches().sql(WRITABLE).sql(f"INSERT INTO sqlite_schema VALUES {row}").write(tmp_path / "trace.sqlite")
    refused(path, CorruptTraceError, "malformed database schema", "export it again")


@pytest.mark.parametrize("name", ['a"b', "a;--", "", "sélect", "order", "a\nb", "x" * 1_000, "[x]", "%s{}"])
def test_hostile_names_of_tables_and_columns(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    export = launches().sql(f"CREATE TABLE {quoted}({quoted}, b)").sql(f"INSERT INTO {quoted} VALUES (1, 2), (3, 4)")
    reading = read(export.write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    assert (reading.counts[name], reading.columns[name]) == (2, [name, "b"])


def test_a_table_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = launches().sql("CREATE TABLE aaaaXXXXbbbb(c)").write(tmp_path / "trace.sqlite")
    path.write_bytes(path.read_bytes().replace(b"aaaaXXXXbbbb", b"aaaa\xff\xfe\xff\xfebbbb"))
    reading = read(path)
    assert_sound(reading)
    assert "table aaaa\ufffd\ufffd\ufffd\ufffdbbbb" in reading.message("schema_object")


def test_a_column_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = launches().add_column(KERNEL, "aaaaXXXXbbbb").write(tmp_path / "trace.sqlite")
    path.write_bytes(path.read_bytes().replace(b"aaaaXXXXbbbb", b"aaaa\xff\xfe\xff\xfebbbb"))
    reading = read(path)
    assert_sound(reading)
    assert reading.columns[KERNEL][-1] == "aaaa\ufffd\ufffd\ufffd\ufffdbbbb"


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("page_size", [512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536])
def test_page_sizes_and_encodings(tmp_path: Path, encoding: str, page_size: int) -> None:
    export = launches().kernel("ядро 🚀", 100_000, 100_400)
    reading = read(export.write(tmp_path / "trace.sqlite", page_size=page_size, encoding=encoding))
    assert reading.kernels() == {"kernel0": 17, "kernel1": 17, "kernel2": 16, "ядро 🚀": 1}


def test_text_that_is_not_utf16(tmp_path: Path) -> None:
    export = launches().string_row(70, RawText(b"a\x00\x00\xd8b\x00")).kernel("k", 100_000, 100_400, demangledName=70)
    reading = read(export.write(tmp_path / "trace.sqlite", encoding="UTF-16le"))
    (name,) = reading.kernels().keys() - {"kernel0", "kernel1", "kernel2"}
    assert name.startswith("a")
    assert reading.summary("kernels")["kernels"] == 51


@pytest.mark.parametrize("table", ["StringIds", KERNEL, RUNTIME, NVTX])
def test_a_table_without_row_ids(tmp_path: Path, table: str) -> None:
    columns = ", ".join(f'"{name}"' for name in read(launches().write(tmp_path / "plain.sqlite")).columns[table])
    key = "id" if table == "StringIds" else "start"
    export = (
        launches()
        .sql(f"ALTER TABLE {table} RENAME TO old")
        .sql(f"CREATE TABLE {table}({columns}, PRIMARY KEY({key})) WITHOUT ROWID")
        .sql(f"INSERT INTO {table} SELECT * FROM old")
    )
    assert_sound(read(export.write(tmp_path / "trace.sqlite")))


@pytest.mark.parametrize("names", [["rowid"], ["ROWID", "_rowid_"], ["oid"], ["rowid", "_rowid_", "oid"]])
def test_columns_that_hide_the_row_id(tmp_path: Path, names: list[str]) -> None:
    export = launches(30_000)
    for table in (KERNEL, RUNTIME, NVTX):
        for name in names:
            export.add_column(table, name, "TEXT")
    export.sql(f"UPDATE {KERNEL} SET \"{names[0]}\" = 'same'")
    assert_sound(read(export.write(tmp_path / "trace.sqlite"), threads=4), 30_000)


@pytest.mark.parametrize("table", [KERNEL, RUNTIME, NVTX, "StringIds", "PROCESSES"])
def test_more_columns_and_other_order(tmp_path: Path, table: str) -> None:
    plain = read(launches().write(tmp_path / "plain.sqlite")).columns[table]
    columns = ", ".join(f'"{name}"' for name in reversed(plain))
    export = launches().sql(f"ALTER TABLE {table} RENAME TO old").sql("CREATE TABLE unknown(a, b)")
    export.sql(f"CREATE TABLE {table} AS SELECT 'new' AS \"from the future\", {columns} FROM old")
    export.sql(f"CREATE INDEX by_another_tool ON {table}({columns.split(',')[0]} COLLATE NOCASE)")
    reading = read(export.write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    assert reading.counts["unknown"] == 0
    assert reading.codes == set()


def test_an_index_that_sqlite_cannot_use(tmp_path: Path) -> None:
    export = launches().sql(f"CREATE INDEX foreign_index ON {KERNEL}(start COLLATE NOCASE)").sql(WRITABLE)
    export.sql("UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'NOSUCH') WHERE name = 'foreign_index'")
    assert_sound(read(export.write(tmp_path / "trace.sqlite")))


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (KERNEL, "globalPid"),
        (KERNEL, "graphNodeId"),
        (KERNEL, "graphId"),
        (KERNEL, "demangledName"),
        (KERNEL, "mangledName"),
        (KERNEL, "streamId"),
        (RUNTIME, "eventClass"),
        (RUNTIME, "nameId"),
        (RUNTIME, "returnValue"),
        (NVTX, "endGlobalTid"),
        (NVTX, "textId"),
        (NVTX, "domainId"),
    ],
)
def test_a_missing_column_that_is_not_needed(tmp_path: Path, table: str, column: str) -> None:
    reading = read(launches().drop(table, column).write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    assert reading.codes == set()


def test_missing_names(tmp_path: Path) -> None:
    export = launches(3).drop(KERNEL, "demangledName", "shortName").drop(NVTX, "text").drop(RUNTIME, "nameId")
    reading = read(export.write(tmp_path / "trace.sqlite"))
    assert_sound(reading, 3)
    assert reading.kernels() == {"<no name>": 3}
    assert [row["range_name"] for row in reading.rows("nvtx", "nvtx_ranges")] == [""]


@pytest.mark.parametrize("table", [KERNEL, RUNTIME])
def test_missing_correlation_ids(tmp_path: Path, table: str) -> None:
    reading = read(launches().drop(table, "correlationId").write(tmp_path / "trace.sqlite"))
    assert reading.summary("kernels") == {"kernels": 50, "total_ns": 20_000}
    assert reading.summary("nvtx")["correlated_kernels"] == 0
    assert "50 of 50 kernels have no API call" in " ".join(reading.sections["nvtx"].limitations)


def test_missing_device_ids(tmp_path: Path) -> None:
    reading = read(launches().drop(KERNEL, "deviceId").write(tmp_path / "trace.sqlite"))
    assert_sound(reading)
    (device,) = reading.rows("gpu_idle", "gpu_devices")
    assert (device["device_id"], device["gpu_id"]) == (None, None)


@pytest.mark.parametrize("column", ["start", "end"])
def test_kernels_without_times(tmp_path: Path, column: str) -> None:
    reading = read(launches().drop(KERNEL, column).write(tmp_path / "trace.sqlite"))
    assert reading.rejected == {KERNEL: 50}
    assert reading.codes == {"rejected_rows", "no_gpu_activity"}
    assert reading.sections["kernels"].status == "missing"


def test_no_strings_at_all(tmp_path: Path) -> None:
    reading = read(launches(3).drop("StringIds").write(tmp_path / "trace.sqlite"))
    assert set(reading.kernels()) == {"<id 1>", "<id 2>", "<id 3>"}


def test_the_kernel_table_of_old_exports(tmp_path: Path) -> None:
    export = launches().sql(f"ALTER TABLE {KERNEL} RENAME TO CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL")
    assert_sound(read(export.write(tmp_path / "trace.sqlite")))


def test_table_names_in_any_case(tmp_path: Path) -> None:
    export = (
        launches().sql(f"ALTER TABLE {KERNEL} RENAME TO other").sql(f"ALTER TABLE other RENAME TO {KERNEL.lower()}")
    )
    assert_sound(read(export.write(tmp_path / "trace.sqlite")))


def test_tables_that_are_present_but_empty(tmp_path: Path) -> None:
    """``nsys export --lazy=false`` makes every table."""
    export = Export()
    tables = [KERNEL, RUNTIME, NVTX, "StringIds", "CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"]
    for table in tables:
        export.declare(table)
    reading = read(export.write(tmp_path / "trace.sqlite"))
    assert reading.codes == {"no_cuda_activity"}
    assert reading.window == {"start_ns": None, "end_ns": None, "source": "trace"}
    assert reading.info["span_ns"] is None
    assert {reading.counts[table] for table in tables} == {0}
    assert {section.status for section in reading.sections.values()} == {"missing"}


def test_an_export_that_holds_only_versions(tmp_path: Path) -> None:
    reading = read(Export().write(tmp_path / "trace.sqlite"))
    assert reading.codes == {"no_cuda_activity"}
    assert set(reading.counts) == {"META_DATA_EXPORT"}
