"""The declared schema of the streams, and what an export allows of it."""

from __future__ import annotations

import nsys_llm_explainer
from nsys_llm_explainer import open_trace
from nsys_llm_explainer.reference.streams_page import streams_page
from tests.support.export import Export

NAMES = ["kernels", "copies", "memsets", "graphs", "api_calls", "ranges", "os_calls", "steps", "gaps"]


def test_every_column_is_described_and_carries_its_unit() -> None:
    schema = nsys_llm_explainer.stream_schema()
    assert [stream["name"] for stream in schema] == NAMES
    for stream in schema:
        names = [column["name"] for column in stream["columns"]]
        assert len(names) == len(set(names))
        assert any(column["default"] for column in stream["columns"])
        for column in stream["columns"]:
            assert column["type"] in {"int", "text", "bool"}
            assert (column["unit"] == "ns") == column["name"].endswith("_ns"), column
            assert column["description"].strip().endswith("."), column


def test_nothing_that_is_joined_comes_unasked() -> None:
    for stream in nsys_llm_explainer.stream_schema():
        assert not [column["name"] for column in stream["columns"] if column["default"] and column["joined_from"]]


def test_what_an_export_allows(export_file) -> None:
    trace = open_trace(export_file(Export().kernel("k", 1, 2).call("cudaFree", 0, 1)))
    states = {state["name"]: state for state in trace.streams()}
    assert [name for name, state in states.items() if state["status"] == "ok"] == [
        "kernels",
        "api_calls",
        "steps",
        "gaps",
    ]
    assert states["ranges"]["missing_tables"] == ["NVTX_EVENTS"]
    assert states["ranges"]["capture_flag"] == "--trace=nvtx"
    columns = {column["name"]: column for column in states["kernels"]["columns"]}
    assert columns["api_name"]["status"] == "ok"
    assert (columns["range"]["status"], columns["range"]["capture_flag"]) == ("missing", "--trace=nvtx")
    for name, state in states.items():
        allowed = [column["name"] for column in state["columns"] if column["status"] == "ok"]
        if state["status"] == "ok" and name != "steps":
            assert len(trace.stream(name, allowed).columns) == len(allowed)


def test_the_older_kernel_table_is_one(export_file) -> None:
    path = export_file(
        Export()
        .kernel("k", 1, 2)
        .sql("ALTER TABLE CUPTI_ACTIVITY_KIND_KERNEL RENAME TO CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL")
    )
    trace = open_trace(path)
    assert next(state["status"] for state in trace.streams() if state["name"] == "kernels") == "ok"
    assert len(trace.stream("kernels")) == 1


def test_the_page_names_every_column() -> None:
    page = streams_page()
    for stream in nsys_llm_explainer.stream_schema():
        assert f"## `{stream['name']}`" in page
        assert all(f"| `{column['name']}` |" in page for column in stream["columns"])
