"""An independent, naive reading of the metrics, to compare the product with.

Written from the definitions alone, in plain Python over the standard library's sqlite3, with no code of the product
in it. It aims at being obviously right, not at being fast. ``analyze`` gives every section as ``{"summary": {…},
"tables": {name: [row, …]}}`` with the product's column names; tables are whole, without a cut. The decisions that the
definitions leave open stand in the parts' module docstrings; here:

* ``processes`` lists a process with any GPU op, API call or NVTX range; ``kernels`` and ``kernel_ns`` are about
  kernel rows, ``coverage`` about kernels and graph executions, as in the sections that they split.
* ``launch_storm`` of a process is the rule over that process's own window.
* ``launches_by_pid`` has the processes with kernels. Shares in ``kernels_by_pid`` are of the whole trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from tests.support import oracle_gpu as gpu
from tests.support import oracle_nvtx as ranges
from tests.support.oracle_trace import Trace, pid_of, process_of, read

__all__ = ["Trace", "analyze", "analyze_trace", "processes", "read"]

Row = dict[str, Any]


def processes(trace: Trace) -> Row:
    """Return the section ``processes`` with its four tables by pid."""
    workers = {op.process for op in trace.ops}
    hosts = {call.process for call in trace.calls}
    hosts |= {process_of(found.tid) for found in trace.ranges if found.tid is not None}
    whole = sum(op.ns for op in trace.kernels)
    pairs = ranges.attributed(trace)
    idle = gpu.idle_of_processes(trace)
    rows: list[Row] = []
    kernels_by_pid: list[Row] = []
    launches_by_pid: list[Row] = []
    sync_by_pid: list[Row] = []
    for process in sorted(workers | hosts):
        pid = pid_of(process)
        mine = [op for op in trace.kernels if op.process == process]
        launched = gpu.launch_summary(mine)
        covered = ranges.coverage(trace, [pair for pair in pairs if pair[0].process == process])
        devices = sorted({op.device_id for op in trace.ops if op.process == process})
        rows.append(
            {
                "pid": pid,
                "name": trace.process_names.get(process),
                "role": "worker" if process in workers else "host",
                "devices": ", ".join(str(device) for device in devices),
                "kernels": len(mine),
                "kernel_ns": sum(op.ns for op in mine),
                "share": gpu.ratio(sum(op.ns for op in mine), whole),
                "launches_per_s": launched["launches_per_s"],
                "p50_ns": launched["p50_ns"],
                "launch_storm": launched["launch_storm"],
                "coverage": covered["coverage"] if trace.joinable and trace.ranges else None,
            }
        )
        kernels_by_pid += [{"pid": pid, **row} for row in gpu.kernel_rows(trace, mine, whole)]
        launches_by_pid += [{"pid": pid, **launched}] if mine else []
        calls = [call for call in trace.calls if call.process == process]
        sync_by_pid += [{"pid": pid, **row} for row in gpu.sync_rows(calls, idle)]
    rows.sort(key=lambda r: (-r["kernel_ns"], r["pid"]))
    return {
        "summary": {"processes": len(rows), "workers": len(workers)},
        "tables": {
            "processes": rows,
            "kernels_by_pid": kernels_by_pid,
            "launches_by_pid": launches_by_pid,
            "sync_by_pid": sync_by_pid,
            "nvtx_by_pid": ranges.nvtx_by_pid(trace),
        },
    }


def analyze_trace(trace: Trace, phases: Optional[Mapping[str, Sequence[str]]] = None) -> dict[str, Row]:
    """Return every section of a trace that was read."""
    sections = {
        "kernels": gpu.kernels(trace),
        "launches": gpu.launches(trace),
        "sync": gpu.sync(trace),
        "gpu_idle": gpu.gpu_idle(trace),
        "nvtx": ranges.nvtx(trace),
        "processes": processes(trace),
        "graphs": gpu.graphs(trace),
    }
    if phases is not None:
        sections["phases"] = ranges.nvtx_phases(trace, phases)
    return sections


def analyze(path: Path, phases: Optional[Mapping[str, Sequence[str]]] = None) -> dict[str, Row]:
    """Return every section of an export, plus ``trace`` with its ``rejected_rows`` and ``cuda_graph_mode``.

    Args:
        path: The export.
        phases: A phase map; without it there is no section ``phases``.
    """
    trace = read(path)
    sections = analyze_trace(trace, phases)
    sections["trace"] = {
        "rejected_rows": dict(sorted(trace.rejected.items())),
        "cuda_graph_mode": sections["graphs"]["summary"]["cuda_graph_mode"],
    }
    return sections
