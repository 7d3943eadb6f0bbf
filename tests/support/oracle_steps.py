"""Oracle, part 10: the steps of an engine that marks them with NVTX.

Only markers are read here; steps of other sources have no oracle. Decisions where the definitions are silent:

* A marker is a range whose name begins like one; a range that crosses threads is none. What begins after the numbers
  that it has to have does not matter.
* A step has a row for every device that it has an op on. Ops of nested markers are in each of them.
* ``execute_new_N_cached_M`` is N context requests and M generation requests.
* A step of context and generation requests is mixed; of neither it is unknown.
* ``gpu_busy_ns`` is the time in the span in which the device is busy with anything; with ``idle_ns`` it is the span.
* ``kernels`` counts a whole graph as one kernel, as section ``nvtx`` does; of a graph traced as nodes, the nodes.
* ``graph_launches`` are the graph launches among the calls of the step's ops; a launch with ops on several devices
  counts on that of its first op (by start, then kernels, copies, memsets, graphs, then row).
* Steps of one worker on one device follow each other by the start of their spans, then by the range's row.
* A kernel of a step is a graph kernel if it is a node of a launched graph; the others are eager. Their share is None
  in graph mode, as in section ``graphs``.
* ``gap_before_ns`` is from the end of the previous step's span; 0 where the spans overlap.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from tests.support.oracle_budget import BUCKETS, Budget
from tests.support.oracle_categories import category_of
from tests.support.oracle_gpu import GRAPH_LAUNCH, Row, graph_mode, measure, of_graph, percentile, ratio
from tests.support.oracle_host import clip
from tests.support.oracle_nvtx import enclosing
from tests.support.oracle_trace import COPY, GRAPH, KERNEL, SET, Device, Op, Range, base_name, pid_of, process_of

MARKERS = (
    re.compile(
        r"execute_context_(?P<context>\d+)\((?P<prompt>\d+)\)_generation_(?P<generation>\d+)\((?P<generated>\d+)\)"
    ),
    re.compile(r"execute_new_(?P<context>\d+)_cached_(?P<generation>\d+)"),
    re.compile(
        r"\[Executor\] _forward_step \d+: (?P<context>\d+) ctx reqs, ((?P<prompt>\d+) ctx tokens, )?"
        r"(?P<generation>\d+) gen reqs"
    ),
    re.compile(r"executeStep: (?P<context>\d+) ctx reqs, (?P<generation>\d+) gen reqs"),
)

ORDER = {kind: number for number, kind in enumerate((KERNEL, COPY, SET, GRAPH))}


def marker(text: str) -> Optional[Row]:
    """Return the requests and tokens that a marker names, None for any other range."""
    found = next((match for match in (rule.match(text) for rule in MARKERS) if match), None)
    if found is None:
        return None
    numbers = {name: int(value) for name, value in found.groupdict().items() if value is not None}
    context, generation = numbers["context"], numbers["generation"]
    kinds = {(True, False): "prefill", (False, True): "decode", (True, True): "mixed"}
    return {
        "kind": kinds.get((context > 0, generation > 0), "unknown"),
        "context_requests": context,
        "context_tokens": numbers.get("prompt"),
        "generation_requests": generation,
        "generation_tokens": numbers.get("generated"),
    }


@dataclass
class Step:
    """One iteration of one worker, as a device saw it."""

    range: Range
    device: Device
    ops: list[Op]
    kernels: int
    graph_launches: int
    period: Optional[int] = None
    gap_before: Optional[int] = None

    @property
    def pid(self) -> int:
        """The worker's pid."""
        return pid_of(process_of(self.range.tid or 0))

    @property
    def start(self) -> int:
        """The start of the span."""
        return min(op.start for op in self.ops)

    @property
    def end(self) -> int:
        """The end of the span."""
        return max(op.end for op in self.ops)


def find_steps(budget: Budget) -> list[Step]:
    """Return the steps, with periods."""
    trace = budget.capture.trace
    holders = enclosing(trace)
    members: dict[tuple[int, Device], list[Op]] = defaultdict(list)
    marks: dict[int, Range] = {}
    for op in trace.ops:
        for found in holders.get(op.call.rowid, []) if op.call else []:
            if marker(found.text):
                marks[found.rowid] = found
                members[found.rowid, op.device].append(op)
    first: dict[int, Op] = {}
    for op in sorted(trace.ops, key=lambda op: (op.start, ORDER[op.kind], op.rowid)):
        if op.call is not None:
            first.setdefault(op.call.rowid, op)
    steps = []
    for (rowid, device), ops in members.items():
        launches = [
            op for op in ops if op.call and op is first[op.call.rowid] and base_name(op.call.name) in GRAPH_LAUNCH
        ]
        steps.append(Step(marks[rowid], device, ops, sum(map(trace.is_execution, ops)), len(launches)))
    steps.sort(key=lambda step: (step.start, step.range.rowid))
    last: dict[tuple[int, Device], Step] = {}
    for step in steps:
        before = last.get((step.pid, step.device))
        if before is not None:
            before.period = step.start - before.start
            step.gap_before = max(0, step.start - before.end)
        last[step.pid, step.device] = step
    return steps


def step_row(budget: Budget, step: Step) -> Row:
    """Return the row of a step."""
    times = budget.times[step.device]
    busy = sum(measure(clip(times[b], step.start, step.end)) for b in ("compute", "communication", "copy"))
    return {
        "pid": step.pid,
        **budget.capture.who(step.device),
        "start_ns": step.start,
        "end_ns": step.end,
        "host_start_ns": step.range.start,
        "host_end_ns": step.range.end,
        **(marker(step.range.text) or {}),
        "period_ns": step.period,
        "gpu_busy_ns": busy,
        "idle_ns": step.end - step.start - busy,
        "kernels": step.kernels,
        "graph_launches": step.graph_launches,
        "gap_before_ns": step.gap_before,
    }


def kind_row(budget: Budget, steps: Sequence[Step]) -> Row:
    """Return the figures of the steps of one kind, worker and device."""
    marks = [marker(step.range.text) or {} for step in steps]
    timed = [step for step in steps if step.period is not None]
    periods = [step.period or 0 for step in timed]
    row: Row = {
        **budget.capture.who(steps[0].device),
        "pid": steps[0].pid,
        "kind": marks[0]["kind"],
        "steps": len(steps),
        "kernels_avg": ratio(sum(step.kernels for step in steps), len(steps)),
        "graph_launches_avg": ratio(sum(step.graph_launches for step in steps), len(steps)),
    }
    for share in (50, 90, 99):
        row[f"period_p{share}_ns"] = percentile(periods, share / 100)
        row[f"span_p{share}_ns"] = percentile([step.end - step.start for step in steps], share / 100)
    for tokens in ("context_tokens", "generation_tokens"):
        known = [mark[tokens] for mark in marks if mark[tokens] is not None]
        row[tokens] = sum(known) if known else None
    for bucket in BUCKETS:
        times = budget.times[steps[0].device][bucket]
        spent = sum(measure(clip(times, step.start, step.start + (step.period or 0))) for step in timed)
        row[f"{bucket.replace('idle.', '')}_avg_ns"] = ratio(spent, len(timed))
    return row


def by_kind(budget: Budget) -> dict[tuple[Device, int, str], list[Step]]:
    """Return the steps by device, worker and kind."""
    groups: dict[tuple[Device, int, str], list[Step]] = defaultdict(list)
    for step in find_steps(budget):
        groups[step.device, step.pid, (marker(step.range.text) or {})["kind"]].append(step)
    return groups


def category_rows(budget: Budget) -> list[Row]:
    """Return what kinds of kernels the steps of every kind run."""
    rows = []
    for (device, pid, kind), steps in by_kind(budget).items():
        kernels: dict[str, list[int]] = defaultdict(list)
        for op in (op for step in steps for op in step.ops if op.kind == KERNEL):
            kernels[category_of(op.name)].append(op.ns)
        for category, durations in kernels.items():
            row = {**budget.capture.who(device), "pid": pid, "step_kind": kind, "category": category}
            sums = {"calls": len(durations), "total_ns": sum(durations)}
            rows.append({**row, **sums, "per_step_ns": sum(durations) / len(steps)})
    return rows


def launch_rows(budget: Budget) -> list[Row]:
    """Return how the steps of every kind launch their kernels."""
    hidden = graph_mode(budget.capture.trace) == "graph"
    rows = []
    for (device, pid, kind), steps in by_kind(budget).items():
        kernels = [op for step in steps for op in step.ops if op.kind == KERNEL]
        graph = sum(of_graph(op) for op in kernels)
        rows.append(
            {
                **budget.capture.who(device),
                "pid": pid,
                "step_kind": kind,
                "steps": len(steps),
                "graph_launches_avg": sum(step.graph_launches for step in steps) / len(steps),
                "kernels_avg": len(kernels) / len(steps),
                "graph_kernels_avg": graph / len(steps),
                "eager_kernels_avg": (len(kernels) - graph) / len(steps),
                "graph_kernel_share": None if hidden else ratio(graph, len(kernels)),
            }
        )
    return rows


def section(budget: Budget) -> Optional[Row]:
    """Return the section ``steps``, None without markers."""
    ranges = [found for found in budget.capture.trace.ranges if not found.crosses and found.tid is not None]
    marked = {found.rowid for found in ranges if marker(found.text)}
    if not marked:
        return None
    steps = find_steps(budget)
    return {
        "summary": {
            "source": "engine_marker",
            "workers": len({(step.pid, step.device) for step in steps}),
            "steps_without_ops": len(marked - {step.range.rowid for step in steps}),
        },
        "tables": {
            "steps": [step_row(budget, step) for step in steps],
            "step_kinds": [kind_row(budget, found) for found in by_kind(budget).values()],
        },
    }
