"""The files over all traces: their schema, hostile text, what was not captured, the page in a browser."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from nsys_llm_explainer import analyze
from nsys_llm_explainer.fleet.columns import DEVICES, OUTLIERS, STEPS, Column
from nsys_llm_explainer.fleet.outputs import fleet_files
from nsys_llm_explainer.fleet.result import ExtraSection, Fleet, TraceResult, fleet_of
from nsys_llm_explainer.fleet.summary import summarise
from nsys_llm_explainer.fleet.terminal import WIDTH, fleet_lines
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.sections import Kind
from tests.render.conftest import hostile_export
from tests.render.hostile import HOSTILE
from tests.support.export import Export

SCHEMA = json.loads(files("nsys_llm_explainer").joinpath("fleet.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def _result(path: Path, name: str = "t") -> TraceResult:
    return TraceResult(name, str(path), path.parent / "reports" / name, summarise(analyze(path)), None, 1)


def hostile_fleet(folder: Path) -> Fleet:
    """Returns a fleet in which every text is hostile."""
    good = _result(hostile_export().write(folder / "tr|ace<b>`x`.sqlite"), "tr_ace_b__x_")
    bad = [
        TraceResult(f"bad{number}", f"/x/{text}", folder, None, ("SomeError", text))
        for number, text in enumerate(HOSTILE)
    ]
    columns = (Column("text", "text", HOSTILE[0], HOSTILE[1], Kind.LABEL),)
    extra = ExtraSection("extra", HOSTILE[0], columns, tuple({"text": text} for text in HOSTILE), HOSTILE)
    return fleet_of([good, *bad], "2026-01-01T00:00:00Z", [extra])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A fleet in which every text is hostile."""
    return hostile_fleet(tmp_path_factory.mktemp("hostile"))


def test_the_schema_is_one_and_fits(hostile: Fleet, real_trace: Path, tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for fleet in (hostile, fleet_of([_result(real_trace)], "2026-01-01T00:00:00Z")):
        value = json.loads(fleet_files(fleet)["fleet.json"])
        assert [error.message for error in VALIDATOR.iter_errors(value)] == []
        names = [column.name for column in DEVICES]
        assert all(list(row) == names for row in value["tables"]["devices"]["rows"])


def test_the_schema_refuses_what_is_wrong(hostile: Fleet) -> None:
    value = json.loads(fleet_files(hostile)["fleet.json"])
    value["tables"]["devices"]["rows"][0].pop("idle_share")
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(value)


@pytest.mark.parametrize("column", [*DEVICES, *STEPS, *OUTLIERS], ids=lambda column: column.name)
def test_columns_carry_their_unit(column: Column) -> None:
    assert (column.unit == "ns") == column.name.endswith("_ns")
    assert column.type in {"text", "int", "float", "bool"}
    assert column.description.endswith(".")
    assert bool(column.header) == (column.kind is not None)
    if column.kind is Kind.PERCENT:
        assert column.name.endswith("_share")


def test_the_figures_are_those_of_the_reports(trace_file: Any) -> None:
    path = trace_file("mfu_2gpu_before")
    report, fleet = analyze(path), fleet_of([_result(path)], "2026-01-01T00:00:00Z")
    devices = report.sections["gpu_idle"].tables["gpu_devices"].rows()
    assert [row["idle_share"] for row in fleet.devices] == [row["idle_share"] for row in devices]
    assert fleet.devices[0]["top_finding"] == report.findings[0].id
    for row in fleet.devices:
        idle = sum(value or 0 for name, value in row.items() if name.startswith("idle_") and name != "idle_share")
        assert idle == pytest.approx(row["idle_share"])
        parts = row["compute_share"] + row["communication_share"] + row["copy_share"]
        assert parts == pytest.approx(row["busy_share"])
        assert row["busy_share"] + row["idle_share"] == pytest.approx(1)


def test_what_was_not_captured_is_null_and_not_zero(export_file: Any) -> None:
    no_gpu = _result(export_file(Export().call("cudaFree_v3020", 0, 10)), "no-gpu")
    plain = _result(export_file(Export().gpu(0, "H100").kernel("gemm", 10, 20, corr=1)), "plain")
    fleet = fleet_of([no_gpu, plain], "2026-01-01T00:00:00Z")
    first, second = fleet.devices
    assert first["status"] == "ok"
    assert first["device_id"] is first["idle_share"] is first["window_ns"] is first["decode_steps"] is None
    assert "gpu_idle" in first["not_captured"] or first["top_finding"] == "gpu_not_captured"
    assert second["busy_share"] == 1.0
    assert second["decode_period_p50_ns"] is second["tokens_per_s"] is second["nvtx_coverage"] is None
    read = list(csv.DictReader(io.StringIO(fleet_files(fleet)["fleet.csv"].decode())))
    assert (read[0]["idle_share"], read[1]["idle_share"]) == ("", "0.0")


def test_csv_holds_the_table_and_no_formula(hostile: Fleet) -> None:
    rows = list(csv.reader(io.StringIO(fleet_files(hostile)["fleet.csv"].decode(), newline="")))
    assert rows[0] == [column.name for column in DEVICES]
    assert len(rows) == 1 + len(hostile.devices)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


def test_markdown_has_no_markup_from_outside(hostile: Fleet) -> None:
    text = fleet_files(hostile)["fleet.md"].decode()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert not [token for token in [*tokens, *inline] if "html" in token.type]
    targets = {
        str(child.attrGet("href") or child.attrGet("src")) for child in inline if child.type in {"link_open", "image"}
    }
    assert targets == {"tr_ace_b__x_/", "fleet.svg"}
    headings = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert len(headings) == 5
    assert "\x1b" not in text


def test_the_terminal_stays_calm(hostile: Fleet) -> None:
    lines = fleet_lines(hostile, Path("o\x1b[31mut"))
    assert all(line.isprintable() and terminal.cells(line) <= WIDTH for line in lines)
    assert len(lines) <= 24


def test_parquet_holds_the_same_table(hostile: Fleet) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(fleet_files(hostile)["fleet.parquet"]))
    assert table.to_pylist() == [dict(row) for row in hostile.devices]
    assert table.schema.field("window_ns").type == "int64"
