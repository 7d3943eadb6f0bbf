"""The files over all traces, and writing them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nsys_llm_explainer.fleet.columns import DEVICES, Column
from nsys_llm_explainer.fleet.figures import budget_picture
from nsys_llm_explainer.fleet.markdown import fleet_markdown
from nsys_llm_explainer.fleet.page import fleet_html
from nsys_llm_explainer.fleet.parquet import fleet_parquet, is_there
from nsys_llm_explainer.fleet.result import Fleet
from nsys_llm_explainer.render.escape.csv import text_cell
from nsys_llm_explainer.render.json_ import json_text
from nsys_llm_explainer.render.place import place

MARKDOWN = "fleet.md"
JSON = "fleet.json"
CSV = "fleet.csv"
HTML = "fleet.html"
PARQUET = "fleet.parquet"
PICTURE = "fleet.svg"
ALL = (MARKDOWN, JSON, CSV, HTML, PARQUET, PICTURE)
#: What the comparison of ranks writes beside them.
RANKS = ("ranks.md", "ranks.json", "ranks.html", "tables")


def names_of_files() -> tuple[str, ...]:
    """Returns the names that the fleet's files take, which no trace's folder can have."""
    return (*ALL, *RANKS)


def check_parquet() -> Iterator[str]:
    """Yields what to tell people where fleet.parquet cannot be written."""
    if not is_there():
        yield f"{PARQUET} is not written, as pyarrow is not installed (pip install pyarrow); {CSV} holds the same table"


def write_fleet(fleet: Fleet, folder: Path) -> list[Path]:
    """Writes the files of the fleet, all or none.

    Args:
        fleet: All traces.
        folder: Where they go.

    Raises:
        OSError: A file cannot be written; what was there stays.
    """
    files = fleet_files(fleet)
    stale = [name for name in ALL if name not in files]
    if not any(section.id == "ranks" and section.columns for section in fleet.sections):
        stale += _ranks_before(folder)
    return place(files, folder, stale=stale)


def _ranks_before(folder: Path) -> list[str]:
    """Returns the files of a comparison of ranks that an earlier job left here: its verdict is not this job's.

    One that the fleet's files beside it do not speak of was written by somebody else, and stays.
    """
    try:
        fleet = json.loads((folder / JSON).read_bytes())
        ranks = json.loads((folder / "ranks.json").read_bytes())
        if not fleet["sections"]["ranks"]["columns"]:
            return []
        tables = [f"tables/{name}.csv" for name in ranks["tables"] if name.isidentifier()]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in ("ranks.md", "ranks.json", "ranks.html", *tables) if (folder / name).is_file()]


def fleet_files(fleet: Fleet) -> dict[str, bytes]:
    """Returns the content of every file of the fleet, by name."""
    picture = budget_picture(fleet)
    link = None if picture is None else (PICTURE, picture.alternative)
    files = {
        MARKDOWN: _encoded(fleet_markdown(fleet, link)),
        JSON: _encoded(json_text(fleet.to_dict())),
        CSV: _encoded(table_csv(DEVICES, fleet.devices)),
        HTML: fleet_html(fleet),
    }
    if picture is not None:
        files[PICTURE] = _encoded(picture.text)
    if is_there():
        files[PARQUET] = fleet_parquet(fleet)
    return files


def table_csv(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a table as CSV: a header, then one line per row; what is absent is empty."""
    lines = [",".join(column.name for column in columns)]
    lines += [",".join(_csv(row.get(column.name)) for column in columns) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _csv(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return text_cell(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
