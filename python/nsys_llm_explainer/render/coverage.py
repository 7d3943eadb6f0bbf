"""How far the report reaches: what it cannot see, and what may be said when nothing stands out."""

from __future__ import annotations

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Finding, Report

HEALTHY = "healthy"
_BY_OPTION = frozenset({"phases"})
"""Sections that are missing because the user did not ask for them, not because the capture lacks them."""


def has_gpu_work(report: Report) -> bool:
    """Returns whether the export holds any GPU operation."""
    section = report.sections.get("gpu_idle")
    return section is not None and section.status == "ok" and bool(section.summary.get("devices"))


def missing_sections(report: Report) -> list[str]:
    """Returns the ids of the sections that the capture does not allow."""
    return [name for name, section in report.sections.items() if section.status != "ok" and name not in _BY_OPTION]


def statements(report: Report) -> list[str]:
    """Returns what limits the report, one short statement each."""
    found = []
    nvtx = report.sections.get("nvtx")
    if nvtx is not None and nvtx.status == "ok" and has_gpu_work(report):
        summary = nvtx.summary
        if summary.get("coverage") is not None:
            found.append(f"NVTX ranges cover {fmt.percent(summary['coverage'])} of the kernel time")
        kernels, correlated = summary.get("kernels"), summary.get("correlated_kernels")
        if kernels:
            part = "all" if kernels == correlated else f"{fmt.count(correlated or 0)} of"
            found.append(f"launch calls found for {part} {fmt.counted(kernels, 'kernel')}")
    graphs = report.sections.get("graphs")
    if graphs is not None and graphs.summary.get("cuda_graph_mode") == "graph" and graphs.summary.get("graph_launches"):
        found.append("kernels inside CUDA graphs are not visible")
    rejected = sum((report.trace.get("rejected_rows") or {}).values())
    if rejected:
        found.append(f"{fmt.counted(rejected, 'unusable row')} rejected")
    missing = missing_sections(report)
    if missing:
        found.append(f"no data for: {', '.join(missing)}")
    return found


def strong(report: Report) -> list[Finding]:
    """Returns the findings of high or medium severity, in their order."""
    return [finding for finding in report.findings if finding.severity != "low"]


def verdict(report: Report) -> str:
    """Returns the report in one or two sentences: the first strong finding, or that there is none."""
    found = strong(report)
    if not found:
        healthy = next((finding.title for finding in report.findings if finding.id == HEALTHY), None)
        return f"{healthy or 'No finding of high or medium severity'}. That holds only as far as this capture reaches."
    text = f"{found[0].title}."
    if len(found) > 1:
        text += f" {fmt.counted(len(found) - 1, 'more finding')} of high or medium severity."
    return text


def failed_checks(report: Report) -> list[str]:
    """Returns what the report found wrong with itself."""
    return [str(warning["message"]) for warning in report.warnings if warning["code"] == "check_failed"]
