"""The tables of a comparison as data: names, types, units and meanings, and how people see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from nsys_llm_explainer.sections.view import Kind, Shown, TableView


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name in the machine outputs, with its unit.
        type: ``"int"``, ``"float"``, ``"text"`` or ``"bool"``.
        unit: Its unit, None for text and plain numbers.
        description: What it holds.
        header: Its heading for people; None where they do not see it.
        kind: How people see its values.
    """

    name: str
    type: str
    unit: Optional[str]
    description: str
    header: Optional[str] = None
    kind: Kind = Kind.TEXT

    def to_dict(self) -> dict[str, Any]:
        """Returns the column as the core declares one."""
        return {
            "name": self.name,
            "type": self.type,
            "unit": self.unit,
            "nullable": True,
            "description": self.description,
        }


@dataclass(frozen=True)
class TableSpec:
    """A table.

    Attributes:
        name: Its name.
        title: The heading above it.
        reading: How to read it.
        columns: Its columns.
        rows: How many rows people see.
    """

    name: str
    title: str
    reading: str
    columns: tuple[Column, ...]
    rows: int = 20

    @property
    def view(self) -> TableView:
        """The table as people see it."""
        shown = tuple(Shown(one.name, one.header, one.kind) for one in self.columns if one.header is not None)
        return TableView(self.name, self.title, shown, self.rows)


def _text(name: str, description: str, header: str | None = None, kind: Kind = Kind.TEXT) -> Column:
    return Column(name, "text", None, description, header, kind)


def _count(name: str, description: str, header: str | None = None) -> Column:
    return Column(name, "int", "count", description, header, Kind.COUNT)


def _ns(name: str, description: str, header: str | None = None, kind: Kind = Kind.MS) -> Column:
    return Column(name, "float", "ns", description, header, kind)


def _share(name: str, description: str, header: str | None = None, kind: Kind = Kind.PERCENT) -> Column:
    return Column(name, "float", "fraction", description, header, kind)


def _number(name: str, description: str, header: str | None = None) -> Column:
    return Column(name, "float", None, description, header, Kind.NUMBER)


_DEVICE = _text("device", "The GPU; both names where the sides call it differently.", "device")
_KIND = _text("kind", "prefill, decode, mixed or unknown.", "kind")
_VERDICT = _text(
    "verdict",
    "Whether the change is beyond the noise: slower, faster, more, less, same (inside it), unknown (nothing tells the "
    "noise, or too few steps), incomparable, new or gone.",
    "verdict",
)


def _amounts(unit_kind: Kind, what: str) -> tuple[Column, ...]:
    suffix = "us" if unit_kind is Kind.US else "ms"
    return (
        _ns("before_ns", f"{what} in BEFORE.", f"before_{suffix}", unit_kind),
        _ns("after_ns", f"{what} in AFTER.", f"after_{suffix}", unit_kind),
        _ns("change_ns", "AFTER minus BEFORE.", f"change_{suffix}", unit_kind),
        _ns("noise_ns", "Changes up to this are not called any.", f"noise_{suffix}", unit_kind),
    )


DIFFERENCES = TableSpec(
    "differences",
    "In what the runs and captures differ",
    "blocks: figures of the scope are not compared; limits: they are, with the limit that is named; note: good to "
    "know.",
    (
        _text("subject", "What differs.", "subject"),
        _text("before", "How it is in BEFORE.", "before", Kind.LABEL),
        _text("after", "How it is in AFTER.", "after", Kind.LABEL),
        _text("severity", "blocks, limits or note.", "severity"),
        _text("scope", "Which figures it concerns: all, steps, kernels or idle.", "concerns"),
        _text("effect", "What that means for the figures.", "effect"),
    ),
    rows=50,
)

STEP_TIMES = TableSpec(
    "step_times",
    "Steps by kind, matched by batch shape",
    "AFTER is weighted so that batch shapes are as frequent as in BEFORE. The interval of the change holds 99 % of the "
    "block bootstrap; a change is called where the interval leaves out zero and the change is beyond the floor.",
    (
        _DEVICE,
        _KIND,
        _text("metric", "period_p50, period_p90, span_p50 or span_p90.", "metric"),
        _count("before_steps", "Steps of BEFORE in the steady window that have a partner in shape.", "before_steps"),
        _count("after_steps", "The same for AFTER.", "after_steps"),
        _ns("before_ns", "The figure in BEFORE.", "before_ms"),
        _ns("after_ns", "The figure in AFTER, at the batch shapes of BEFORE.", "after_ms"),
        _share("change_share", "AFTER over BEFORE, minus 1.", "change", Kind.CHANGE),
        _share("low_share", "Lower end of the 99 % interval of the change.", "from", Kind.CHANGE),
        _share("high_share", "Upper end of it.", "to", Kind.CHANGE),
        _share("floor_share", "Smaller changes are not called any, whatever the interval.", None),
        _VERDICT,
        _count("resamples", "Resamples of the bootstrap."),
    ),
    rows=48,
)

STEP_SHAPES = TableSpec(
    "step_shapes",
    "Batch shapes of the steps",
    "Median periods of steps of one shape. Shapes of one side only are not compared.",
    (
        _DEVICE,
        _KIND,
        _text("shape", "Context requests and tokens and generating requests of the step, or bins of them.", "shape"),
        Column("matched", "bool", None, "Whether both sides have steps of the shape.", "matched", Kind.FLAG),
        _count("before_steps", "Steady steps of BEFORE.", "before_steps"),
        _count("after_steps", "Steady steps of AFTER.", "after_steps"),
        _ns("before_period_p50_ns", "Their median period in BEFORE.", "before_ms"),
        _ns("after_period_p50_ns", "Their median period in AFTER.", "after_ms"),
        _share("change_share", "AFTER over BEFORE, minus 1; no interval, so no verdict.", "change", Kind.CHANGE),
    ),
    rows=24,
)

THROUGHPUT = TableSpec(
    "throughput",
    "Tokens per second in steady steps",
    "Prompt and generated tokens over the periods of their steps. It moves with the load as well as with the speed.",
    (
        _DEVICE,
        _number("before_tokens_per_s", "Tokens per second in BEFORE.", "before"),
        _number("after_tokens_per_s", "Tokens per second in AFTER.", "after"),
        _share("change_share", "AFTER over BEFORE, minus 1.", "change", Kind.CHANGE),
        _share("noise_share", "Changes up to this are not called any.", "noise"),
        _VERDICT,
    ),
)

DEVICES = TableSpec(
    "devices",
    "Each GPU as a whole",
    "Shares of the window between first and last operation, warm-up and draining included; the steady share leaves "
    "these out. The noise comes from how much the share moves along each trace.",
    (
        _DEVICE,
        _ns("before_window_ns", "Window of BEFORE.", "before_window_ms"),
        _ns("after_window_ns", "Window of AFTER.", "after_window_ms"),
        _share("before_idle_share", "Idle part of the window in BEFORE.", "before_idle"),
        _share("after_idle_share", "Idle part of the window in AFTER.", "after_idle"),
        _share("change_share", "AFTER minus BEFORE, in parts of the window.", "change", Kind.POINTS),
        _share("noise_share", "Changes up to this are not called any.", "noise"),
        _VERDICT,
        _share("before_steady_idle_share", "Idle part of the steady window in BEFORE.", "before_steady"),
        _share("after_steady_idle_share", "Idle part of the steady window in AFTER.", "after_steady"),
    ),
)

DEVICE_BUDGET = TableSpec(
    "device_budget",
    "The window of each GPU by bucket",
    "The buckets of a device sum to its window, so their changes sum to zero.",
    (
        _DEVICE,
        _text("bucket", "What the device did, or why it idled.", "bucket"),
        _share("before_share", "Part of the window in BEFORE.", "before"),
        _share("after_share", "Part of the window in AFTER.", "after"),
        _share("change_share", "AFTER minus BEFORE.", "change", Kind.POINTS),
        _share("noise_share", "Changes up to this are not called any.", "noise"),
        _VERDICT,
        _share("before_steady_share", "Part of the steady window in BEFORE."),
        _share("after_steady_share", "Part of the steady window in AFTER."),
    ),
    rows=44,
)

IDLE_ORIGINS = TableSpec(
    "idle_origins",
    "Where idle time grew or shrank: cause, place, call, range",
    "Parts of the window, so that windows of different lengths compare. The rows of a device sum to its change of idle "
    "time. Largest change first.",
    (
        _DEVICE,
        _text("cause", "Bucket of the idle time.", "cause"),
        _text("place", "Place of the gaps among the steps.", "place"),
        _text("call_name", "Call that asked for the next operation.", "before_call", Kind.LABEL),
        _text("range_name", "Innermost NVTX range around that call.", "in_range", Kind.LABEL),
        _share("before_share", "Part of the window in BEFORE.", "before"),
        _share("after_share", "Part of the window in AFTER.", "after"),
        _share("change_share", "AFTER minus BEFORE.", "change", Kind.POINTS),
        _ns("before_ns", "Idle time in BEFORE.", "before_ms"),
        _ns("after_ns", "Idle time in AFTER.", "after_ms"),
        _count("before_gaps", "Gaps that hold it in BEFORE.", "before_gaps"),
        _count("after_gaps", "Gaps that hold it in AFTER.", "after_gaps"),
    ),
)

IDLE_PLACES = TableSpec(
    "idle_places",
    "Where idle time grew or shrank: place, call, range, all causes together",
    "Largest change first. The gaps are those whose largest part is the cause that changed most: are there more of "
    "them, or are they longer?",
    (
        _DEVICE,
        _text("place", "Place of the gaps among the steps.", "place"),
        _text("call_name", "Call that asked for the next operation.", "before_call", Kind.LABEL),
        _text("range_name", "Innermost NVTX range around that call.", "in_range", Kind.LABEL),
        _text("cause", "Bucket whose part changed most.", "mostly"),
        _share("before_share", "Part of the window in BEFORE.", "before"),
        _share("after_share", "Part of the window in AFTER.", "after"),
        _share("change_share", "AFTER minus BEFORE.", "change", Kind.POINTS),
        _count("before_gaps", "Gaps in BEFORE whose largest part is that cause.", "before_gaps"),
        _count("after_gaps", "The same in AFTER.", "after_gaps"),
        _ns("before_avg_ns", "Mean length of those.", "before_us", Kind.US),
        _ns("after_avg_ns", "The same in AFTER.", "after_us", Kind.US),
    ),
)

STEP_BUCKETS = TableSpec(
    "step_buckets",
    "What an average step consists of, by bucket",
    "Means over the periods of matched steady steps, read from the timeline's bins; where these are too coarse, means "
    "of all steps of the kind, without a noise of their own.",
    (
        _DEVICE,
        _KIND,
        _text("bucket", "What the device did, or why it idled.", "bucket"),
        *_amounts(Kind.US, "Mean of a step"),
        _share("change_share", "The change as a part of BEFORE's mean period.", "of_period", Kind.CHANGE),
        _VERDICT,
    ),
    rows=44,
)

STEP_CATEGORIES = TableSpec(
    "step_categories",
    "Kernel time of an average step, by category",
    "Summed kernel durations of a step. The report holds no distribution of these: the noise is that of the busy time "
    "of a step, and a floor.",
    (
        _DEVICE,
        _KIND,
        _text("category", "Category of the kernels.", "category"),
        *_amounts(Kind.US, "Mean of a step"),
        _share("change_share", "The change as a part of BEFORE's mean period.", "of_period", Kind.CHANGE),
        _VERDICT,
    ),
    rows=40,
)

LAUNCHES = TableSpec(
    "step_launches",
    "What an average step launches",
    "Counts of a step. Without a distribution in the report a change counts from a floor on.",
    (
        _DEVICE,
        _KIND,
        _text("measure", "Launch calls, graph launches, kernels, kernels of graphs, eager kernels.", "measure"),
        _number("before_count", "Mean of a step in BEFORE.", "before"),
        _number("after_count", "Mean of a step in AFTER.", "after"),
        _number("change_count", "AFTER minus BEFORE.", "change"),
        _VERDICT,
    ),
    rows=30,
)

KERNELS = TableSpec(
    "kernels",
    "Kernels: new, gone, changed",
    "Per call: medians where the report has them, else means. A kernel also changes with the shapes it works on. "
    "per_step divides the kernel's time by all steps of the device; without steps it is the share of its window.",
    (
        _DEVICE,
        _text("kernel_name", "Demangled name in BEFORE, or in AFTER where it is new.", "kernel", Kind.NAME),
        _VERDICT,
        _text("category", "Category of the kernel."),
        _count("before_calls", "Calls in BEFORE.", "before_calls"),
        _count("after_calls", "Calls in AFTER.", "after_calls"),
        _number("before_calls_per_step", "Calls per step in BEFORE."),
        _number("after_calls_per_step", "Calls per step in AFTER."),
        _ns("before_call_ns", "Duration of a call in BEFORE.", "before_us", Kind.US),
        _ns("after_call_ns", "Duration of a call in AFTER.", "after_us", Kind.US),
        _share("change_share", "AFTER over BEFORE per call, minus 1.", "per_call", Kind.CHANGE),
        _share("noise_share", "Changes per call up to this are not called any.", "noise"),
        _ns("before_per_step_ns", "Time per step in BEFORE.", "before_step_us", Kind.US),
        _ns("after_per_step_ns", "Time per step in AFTER.", "after_step_us", Kind.US),
        _share("before_window_share", "Time over the window in BEFORE."),
        _share("after_window_share", "Time over the window in AFTER."),
        _share("change_window_share", "AFTER minus BEFORE.", "of_window", Kind.POINTS),
        _text("replaced_by", "The one new kernel of the same family that took its place.", "replaced_by", Kind.NAME),
    ),
    rows=30,
)

AMOUNTS = TableSpec(
    "amounts",
    "Copies, allocations and communication",
    "Per step where both sides have steps, else per second of the window. The report holds no distribution of these: a "
    "change counts from a floor on.",
    (
        _DEVICE,
        _text("topic", "copies, allocations or communication.", "topic"),
        _text("subject", "Direction and kinds of memory, API call, or collective.", "subject", Kind.NAME),
        _text("per", "step or second.", "per"),
        _number("before_count", "How many in BEFORE.", "before"),
        _number("after_count", "How many in AFTER.", "after"),
        _ns("before_ns", "Time in BEFORE.", "before_us", Kind.US),
        _ns("after_ns", "Time in AFTER.", "after_us", Kind.US),
        _ns("change_ns", "AFTER minus BEFORE.", "change_us", Kind.US),
        _ns("before_exposed_ns", "Part of it that nothing hides, in BEFORE.", "before_exposed_us", Kind.US),
        _ns("after_exposed_ns", "The same in AFTER.", "after_exposed_us", Kind.US),
        _number("before_bytes", "Bytes in BEFORE."),
        _number("after_bytes", "Bytes in AFTER."),
        _VERDICT,
    ),
    rows=24,
)

FINDINGS = TableSpec(
    "findings",
    "Findings that came, went, or changed",
    "A finding that came or went at low severity, or with less than a point of the device time, may only have crossed "
    "a threshold: it is marked minor.",
    (
        _text("id", "The rule.", "finding"),
        _text("verdict", "new, gone, more, less, minor or same, by time at stake; by severity without any.", "verdict"),
        _text("before_severity", "Severity in BEFORE.", "before"),
        _text("after_severity", "Severity in AFTER.", "after"),
        _share("before_share", "Time at stake over the device windows in BEFORE.", "before_at_stake"),
        _share("after_share", "The same in AFTER.", "after_at_stake"),
        _text("title", "Its title in AFTER, in BEFORE where it is gone.", "title"),
    ),
    rows=30,
)

HISTOGRAM = TableSpec(
    "period_histogram",
    "Distribution of the periods",
    "Steady steps of all workers by period.",
    (
        _KIND,
        _ns("low_ns", "From this period.", "from_ms"),
        _ns("high_ns", "Up to this one.", "to_ms"),
        _count("before_steps", "Steps of BEFORE.", "before_steps"),
        _count("after_steps", "Steps of AFTER.", "after_steps"),
    ),
    rows=0,
)

TABLES = (
    DIFFERENCES,
    STEP_TIMES,
    STEP_SHAPES,
    THROUGHPUT,
    DEVICES,
    DEVICE_BUDGET,
    IDLE_ORIGINS,
    IDLE_PLACES,
    STEP_BUCKETS,
    STEP_CATEGORIES,
    LAUNCHES,
    KERNELS,
    AMOUNTS,
    FINDINGS,
    HISTOGRAM,
)
"""In the order of the outputs."""
