"""Which files a report consists of, and writing them."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer import _native
from nsys_llm_explainer.render.csv_ import table_csv
from nsys_llm_explainer.render.figures import charts as charts_of
from nsys_llm_explainer.render.figures.svg import PICTURES, pictures
from nsys_llm_explainer.render.json_ import report_json
from nsys_llm_explainer.render.markdown import report_markdown
from nsys_llm_explainer.render.place import place
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.report import FORMATS, Report

MARKDOWN = "report.md"
JSON = "report.json"
HTML = "report.html"
FIGURES = "figures"


def csv_name(table: str) -> str:
    """Returns the path of a table's CSV file inside the report's directory."""
    return f"tables/{table}.csv"


def known_csv_names() -> set[str]:
    """Returns the path of every CSV file that a report of this version can hold."""
    return {csv_name(table["name"]) for section in _native.schema() for table in section["tables"]}


def check_formats(formats: tuple[str, ...]) -> None:
    """Makes sure that formats are known and at least one is named.

    Raises:
        ValueError: They are not.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"unknown format {unknown[0] if unknown else ''!r}: expected some of {', '.join(FORMATS)}")


def write_report(report: Report, directory: Path, formats: tuple[str, ...], *, kernel_limit: int) -> list[Path]:
    """Writes the files of a report; see ``Report.write``."""
    check_formats(formats)
    if kernel_limit < 1:
        raise ValueError(f"kernel_limit must be at least 1, not {kernel_limit}")
    files = report_files(report, formats, kernel_limit=kernel_limit)
    stale = sorted(known_csv_names() - files.keys()) if "csv" in formats else []
    if "md" in formats:
        stale += sorted({f"{FIGURES}/{name}.svg" for name in PICTURES} - files.keys())
    return place(files, directory, stale=stale)


def report_files(report: Report, formats: tuple[str, ...], *, kernel_limit: int) -> dict[str, bytes]:
    """Returns the content of every file of a report, by its path inside the report's directory."""
    files: dict[str, bytes] = {}
    tables = Tables(report)
    charts = charts_of(tables) if "md" in formats or "html" in formats else {}
    if "md" in formats:
        drawn = {f"{FIGURES}/{name}.svg": picture for name, picture in pictures(tables, charts).items()}
        links = {picture.section: (path, picture.alternative) for path, picture in drawn.items()}
        files[MARKDOWN] = _encoded(report_markdown(report, tables, kernel_limit=kernel_limit, pictures=links))
        files.update((path, _encoded(picture.text)) for path, picture in drawn.items())
    if "json" in formats:
        files[JSON] = _encoded(report_json(report, tables))
    if "csv" in formats:
        files.update((csv_name(table.name), _encoded(table_csv(table))) for table in tables.all())
    if "html" in formats:
        from nsys_llm_explainer.render.page import report_html  # noqa: PLC0415 - other formats need no templates

        files[HTML] = report_html(report, tables, charts)
    return files


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
