"""report.json of every real trace fits the published JSON Schema."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nsys_llm_explainer import _native, analyze
from nsys_llm_explainer.render.json_ import report_json
from tests.support.export import Export

SCHEMA = json.loads(files("nsys_llm_explainer").joinpath("report.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def _errors(path: Path, **options: Any) -> list[str]:
    report = json.loads(report_json(analyze(path, **options)))
    _check_columns(report)
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(report)]


def _check_columns(report: dict[str, Any]) -> None:
    for section in _native.schema():
        found = report["sections"][section["id"]]
        for table in section["tables"] if found["status"] == "ok" else ():
            names = [column["name"] for column in table["columns"]]
            assert [column["name"] for column in found["tables"][table["name"]]["columns"]] == names
            assert all(list(row) == names for row in found["tables"][table["name"]]["rows"])


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_real_traces_fit(real_trace: Path) -> None:
    assert _errors(real_trace) == []


def test_with_everything_switched(trace_file: Any) -> None:
    path = trace_file("a100_llm_forward_nvtx")
    assert _errors(path, phase_map={"forward": ["forward"]}, kernel_percentiles=False, nvtx_kernel_map=False) == []


def test_an_export_without_anything_fits(export_file: Any) -> None:
    assert _errors(export_file(Export().process(1, "python"))) == []


def test_the_schema_refuses_what_is_wrong(trace_file: Any) -> None:
    report = analyze(trace_file("multi_stream_async")).to_dict()
    VALIDATOR.validate(report)
    report["sections"]["kernels"]["tables"]["kernels"]["rows"][0].pop("total_ns")
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(report)
