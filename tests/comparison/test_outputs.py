"""The files of a comparison: whole, safe, valid, the same for the same input."""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from nsys_llm_explainer import Report, analyze, compare
from nsys_llm_explainer.comparison.columns import TABLES
from nsys_llm_explainer.comparison.outputs import comparison_files
from nsys_llm_explainer.comparison.terminal import HEIGHT, WIDTH, summary_lines
from nsys_llm_explainer.comparison.value import Comparison, table
from nsys_llm_explainer.render.escape import terminal
from tests.comparison.conftest import Runs
from tests.render.conftest import hostile_export
from tests.support.export import Export

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(resources("nsys_llm_explainer").joinpath("diff.schema.json").read_text("utf-8"))
)


@pytest.fixture(scope="module")
def slower(runs: Runs) -> Comparison:
    return compare(runs(), runs(causes={"launch_delay_ns": 3_000_000}))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("hostile")
    reports: list[Report] = []
    for name in ("tr|ace<b>`x`.sqlite", "=1+1.sqlite"):
        export = hostile_export()
        if reports:
            export.kernel("<script>new</script>", 9_000_000, 9_900_000, device=0)
        reports.append(analyze(export.write(folder / name)))
    return compare(*reports, allow_different=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    path = Export().call("cudaFree_v3020", 0, 10).write(tmp_path_factory.mktemp("empty") / "empty.sqlite")
    return compare(path, path)


@pytest.mark.parametrize("name", ["slower", "hostile", "empty"])
def test_json_fits_its_schema(name: str, request: pytest.FixtureRequest) -> None:
    comparison: Comparison = request.getfixturevalue(name)
    value = json.loads(comparison_files(comparison, ("json",))["diff.json"])
    assert [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(value)] == []
    assert list(value["tables"]) == [spec.name for spec in TABLES]


def test_the_schema_refuses_what_is_wrong(slower: Comparison) -> None:
    value = json.loads(comparison_files(slower, ("json",))["diff.json"])
    value["tables"]["devices"]["rows"][0]["unheard_of"] = 1
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(value)


def test_files(slower: Comparison, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "kernels.csv").write_text("a report's own")
    (tmp_path / "tables" / "diff_amounts.csv").write_text("of an earlier comparison")
    written = slower.write(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in written}
    assert {"diff.md", "diff.json", "diff.html", "tables/diff_step_times.csv"} <= names
    assert (tmp_path / "tables" / "kernels.csv").read_text() == "a report's own"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "earlier" in path.read_text("utf-8")[:40]]


@pytest.mark.parametrize("formats", [(), ("md", "pdf")])
def test_unknown_formats(slower: Comparison, tmp_path: Path, formats: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="unknown format"):
        slower.write(tmp_path, formats)
    assert list(tmp_path.iterdir()) == []


def test_the_same_bytes(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (comparison_files(compare(runs(), runs(seed=1))) for _ in range(2))
    assert first == second


def test_the_verdict_comes_first(slower: Comparison) -> None:
    lines = comparison_files(slower, ("md",))["diff.md"].decode().splitlines()
    assert lines[0].startswith("# Comparison: ")
    assert lines[2].startswith("Decode steps take ")
    assert "not why" in lines[4]
    headings = [line for line in lines if line.startswith("## ")]
    assert headings[:3] == ["## What changed", "## Where idle time comes from", "## Can they be compared"]


def test_csv_holds_every_row(slower: Comparison) -> None:
    for name, content in comparison_files(slower, ("csv",)).items():
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        one = slower.tables[Path(name).stem[len("diff_") :]]
        assert len(rows) == one.total_rows
        assert list(rows[0]) == [column["name"] for column in one.columns]


def test_hostile_text_stays_text(hostile: Comparison) -> None:
    files = {name: content.decode() for name, content in comparison_files(hostile).items()}
    page = files["diff.html"]
    for markup in ("<script>alert", "<script>new", "<img src=x", "<b>`x`"):
        assert markup not in page
        assert markup not in files["diff.md"].replace("\\<", "")
    tokens = MarkdownIt("commonmark").enable("table").parse(files["diff.md"])
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"html_block", "html_inline", "link_open", "image"}
    for name, content in files.items():
        if name.endswith(".csv"):
            cells = [cell for row in csv.reader(io.StringIO(content)) for cell in row]
            assert not [cell for cell in cells if re.match(r"[=@\t\r]|[+-](?![\d.])", cell)]


def test_the_page_asks_nobody(slower: Comparison) -> None:
    page = comparison_files(slower, ("html",))["diff.html"].decode()
    own = page[: page.index('<script type="text/plain" id="library">')]
    assert "http" not in own.replace("http-equiv", "")
    assert "default-src &#39;none&#39;" in own
    assert 'id="chart-budget"' in own
    assert 'id="chart-periods_decode"' in own
    assert 'href="#table-diff_device_budget"' in own
    assert 'id="table-diff_device_budget"' in own


@pytest.mark.parametrize("name", ["slower", "hostile", "empty"])
def test_the_summary_is_one_screen(name: str, request: pytest.FixtureRequest) -> None:
    lines = summary_lines(request.getfixturevalue(name), "somewhere/diff.md")
    assert len(lines) <= HEIGHT
    assert all(terminal.cells(line) <= WIDTH for line in lines)
    assert lines[-1] == "Comparison: somewhere/diff.md"


def test_tables_hold_what_they_declare() -> None:
    with pytest.raises(KeyError, match=r"devices\.surprise"):
        table("devices", [{"surprise": 1}])
    with pytest.raises(KeyError, match="nothing"):
        table("nothing", [])
    names = [spec.name for spec in TABLES]
    assert len(names) == len(set(names))
    for spec in TABLES:
        columns = [column.name for column in spec.columns]
        assert len(columns) == len(set(columns))
        units: list[Any] = [(column.name, column.unit) for column in spec.columns if column.name.endswith("_ns")]
        assert all(unit == "ns" for _, unit in units)
