"""What the report over all traces takes from each of them: plain data, small enough to keep beside the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsys_llm_explainer.fleet.columns import SHARES, STEP_FIGURES
from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render.figures.palette import BUCKETS, KINDS
from nsys_llm_explainer.report import SEVERITIES, Report

Row = dict[str, Any]
PARTS = ("trace", "devices", "steps", "findings", "warnings", "not_captured")
"""What a summary consists of."""

_KEPT = ("nsys_version", "export_schema_version", "capture_version", "cuda_graph_mode", "gpus")


def summarise(report: Report) -> Row:
    """Returns what the fleet keeps of a report: trace, devices, steps, findings, warnings.

    Args:
        report: The report of one trace.
    """
    return {
        "trace": _trace(report),
        "devices": _devices(report),
        "steps": _steps(report),
        "findings": [
            {key: getattr(finding, key) for key in ("id", "severity", "title", "at_stake_ns", "at_stake_share")}
            for finding in report.findings
        ],
        "warnings": [dict(warning) for warning in report.warnings],
        "not_captured": coverage.missing_sections(report),
    }


def top_finding(findings: list[Row]) -> Row | None:
    """Returns the finding that stands for the trace: the first that is not about its health, else that one."""
    others = [finding for finding in findings if finding["id"] != coverage.HEALTHY]
    return next(iter(others or findings), None)


def counts(findings: list[Row]) -> Row:
    """Returns how many findings there are of each severity."""
    real = [finding for finding in findings if finding["id"] != coverage.HEALTHY]
    return {f"findings_{name}": sum(finding["severity"] == name for finding in real) for name in SEVERITIES}


def _trace(report: Report) -> Row:
    start, end = report.window.get("start_ns"), report.window.get("end_ns")
    steps = _figures(report, "steps")
    return {
        **{key: report.trace.get(key) for key in _KEPT},
        "window_ns": None if start is None or end is None else end - start,
        "tokens_per_s": steps.get("tokens_per_s"),
        "steps_source": steps.get("source") or None,
        "steps_confidence": steps.get("confidence") or None,
        "nvtx_coverage": _figures(report, "nvtx").get("coverage"),
    }


def _figures(report: Report, section: str) -> Mapping[str, Any]:
    found = report.sections.get(section)
    return found.summary if found is not None and found.status == "ok" else {}


def _rows(report: Report, section: str, table: str) -> list[Row]:
    found = report.sections.get(section)
    return found.tables[table].rows() if found is not None and found.status == "ok" else []


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["device_id"], row["gpu_id"]


def _devices(report: Report) -> list[Row]:
    buckets: dict[tuple[Any, Any], Row] = {}
    for row in _rows(report, "budget", "device_time"):
        buckets.setdefault(_key(row), {})[row["bucket"]] = row["share"]
    categories: dict[tuple[Any, Any], list[Row]] = {}
    for row in _rows(report, "categories", "kernel_categories"):
        categories.setdefault(_key(row), []).append(row)
    steps = _steps(report)
    return [
        {
            "device_id": row["device_id"],
            "gpu_id": row["gpu_id"],
            "gpu_name": row["gpu_name"],
            "window_ns": row["window_ns"],
            "busy_share": row["busy_ns"] / row["window_ns"] if row["window_ns"] else None,
            "idle_share": row["idle_share"],
            **_budget(buckets.get(_key(row), {})),
            **_category(categories.get(_key(row), [])),
            **_kinds([step for step in steps if _key(step) == _key(row)]),
        }
        for row in _rows(report, "gpu_idle", "gpu_devices")
    ]


def _budget(shares: Mapping[str, float | None]) -> Row:
    idle = [(share, bucket) for bucket, share in shares.items() if bucket.startswith("idle.") and share]
    main = max(idle, key=lambda item: (item[0], item[1]))[1] if idle else None
    return {"main_idle_cause": main, **{name: shares.get(bucket) for bucket, name in zip(BUCKETS, SHARES)}}


def _category(rows: list[Row]) -> Row:
    total = sum(row["total_ns"] for row in rows)
    top = max(rows, key=lambda row: (row["total_ns"], row["category"]), default=None)
    if top is None or not total:
        return {"top_category": None, "top_category_share": None}
    return {"top_category": top["category"], "top_category_share": top["total_ns"] / total}


def _kinds(steps: list[Row]) -> Row:
    """Returns the figures of each kind of step, of the worker with most of them where several share the device."""
    found: Row = {}
    for kind in KINDS:
        workers = [row for row in steps if row["kind"] == kind]
        row = max(workers, key=lambda worker: (worker["steps"], -worker["pid"]), default=None)
        for figure in ("steps", *STEP_FIGURES, "tokens_per_s"):
            found[f"{kind}_{figure}"] = None if row is None else row[figure]
    return found


def _steps(report: Report) -> list[Row]:
    names = {_key(row): row["gpu_name"] for row in _rows(report, "gpu_idle", "gpu_devices")}
    kept = ("pid", "kind", "steps", *STEP_FIGURES, "context_tokens", "generation_tokens", "tokens_per_s")
    return [
        {
            "device_id": row["device_id"],
            "gpu_id": row["gpu_id"],
            "gpu_name": names.get(_key(row)),
            **{name: row[name] for name in kept},
        }
        for row in _rows(report, "steps", "step_kinds")
    ]
