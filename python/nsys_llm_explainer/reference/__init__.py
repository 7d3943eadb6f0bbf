"""Pages and the JSON Schemas that are generated from the code, so that they cannot disagree with it."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer.reference.diff_schema import SCHEMA_FILE as DIFF_SCHEMA_FILE
from nsys_llm_explainer.reference.diff_schema import diff_schema_text
from nsys_llm_explainer.reference.findings_page import findings_page
from nsys_llm_explainer.reference.fleet_schema import FLEET_SCHEMA_FILE, fleet_schema_text
from nsys_llm_explainer.reference.json_schema import SCHEMA_FILE, schema_text
from nsys_llm_explainer.reference.metrics_page import metrics_page
from nsys_llm_explainer.reference.ranks_schema import RANKS_SCHEMA_FILE, ranks_schema_text
from nsys_llm_explainer.reference.streams_page import streams_page


def generated_files(root: Path) -> dict[Path, str]:
    """Returns what every generated file of the project has to hold.

    Args:
        root: The project's root.
    """
    return {
        root / "docs" / "metrics.md": metrics_page(),
        root / "docs" / "findings.md": findings_page(),
        root / "docs" / "streams.md": streams_page(),
        root / "python" / "nsys_llm_explainer" / SCHEMA_FILE: schema_text(),
        root / "python" / "nsys_llm_explainer" / DIFF_SCHEMA_FILE: diff_schema_text(),
        root / "python" / "nsys_llm_explainer" / FLEET_SCHEMA_FILE: fleet_schema_text(),
        root / "python" / "nsys_llm_explainer" / RANKS_SCHEMA_FILE: ranks_schema_text(),
    }


def stale_files(root: Path) -> list[Path]:
    """Returns the generated files that are absent or differ from what the code says."""
    return [path for path, text in generated_files(root).items() if not _holds(path, text)]


def write_files(root: Path) -> None:
    """Writes every generated file."""
    for path, text in generated_files(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
