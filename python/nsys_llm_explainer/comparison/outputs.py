"""Which files a comparison consists of, and writing them."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer.comparison.markdown import comparison_markdown
from nsys_llm_explainer.comparison.page import comparison_html
from nsys_llm_explainer.comparison.value import FORMATS, Comparison
from nsys_llm_explainer.render.csv_ import table_csv
from nsys_llm_explainer.render.json_ import json_text
from nsys_llm_explainer.render.place import place

MARKDOWN = "diff.md"
JSON = "diff.json"
HTML = "diff.html"


def csv_name(table: str) -> str:
    """Returns the path of a table's CSV file inside the directory.

    Args:
        table: The name of the table; no table of a report has it.
    """
    return f"tables/{table}.csv"


def write_comparison(comparison: Comparison, directory: Path, formats: tuple[str, ...]) -> list[Path]:
    """Writes the files of a comparison; see ``Comparison.write``."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"unknown format {unknown[0] if unknown else ''!r}: expected some of {', '.join(FORMATS)}")
    files = comparison_files(comparison, formats)
    stale = {csv_name(table.name) for table in comparison.tables.values()} - files.keys() if "csv" in formats else set()
    return place(files, directory, stale=sorted(stale))


def comparison_files(comparison: Comparison, formats: tuple[str, ...] = FORMATS) -> dict[str, bytes]:
    """Returns the content of every file of a comparison, by its path inside the directory."""
    files: dict[str, bytes] = {}
    if "md" in formats:
        files[MARKDOWN] = _encoded(comparison_markdown(comparison))
    if "json" in formats:
        files[JSON] = _encoded(json_text(comparison.to_dict()))
    if "csv" in formats:
        for table in comparison.tables.values():
            if table.held:
                files[csv_name(table.name)] = _encoded(table_csv(table))
    if "html" in formats:
        files[HTML] = comparison_html(comparison)
    return files


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
