"""The tables of fleet.json, as data: what a column holds, and how people see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nsys_llm_explainer.render.figures.palette import BUCKETS, KINDS
from nsys_llm_explainer.sections import Kind, Shown

STEP_FIGURES = ("period_p50_ns", "period_p90_ns", "period_p99_ns", "span_p50_ns", "span_p90_ns", "span_p99_ns")
SHARES = tuple(f"{bucket.replace('.', '_')}_share" for bucket in BUCKETS)
"""Columns of the device's buckets, in the order of ``BUCKETS``."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name in machine outputs, with its unit.
        type: ``text``, ``int``, ``float`` or ``bool``. Any cell may be null: not captured.
        description: What it holds.
        header: Its heading for people.
        kind: What the values are for people; None keeps the column out of their outputs.
    """

    name: str
    type: str
    description: str
    header: str = ""
    kind: Kind | None = None

    @property
    def unit(self) -> str | None:
        """The unit, as in report.json."""
        return "ns" if self.name.endswith("_ns") else "bytes" if self.name.endswith("_bytes") else None

    def to_dict(self) -> dict[str, str | None]:
        """Returns the column as it stands in fleet.json."""
        return {"name": self.name, "unit": self.unit, "description": self.description}


def shown(columns: tuple[Column, ...]) -> tuple[Shown, ...]:
    """Returns the columns that people see."""
    return tuple(Shown(column.name, column.header, column.kind) for column in columns if column.kind is not None)


def _shares() -> Iterator[Column]:
    headers = {"compute": "compute", "communication": "comm"}
    for bucket, name in zip(BUCKETS, SHARES):
        kind = Kind.PERCENT if bucket in headers else None
        about = f"Share of the device's window in the bucket {bucket}."
        yield Column(name, "float", about, headers.get(bucket, ""), kind)


def _steps_of(kind: str) -> Iterator[Column]:
    about = f"{kind} steps of the device's worker with most of them"
    yield Column(f"{kind}_steps", "int", f"How many {about}.")
    for figure in STEP_FIGURES:
        what, percentile, _ = figure.split("_")
        header = f"{kind} p50, ms" if figure == "period_p50_ns" and kind != "unknown" else ""
        text = f"{percentile} of the {what} of the {about}."
        yield Column(f"{kind}_{figure}", "float", text, header, Kind.MS if header else None)
    yield Column(f"{kind}_tokens_per_s", "float", f"Tokens over the summed periods of the {about}.")


DEVICES = (
    Column("trace", "text", "The trace's name in this job, also of the folder of its report.", "trace", Kind.LABEL),
    Column("path", "text", "The trace's path, as it was given or found."),
    Column("status", "text", "ok, or failed: then only trace, path and the error are there.", "status", Kind.TEXT),
    Column("error_type", "text", "What kind of error the trace ended with."),
    Column("error_message", "text", "The error's message."),
    Column("file_bytes", "int", "Size of the trace file."),
    Column("device_id", "int", "CUDA ordinal of the export; null for a trace without GPU work.", "GPU", Kind.DEVICE),
    Column("gpu_id", "int", "The physical GPU."),
    Column("gpu_name", "text", "Name of the GPU.", "GPU name", Kind.LABEL),
    Column("window_ns", "int", "First GPU operation's start to last one's end on the device.", "window, ms", Kind.MS),
    Column("busy_share", "float", "Share of the window in which any GPU operation runs.", "busy", Kind.PERCENT),
    Column(
        "idle_share",
        "float",
        "Share of the window in which none runs; the idle buckets sum to it.",
        "idle",
        Kind.PERCENT,
    ),
    Column("main_idle_cause", "text", "The idle bucket with the largest share.", "mostly", Kind.TEXT),
    *_shares(),
    Column(
        "top_category", "text", "The kernel category with most kernel time on the device.", "top category", Kind.LABEL
    ),
    Column("top_category_share", "float", "Its share of the device's summed kernel time.", "of kernels", Kind.PERCENT),
    *(column for kind in KINDS for column in _steps_of(kind)),
    Column("tokens_per_s", "float", "Tokens per second of the trace's steps.", "tokens/s", Kind.RATE),
    Column("steps_source", "text", "How the steps of the trace were found."),
    Column("steps_confidence", "text", "How sure that is: high, medium or low."),
    Column("top_finding", "text", "The trace's first finding.", "top finding", Kind.TEXT),
    Column("top_finding_severity", "text", "Its severity.", "severity", Kind.TEXT),
    Column("top_finding_title", "text", "Its title."),
    Column(
        "top_finding_at_stake_share",
        "float",
        "Its device time at stake over the trace's device windows.",
        "at stake",
        Kind.PERCENT,
    ),
    Column("findings_high", "int", "Findings of the trace of high severity."),
    Column("findings_medium", "int", "Findings of the trace of medium severity."),
    Column("findings_low", "int", "Findings of the trace of low severity, healthy aside."),
    Column("warnings", "int", "Warnings of the trace's report.", "warnings", Kind.COUNT),
    Column("nvtx_coverage", "float", "Share of the trace's kernel time that lies in NVTX ranges."),
    Column("cuda_graph_mode", "text", "How CUDA graphs were captured: node, graph, none or unknown."),
    Column("not_captured", "text", "Sections that the capture does not allow, separated by spaces."),
    Column("report", "text", "Folder of the trace's report, beside fleet.json."),
)
STEPS = (
    Column("trace", "text", "The trace."),
    Column("device_id", "int", "CUDA ordinal of the export."),
    Column("gpu_id", "int", "The physical GPU."),
    Column("gpu_name", "text", "Name of the GPU."),
    Column("pid", "int", "The worker process."),
    Column("kind", "text", "prefill, decode, mixed or unknown."),
    Column("steps", "int", "How many steps of the kind the worker ran on the device."),
    *(Column(name, "float", f"{name.split('_')[1]} of the steps' {name.split('_')[0]}.") for name in STEP_FIGURES),
    Column("context_tokens", "int", "Tokens of prompts."),
    Column("generation_tokens", "int", "Generated tokens."),
    Column("tokens_per_s", "float", "Tokens of both kinds over the summed periods."),
)
OUTLIERS = (
    Column("rank", "int", "1 is the first to look at: worse before better, then by score.", "#", Kind.COUNT),
    Column("trace", "text", "The trace.", "trace", Kind.LABEL),
    Column("device_id", "int", "The device whose figure it is; null for a figure of the trace.", "GPU", Kind.DEVICE),
    Column("gpu_id", "int", "The physical GPU."),
    Column("gpu_name", "text", "What traces of were compared.", "GPU name", Kind.LABEL),
    Column("metric", "text", "The figure, a column of the table devices."),
    Column("metric_text", "text", "The same for people.", "figure", Kind.TEXT),
    Column("value", "float", "Its value in this trace, in the unit of the figure's name."),
    Column("value_text", "text", "The same for people.", "value", Kind.TEXT),
    Column("median", "float", "The median over the traces compared."),
    Column("median_text", "text", "The same for people.", "median", Kind.TEXT),
    Column("spread", "float", "1.4826 times the median absolute deviation, or the floor where that is less."),
    Column("score", "float", "Distance from the median over the spread.", "score", Kind.NUMBER),
    Column("direction", "text", "higher or lower than the median."),
    Column("worse", "bool", "Whether that is the bad direction.", "worse", Kind.FLAG),
    Column("because", "text", "For an idle share: the idle bucket that differs most.", "mostly", Kind.TEXT),
    Column("traces_compared", "int", "How many traces have the figure on such a GPU.", "traces", Kind.COUNT),
)
