"""Both sides declare the same sections, every file is registered, and every part has its test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import _native
from nsys_llm_explainer.findings import rule as rules
from nsys_llm_explainer.findings.registry import RULES
from nsys_llm_explainer.findings.rule import HEADINGS
from nsys_llm_explainer.sections import SECTIONS, Kind, SectionView
from tests.contract.modules import ROOT, SOURCE

NO_SECTION = {"__init__", "view"}
NO_RULE = {"__init__", "case", "commands", "engine", "gaps", "ledger", "registry", "rule", "suspects"}
UNIT_KINDS = {"ns": {Kind.MS, Kind.US, Kind.INSTANT}, "share": {Kind.PERCENT}}

SCHEMA: dict[str, dict[str, Any]] = {section["id"]: section for section in _native.schema()}
VIEWS = pytest.mark.parametrize("view", SECTIONS, ids=lambda view: view.id)


def _stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")}


def test_sections_are_those_of_the_core_in_its_order() -> None:
    assert len(SECTIONS) >= 15
    assert [view.id for view in SECTIONS] == list(SCHEMA)


def test_every_section_file_is_registered() -> None:
    assert _stems(SOURCE / "sections") - NO_SECTION == {view.id for view in SECTIONS}


@VIEWS
def test_a_section_has_the_same_stem_everywhere(view: SectionView) -> None:
    assert (ROOT / "rust" / "core" / "src" / "analysis" / f"{view.id}.rs").is_file()
    assert (ROOT / "tests" / "analyses" / f"test_{view.id}.py").is_file()


@VIEWS
def test_a_section_shows_every_table_and_only_columns_that_exist(view: SectionView) -> None:
    section = SCHEMA[view.id]
    assert view.title == section["title"]
    assert {table.table for table in view.tables} == {table["name"] for table in section["tables"]}
    assert {shown.column for shown in view.summary} <= {value["name"] for value in section["summary"]}
    tables = {table["name"]: table for table in section["tables"]}
    for shown_table in view.tables:
        table = tables[shown_table.table]
        columns = {column["name"]: column for column in table["columns"]}
        assert {shown.column for shown in shown_table.columns} <= columns.keys()
        for shown in shown_table.columns:
            if shown.kind is Kind.DEVICE:
                assert "gpu_id" in columns


@VIEWS
def test_units_fit_the_names(view: SectionView) -> None:
    shown = [*view.summary, *(column for table in view.tables for column in table.columns)]
    for column in shown:
        if column.column.endswith("_ns"):
            assert column.kind in {Kind.MS, Kind.US, Kind.INSTANT}, column
        if column.kind is Kind.PERCENT:
            assert "share" in column.column or column.column in {"coverage", "overlap"}, column
        if column.column.endswith("_bytes") or column.column == "bytes":
            assert column.kind is Kind.BYTES, column
        if column.column.endswith("_bytes_per_s"):
            assert column.kind is Kind.THROUGHPUT, column


def test_machine_names_carry_their_unit() -> None:
    for section in SCHEMA.values():
        for column in [*section["summary"], *(c for table in section["tables"] for c in table["columns"])]:
            assert (column["unit"] == "ns") == column["name"].endswith("_ns"), column
            assert column["description"].strip()


def test_every_rule_file_is_registered_and_tested() -> None:
    assert len(RULES) >= 24
    assert _stems(SOURCE / "findings") - NO_RULE == {rule.id for rule in RULES}
    for rule in RULES:
        assert (ROOT / "tests" / "findings" / f"test_{rule.id}.py").is_file(), rule.id


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_explains_itself(rule: Any) -> None:
    first, texts = rule.parts()
    assert first.endswith(".")
    assert tuple(texts) == HEADINGS
    assert all(len(text) > 40 for text in texts.values())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_documents_its_constants(rule: Any) -> None:
    import importlib

    module = importlib.import_module(f"nsys_llm_explainer.findings.{rule.id}")
    for threshold in rule.thresholds:
        assert hasattr(module, threshold.name) or hasattr(rules, threshold.name)
