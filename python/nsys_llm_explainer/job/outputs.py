"""Which files a report on ranks consists of, and writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsys_llm_explainer.job.markdown import ranks_markdown
from nsys_llm_explainer.job.page import ranks_html
from nsys_llm_explainer.job.tables import RankTable
from nsys_llm_explainer.job.value import FORMATS, RankReport
from nsys_llm_explainer.render.escape.csv import text_cell
from nsys_llm_explainer.render.json_ import json_text
from nsys_llm_explainer.render.outputs import csv_name
from nsys_llm_explainer.render.place import place

MARKDOWN = "ranks.md"
JSON = "ranks.json"
HTML = "ranks.html"


def write_ranks(report: RankReport, directory: Path, formats: tuple[str, ...]) -> list[Path]:
    """Writes the files of a report; see ``RankReport.write``."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"unknown format {unknown[0] if unknown else ''!r}: expected some of {', '.join(FORMATS)}")
    return place(rank_files(report, formats), directory)


def rank_files(report: RankReport, formats: tuple[str, ...]) -> dict[str, bytes]:
    """Returns the content of every file of a report, by its path inside the report's directory."""
    files: dict[str, bytes] = {}
    if "md" in formats:
        files[MARKDOWN] = _encoded(ranks_markdown(report))
    if "json" in formats:
        files[JSON] = _encoded(json_text(report.to_dict()))
    if "csv" in formats:
        files.update({csv_name(name): _encoded(table_csv(table)) for name, table in report.tables.items()})
    if "html" in formats:
        files[HTML] = ranks_html(report)
    return files


def table_csv(table: RankTable) -> str:
    """Returns a table as CSV: a header, then one line per row; what is absent is empty."""
    names = [column.name for column in table.columns]
    lines = [names, *([_cell(row[name]) for name in names] for row in table.rows)]
    return "".join(f"{','.join(line)}\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return text_cell(value) if isinstance(value, str) else repr(value)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
