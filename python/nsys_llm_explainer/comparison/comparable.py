"""Whether two reports can be compared: every difference of machine, capture and workload that bears on figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Any

from nsys_llm_explainer.comparison import mix, shapes
from nsys_llm_explainer.comparison.noise import MIN_STEPS
from nsys_llm_explainer.comparison.sides import Reading, Row, device_pairs
from nsys_llm_explainer.comparison.value import ALL, BLOCKS, IDLE, KERNELS, LIMITS, NOTE, STEPS, Difference
from nsys_llm_explainer.findings.case import key_of
from nsys_llm_explainer.render import coverage
from nsys_llm_explainer.render import format as fmt

NONE = "none"
UNKNOWN = "unknown"
COVERAGE_POINTS = 0.10
WINDOW_RATIO = 2.0
_KEPT = 0.5
FOREIGN_SHARE = 0.5
"""Kernels that only one side has: from this part of the kernel time on it is said."""
NO_COMMON_SHARE = 0.2
NO_COMMON_FAMILIES = 0.15
"""Kernels that both sides have: below these parts of the kernel time, of both sides by name and of one by family, the
programs are different ones."""
_TABLES = {
    "API calls": (("CUPTI_ACTIVITY_KIND_RUNTIME",), LIMITS, IDLE, "idle causes need API calls on both sides"),
    "NVTX": (("NVTX_EVENTS",), LIMITS, STEPS, "steps and ranges are known on one side only"),
    "OS calls": (
        ("OSRT_API",),
        LIMITS,
        IDLE,
        "host_os and host_code are told apart on one side only: compare their sum; recording OS calls costs time",
    ),
    "copies": (("CUPTI_ACTIVITY_KIND_MEMCPY",), NOTE, ALL, "no copies on one side: not done, or not captured"),
    "synchronisation": (("CUPTI_ACTIVITY_KIND_SYNCHRONIZATION",), NOTE, IDLE, "events of one side only"),
    "CPU samples or scheduling": (
        ("SAMPLING_CALLCHAINS", "COMPOSITE_EVENTS", "SCHED_EVENTS"),
        LIMITS,
        ALL,
        "sampling slows the host on one side only",
    ),
    "GPU metrics": (("GPU_METRICS",), NOTE, ALL, "sampling of GPU metrics may cost time on one side only"),
    "graph nodes": (("CUDA_GRAPH_NODE_EVENTS",), NOTE, ALL, "creation of graph nodes was recorded on one side only"),
}
_NUMBERS = re.compile(r"\d+")


def differences(before: Reading, after: Reading, floor: float) -> tuple[Difference, ...]:
    """Returns in what the runs and captures differ, what blocks first."""
    found = [*_gpus(before, after), *_graphs(before, after), *_kernels(before, after), *_steps(before, after, floor)]
    found += [*_captured(before, after), *_ranges(before, after), *_windows(before, after), *_health(before, after)]
    found += [*_versions(before, after), *_same(before, after)]
    rank = {BLOCKS: 0, LIMITS: 1, NOTE: 2}
    return tuple(sorted(found, key=lambda one: rank[one.severity]))


def normalised(name: str) -> str:
    """Returns the family of a kernel: its name without template arguments, tiles and other numbers."""
    text = fmt.kernel_name(name, limit=4_000)
    head = text.partition("<")[0]
    return _NUMBERS.sub("#", head)


def _gpus(before: Reading, after: Reading) -> Iterator[Difference]:
    first, second = before.case.devices, after.case.devices
    if not first or not second:
        effect = "without GPU work on both sides there is nothing to compare"
        yield Difference("GPU work", _devices(before), _devices(after), BLOCKS, ALL, effect)
        return
    if len(first) != len(second):
        effect = "another number of GPUs shares the work differently; only GPUs of both sides are shown"
        yield Difference("GPUs with work", str(len(first)), str(len(second)), BLOCKS, ALL, effect)
    names, others = _names(before), _names(after)
    if names and others and names != others:
        effect = "times compare machines, not a change"
        yield Difference("GPU", _listed(names), _listed(others), BLOCKS, ALL, effect)
    elif bool(names) != bool(others):
        effect = "one export does not name its GPU: make sure that it is the same"
        yield Difference("GPU", _listed(names) or UNKNOWN, _listed(others) or UNKNOWN, LIMITS, ALL, effect)


def _devices(reading: Reading) -> str:
    count = len(reading.case.devices)
    return fmt.counted(count, "GPU") if count else NONE


def _names(reading: Reading) -> Counter[str]:
    used = {device.key for device in reading.case.devices}
    rows = reading.case.rows("gpu_idle", "gpu_devices")
    return Counter(str(row["gpu_name"]) for row in rows if key_of(row) in used and row["gpu_name"])


def _listed(names: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(names.items()))


def _mode(reading: Reading) -> str:
    return str(reading.report.trace.get("cuda_graph_mode") or UNKNOWN)


def _graphs(before: Reading, after: Reading) -> Iterator[Difference]:
    first, second = _mode(before), _mode(after)
    if first == second:
        return
    hidden = "graph" in (first, second)
    if hidden:
        effect = "kernels inside CUDA graphs are visible on one side only: kernels, categories and launches"
        yield Difference("CUDA graph tracing", first, second, BLOCKS, KERNELS, effect)
        effect = "waits inside CUDA graphs count as busy on one side: idle time, budgets"
        yield Difference("CUDA graph tracing", first, second, BLOCKS, IDLE, effect)
    if {first, second} == {"graph", "node"}:
        effect = "tracing each node slows graphs down, on one side only"
        yield Difference("CUDA graph tracing", first, second, LIMITS, STEPS, effect)
    elif "none" in (first, second):
        effect = "CUDA graphs run on one side only: a change of the engine, not of the capture"
        yield Difference("CUDA graphs", first, second, NOTE, ALL, effect)


def _kernel_time(reading: Reading, *, families: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in reading.case.rows("kernels", "kernels"):
        name = normalised(row["kernel_name"]) if families else row["kernel_name"]
        found[name] = found.get(name, 0) + row["total_ns"]
    return found


def _kernels(before: Reading, after: Reading) -> Iterator[Difference]:
    if "graph" in (_mode(before), _mode(after)) or not before.case.devices or not after.case.devices:
        return
    exact = _common(_kernel_time(before, families=False), _kernel_time(after, families=False))
    families = _common(_kernel_time(before, families=True), _kernel_time(after, families=True))
    if exact is None or families is None:
        return
    texts = [f"{fmt.percent(1 - share)} of the kernel time in names of its own" for share in exact]
    if max(exact) < NO_COMMON_SHARE and min(families) < NO_COMMON_FAMILIES:
        effect = "the runs share hardly any kernel: they are different programs"
        yield Difference("kernels", texts[0], texts[1], BLOCKS, ALL, effect)
    elif min(exact) < 1 - FOREIGN_SHARE:
        effect = "most kernel time went to other kernels: another model, precision, backend or library"
        yield Difference("kernels", texts[0], texts[1], LIMITS, KERNELS, effect)
    elif min(exact) < 1:
        yield Difference("kernels", texts[0], texts[1], NOTE, KERNELS, "the table of kernels names them")


def _common(before: dict[str, int], after: dict[str, int]) -> tuple[float, float] | None:
    if not sum(before.values()) or not sum(after.values()):
        return None
    shared = before.keys() & after.keys()
    first, second = (sum(side[name] for name in shared) / sum(side.values()) for side in (before, after))
    return first, second


def _steps(before: Reading, after: Reading, floor: float) -> Iterator[Difference]:
    first, second = (reading.case.summary("steps").get("source") for reading in (before, after))
    if not before.case.devices or not after.case.devices:
        return
    if first is None and second is None:
        effect = "no steps were found on either side: windows are compared as wholes"
        yield Difference("steps", NONE, NONE, LIMITS, STEPS, effect)
        return
    if first != second:
        effect = "steps are found in different ways, so they may not be the same thing: windows are compared as wholes"
        yield Difference("steps found by", str(first or NONE), str(second or NONE), BLOCKS, STEPS, effect)
        return
    details = [str(reading.case.summary("steps").get("source_detail")) for reading in (before, after)]
    if details[0] != details[1]:
        effect = "steps are cut at different places"
        severity = BLOCKS if first == "kernel_sequence" else NOTE
        yield Difference("steps are", details[0], details[1], severity, STEPS, effect)
    levels = [str(reading.case.summary("steps").get("confidence")) for reading in (before, after)]
    if "low" in levels:
        effect = "steps were guessed from the kernels; --step-range names them"
        yield Difference("confidence in steps", levels[0], levels[1], LIMITS, STEPS, effect)
    kinds = [", ".join(sorted(reading.kinds())) or NONE for reading in (before, after)]
    if kinds[0] != kinds[1]:
        effect = "kinds of one side only are not compared"
        yield Difference("kinds of steps", kinds[0], kinds[1], NOTE, STEPS, effect)
    yield from _counts(before, after)
    yield from _shapes(before, after, floor)
    yield from _mix(before, after)


def _shapes(before: Reading, after: Reading, floor: float) -> Iterator[Difference]:
    if not before.workers or not after.workers:
        return
    first, second = before.steady_steps(before.workers[0]), after.steady_steps(after.workers[0])
    for kind in before.kinds():
        own, other = ([row for row in rows if row["kind"] == kind] for rows in (first, second))
        if not own or not other:
            continue
        match = shapes.match(own, other)
        if match.how == shapes.UNKNOWN:
            effect = "no marker tells them: another mix of batches looks like another speed"
            yield Difference("batch shapes", UNKNOWN, UNKNOWN, LIMITS, STEPS, effect)
            return
        subject, texts = f"batch shapes of {kind} steps", [_shape_text(rows) for rows in (own, other)]
        kept = min(match.kept)
        if not match.common:
            effect = f"no shape in common: {kind} steps are not compared"
            yield Difference(subject, texts[0], texts[1], LIMITS, STEPS, effect)
            continue
        work = _work_change(match, own, other)
        if abs(work) > floor:
            effect = (
                f"the steps of one bin work on {fmt.change(work)} tokens: another load, not another speed; times of "
                f"{kind} steps are not compared"
            )
            yield Difference(subject, texts[0], texts[1], LIMITS, STEPS, effect)
        elif match.how == shapes.BINNED or kept < 1:
            severity = LIMITS if kept < _KEPT else NOTE
            effect = f"{fmt.percent(match.kept[0])} and {fmt.percent(match.kept[1])} of the steps have a partner"
            binned = ", by bins" if match.how == shapes.BINNED else ""
            yield Difference(subject, texts[0], texts[1], severity, STEPS, f"{effect} of the same shape{binned}")


def _work_change(match: shapes.Match, own: list[Row], other: list[Row]) -> float:
    first, second = ([row for row in rows if match.shape(row) in match.common] for rows in (own, other))
    return mix.work_change(first, second, [match.weight(match.shape(row)) for row in second])


def _mix(before: Reading, after: Reading) -> Iterator[Difference]:
    for pair in device_pairs(before, after):
        means = mix.differs(before, after, (pair.before, pair.after))
        if means is not None:
            effect = (
                "what counts all steps moves with the mix: shares of the window, totals per step, tokens per second; "
                "kernels are not called slower or faster where both sides have calls of either length"
            )
            texts = [f"{fmt.number(mean)} tokens in the mean step" for mean in means]
            yield Difference("mix of batches", texts[0], texts[1], LIMITS, ALL, effect)
            return


def _shape_text(rows: list[Row]) -> str:
    parts = []
    for column, words in (("context_tokens", "context tokens"), ("generation_requests", "generating requests")):
        known = [row[column] for row in rows if row[column] is not None]
        if known:
            parts.append(f"{fmt.number(median(known))} {words}")
    return f"median {', '.join(parts)}" if parts else UNKNOWN


def _counts(before: Reading, after: Reading) -> Iterator[Difference]:
    counts = [
        max((len(reading.steady_steps(worker)) for worker in reading.workers), default=0) for reading in (before, after)
    ]
    if min(counts) < MIN_STEPS:
        effect = f"fewer than {MIN_STEPS} steps a worker say too little: their changes are shown, not called"
        yield Difference("steady steps of a worker", str(counts[0]), str(counts[1]), LIMITS, STEPS, effect)


def _captured(before: Reading, after: Reading) -> Iterator[Difference]:
    for subject, (tables, severity, scope, effect) in _TABLES.items():
        first, second = (
            any(reading.report.trace["tables"].get(table) for table in tables) for reading in (before, after)
        )
        if first != second:
            yield Difference(subject, _there(first), _there(second), severity, scope, effect)


def _there(captured: bool) -> str:
    return "in the export" if captured else NONE


def _ranges(before: Reading, after: Reading) -> Iterator[Difference]:
    first, second = (reading.case.summary("nvtx").get("coverage") for reading in (before, after))
    if first is not None and second is not None and abs(first - second) >= COVERAGE_POINTS:
        effect = "idle time is placed in ranges on one side that the other does not have"
        yield Difference("NVTX coverage", fmt.percent(first), fmt.percent(second), NOTE, IDLE, effect)


def _windows(before: Reading, after: Reading) -> Iterator[Difference]:
    sources = [str(reading.report.window.get("source")) for reading in (before, after)]
    if sources[0] != sources[1]:
        effect = "the sides are not cut in the same way"
        yield Difference("window", sources[0], sources[1], LIMITS, ALL, effect)
    lengths = [_length(reading) for reading in (before, after)]
    if min(lengths) > 0 and max(lengths) > WINDOW_RATIO * min(lengths):
        effect = "shares and figures per step compare, totals do not; warm-up weighs more in the shorter one"
        yield Difference("window length", fmt.duration(lengths[0]), fmt.duration(lengths[1]), NOTE, ALL, effect)


def _length(reading: Reading) -> int:
    return max((device.window_ns for device in reading.case.devices), default=0)


def _health(before: Reading, after: Reading) -> Iterator[Difference]:
    rejected = [sum((reading.report.trace.get("rejected_rows") or {}).values()) for reading in (before, after)]
    if any(rejected):
        texts = [fmt.count(count) if count else NONE for count in rejected]
        yield Difference("unusable rows", texts[0], texts[1], LIMITS, ALL, "what they held is missing from the figures")
    failed = [len(coverage.failed_checks(reading.report)) for reading in (before, after)]
    if any(failed):
        texts = [fmt.counted(count, "failed check") if count else NONE for count in failed]
        yield Difference("checks", texts[0], texts[1], LIMITS, ALL, "a report disagrees with itself: see its warnings")
    workers = [reading.case.summary("processes").get("workers") for reading in (before, after)]
    if workers[0] != workers[1]:
        effect = "work is spread over another number of processes"
        yield Difference("processes with GPU work", _number(workers[0]), _number(workers[1]), NOTE, ALL, effect)


def _number(value: Any) -> str:
    return UNKNOWN if value is None else str(value)


def _same(before: Reading, after: Reading) -> Iterator[Difference]:
    first, second = (str(reading.report.trace["path"]) for reading in (before, after))
    if first == second:
        yield Difference("trace", first, second, NOTE, ALL, "both sides are the same file")


def _versions(before: Reading, after: Reading) -> Iterator[Difference]:
    for key, subject in (("nsys_version", "Nsight Systems"), ("export_schema_version", "export schema")):
        first, second = (reading.report.trace.get(key) for reading in (before, after))
        if first != second:
            effect = "another version may record and cost something else"
            yield Difference(subject, str(first or UNKNOWN), str(second or UNKNOWN), NOTE, ALL, effect)
