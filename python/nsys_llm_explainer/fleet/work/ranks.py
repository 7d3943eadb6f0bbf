"""The traces of a job as ranks of one run: their clocks aligned, and who the others wait for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nsys_llm_explainer.category_rules import CategoryRules
from nsys_llm_explainer.errors import NsysError
from nsys_llm_explainer.fleet.columns import Column
from nsys_llm_explainer.fleet.result import ExtraSection, SectionMaker, TraceResult
from nsys_llm_explainer.job import explain_ranks
from nsys_llm_explainer.job.tables import RankTable
from nsys_llm_explainer.job.value import RankReport
from nsys_llm_explainer.nsys_export import is_report
from nsys_llm_explainer.sections.view import Kind

ID = "ranks"
TITLE = "Ranks of one job"
_TEXTS = frozenset({Kind.NAME, Kind.LABEL, Kind.TEXT})


def ranks_section(folder: Path, categories: CategoryRules | None) -> SectionMaker:
    """Returns what compares the traces of a job as ranks of one run, and writes ranks.md and its kin.

    Args:
        folder: Where those files go.
        categories: Kernel categories of the user, as for the reports of the traces.
    """

    def make(traces: Sequence[TraceResult]) -> list[ExtraSection]:
        left_out = [f"{trace.name} is left out: it failed." for trace in traces if trace.error is not None]
        whole = [trace for trace in traces if trace.error is None]
        left_out += [
            f"{trace.name} is left out: ranks are compared by exports; export {Path(trace.path).name} first."
            for trace in whole
            if is_report(trace.path)
        ]
        files = [trace for trace in whole if not is_report(trace.path)]
        if len(files) < 2:
            return [_nothing("Ranks of one job need at least two traces that could be explained.", left_out)]
        reports = [json.loads((trace.folder / "report.json").read_bytes()) for trace in files]
        names = [trace.name for trace in files]
        try:
            report = explain_ranks([trace.path for trace in files], reports, names=names, categories=categories)
        except (NsysError, OSError) as error:
            return [_nothing(f"The traces could not be compared: {error}", left_out)]
        report.write(folder)
        return [_section(report, left_out)]

    return make


def _nothing(why: str, left_out: Sequence[str]) -> ExtraSection:
    return ExtraSection(ID, TITLE, notes=(why, *left_out))


def _section(report: RankReport, left_out: Sequence[str]) -> ExtraSection:
    table = report.tables["ranks"]
    verdicts = [verdict.text for verdict in report.verdicts]
    notes = (report.headline, *verdicts, *report.warnings, *left_out, "ranks.md and ranks.html say how and hold more.")
    return ExtraSection(ID, TITLE, _columns(table), table.rows, notes)


def _columns(table: RankTable) -> tuple[Column, ...]:
    return tuple(
        Column(
            column.name,
            _type(column.kind, [row[column.name] for row in table.rows]),
            column.about,
            column.header,
            column.kind if column.header else None,
        )
        for column in table.columns
    )


def _type(kind: Kind, values: Sequence[object]) -> str:
    if kind in _TEXTS:
        return "text"
    if kind is Kind.FLAG:
        return "bool"
    return "float" if kind is Kind.PERCENT or any(isinstance(value, float) for value in values) else "int"
