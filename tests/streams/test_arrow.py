"""Streams as Arrow: batches, types, and what polars, DuckDB, pandas-style and plain readers make of them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from nsys_llm_explainer import Trace, open_trace
from tests.support.export import Export, RawText

BATCH = 65_536


@pytest.fixture(scope="module")
def many_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    export = Export()
    for number in range(2 * BATCH + 10):
        export.kernel(f"k{number % 3}", 10 * number, 10 * number + 5, corr=number, stream=number % 2)
    return export.write(tmp_path_factory.mktemp("many") / "many.sqlite")


@pytest.fixture(scope="module")
def many(many_path: Path) -> Trace:
    return open_trace(many_path)


def test_batches_come_one_by_one(many: Trace) -> None:
    stream = many.stream("kernels")
    assert (len(stream), stream.batches) == (2 * BATCH + 10, 3)
    reader = pa.RecordBatchReader.from_stream(stream)
    assert [batch.num_rows for batch in reader] == [BATCH, BATCH, 10]
    with pytest.raises(IndexError):
        stream.batch(3)


def test_a_stream_can_be_read_again_and_outlives_its_trace(many: Trace) -> None:
    stream = many.stream("kernels", ["start_ns"])
    first = pa.RecordBatchReader.from_stream(stream)
    batch = first.read_next_batch()
    second = pa.table(stream)
    assert second.num_rows == 2 * BATCH + 10
    assert first.read_next_batch().column(0)[0].as_py() == 10 * BATCH
    del stream, second
    assert batch.column(0)[1].as_py() == 10


def test_types_are_the_declared_ones(many: Trace) -> None:
    columns = ["kernel_name", "start_ns", "in_graph", "gpu_id", "category"]
    stream = many.stream("kernels", columns)
    schema = pa.RecordBatchReader.from_stream(stream).schema
    name = pa.dictionary(pa.int32(), pa.utf8())
    assert schema.types == [name, pa.int64(), pa.bool_(), pa.int64(), name]
    assert [field.nullable for field in schema] == [False, False, False, True, False]
    assert schema.field("start_ns").metadata == {b"unit": b"ns"}
    assert [column["name"] for column in stream.columns] == columns
    assert schema.names == columns


def test_every_column_of_every_stream_can_be_read(demo: Trace) -> None:
    for state in demo.streams():
        if state["status"] == "missing":
            continue
        columns = [column for column in state["columns"] if column["status"] == "ok"]
        table = pa.table(demo.stream(state["name"], [column["name"] for column in columns]))
        table.validate(full=True)
        for column in columns:
            assert column["nullable"] or table[column["name"]].null_count == 0, column


def test_names_are_dictionaries_in_order(many: Trace) -> None:
    stream = many.stream("kernels", ["kernel_name"])
    assert stream.texts("kernel_name") == ["k0", "k1", "k2"]
    with pytest.raises(KeyError):
        stream.texts("start_ns")
    chunks = pa.table(stream)["kernel_name"].chunks
    assert all(chunk.dictionary.to_pylist() == ["k0", "k1", "k2"] for chunk in chunks)


def test_lists_hold_what_arrow_holds(demo: Trace) -> None:
    stream = demo.stream("kernels", ["kernel_name", "start_ns", "range", "step", "in_graph"])
    lists = [stream.batch(number) for number in range(stream.batches)]
    texts = {name: stream.texts(name) for name in ("kernel_name", "range")}
    rows = pa.table(stream).to_pydict()
    for name, values in rows.items():
        found = [value for batch in lists for value in batch[name]]
        if name in texts:
            found = [None if code is None else texts[name][code] for code in found]
        assert found == values


def test_polars_and_duckdb_agree(demo: Trace) -> None:
    stream = demo.stream("kernels", ["kernel_name", "duration_ns", "device_id"])
    frame = pl.DataFrame(stream)
    assert frame.schema["kernel_name"] == pl.Categorical
    by_polars = frame.group_by("device_id").agg(pl.sum("duration_ns")).sort("device_id").rows()
    with duckdb.connect() as connection:
        connection.register("kernels", pa.RecordBatchReader.from_stream(stream))
        query = "SELECT device_id, sum(duration_ns)::BIGINT FROM kernels GROUP BY device_id ORDER BY device_id"
        assert connection.sql(query).fetchall() == by_polars
        connection.register("again", stream)
        name = frame["kernel_name"][0]
        count = connection.execute("SELECT count(*) FROM again WHERE kernel_name = ?", [name]).fetchone()
        assert count == (frame.filter(pl.col("kernel_name") == name).height,)


def test_threads_and_sources_change_no_byte(demo_path) -> None:
    columns = ["kernel_name", "start_ns", "category", "range", "step", "gap_cause", "gap_before_ns", "call_id"]
    outputs = []
    for source, threads in (("pages", 1), ("pages", 5), ("sqlite", 3)):
        trace = open_trace(demo_path, source=source)
        sink = pa.BufferOutputStream()
        reader = pa.RecordBatchReader.from_stream(trace.stream("kernels", columns, threads=threads))
        with pa.ipc.new_stream(sink, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        outputs.append(sink.getvalue().to_pybytes())
    assert outputs[0] == outputs[1] == outputs[2]


def test_one_reading_gives_the_same_as_several(demo: Trace) -> None:
    wanted = {
        "kernels": ["range", "step", "stream_id", "gap_cause"],
        "ranges": ["raw_name", "range_name"],
        "steps": None,
    }
    together = demo.read_streams(wanted)
    for name, columns in wanted.items():
        assert pa.table(together[name]).equals(pa.table(demo.stream(name, columns)))


def test_text_that_is_no_utf8_is_decoded_leniently(export_file) -> None:
    export = Export().kernel("k", 1, 2, demangledName=900).string_row(900, RawText(b"a\xff\x1b[31m"))
    stream = open_trace(export_file(export)).stream("kernels", ["kernel_name"])
    assert pa.table(stream)["kernel_name"].to_pylist() == ["a\ufffd\x1b[31m"]


def test_an_empty_stream_has_its_schema(export_file) -> None:
    stream = open_trace(export_file(Export().kernel("bad", 9, 3))).stream("kernels")
    table = pa.table(stream)
    assert table.num_rows == 0
    assert table.schema.names[0] == "kernel_name"
    assert pl.DataFrame(stream).height == 0


def test_progress_is_told_and_an_interrupt_ends_the_reading(many_path: Path) -> None:
    # Row by row on one thread, so that it takes longer than the 40 ms after which signals are looked at.
    trace = open_trace(many_path, source="sqlite")
    seen: list[tuple[str, int, int]] = []

    def interrupt(*state: object) -> None:
        seen.append(state)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace.stream("kernels", ["gap_cause", "step"], threads=1, progress=interrupt)
    assert len(seen) == 1
    assert seen[0][0] in {"reading", "computing"}
