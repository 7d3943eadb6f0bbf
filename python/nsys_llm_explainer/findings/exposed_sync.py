"""The host waits in a blocking synchronisation while the GPUs stand idle.

What it means:
    A blocking call (cudaStreamSynchronize, cudaEventSynchronize, ...) and idle devices of the same process coincide.
    Only that coincidence counts: a blocking call while the GPU works just waits for a result.

Why it matters:
    In that time neither side does anything: the result is there, or not yet asked for, and the next work is not
    queued. It typically stands between two decode steps, where the host fetches the sampled tokens before it can
    launch the next step.

What to do:
    Queue the next step before fetching the last one's result (asynchronous scheduling, overlap scheduling), take
    synchronisations (.item(), .cpu(), print of a tensor) out of the step, and copy into pinned memory asynchronously.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nsys_llm_explainer.findings import facts
from nsys_llm_explainer.findings.rule import Claim, DeviceKey, Draft, Pool, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding, Report

ID = "exposed_sync"
HIGH_SHARE = 0.10
MEDIUM_SHARE = 0.05
LOW_SHARE = 0.02
SHOWN_CALLS = 3


def check(report: Report) -> Iterator[Draft]:
    """Yields one finding for all exposed synchronisation of the trace."""
    device_time = facts.device_time(report)
    calls = [row for row in facts.rows(report, "sync", "sync_calls") if row["kind"] == "blocking" and row["exposed_ns"]]
    if not device_time or not calls:
        return
    claims = tuple(_claims(report, calls))
    idle = sum(device.idle_ns for device in facts.devices(report))
    at_stake = min(idle, sum(claim.ns for claim in claims))
    share = at_stake / device_time
    severity = facts.severity_of(share, high=HIGH_SHARE, medium=MEDIUM_SHARE, low=LOW_SHARE)
    if severity is None:
        return
    calls.sort(key=lambda row: (-row["exposed_ns"], row["api_name"]))
    yield Draft(
        Finding(
            ID,
            severity,
            f"Host waits in blocking calls while GPUs stand idle: {fmt.percent(share)} of the device time",
            tuple(map(_evidence, calls[:SHOWN_CALLS])),
            (
                (
                    "Launch the next step before fetching the result of the last one: asynchronous (overlap) "
                    "scheduling in the engine, or an event that is awaited one step later."
                ),
                (
                    "Find the caller: .item(), .cpu(), .tolist() and tensor printing synchronise; so does "
                    "cudaMemcpyAsync with pageable memory."
                ),
                (
                    "Open the longest gaps (table gpu_idle_gaps) in the Nsight Systems GUI and look at the thread that "
                    "waits."
                ),
            ),
        ),
        claims,
    )


def _claims(report: Report, calls: list[dict[str, Any]]) -> Iterator[Claim]:
    """Yields the exposed time of each process on each of its devices: while it is exposed, all of them are idle."""
    by_pid: dict[int, int] = {}
    for row in facts.rows(report, "processes", "sync_by_pid"):
        if row["kind"] == "blocking" and row["exposed_ns"]:
            by_pid[row["pid"]] = by_pid.get(row["pid"], 0) + row["exposed_ns"]
    if not by_pid:
        yield Claim(Pool.IDLE, sum(row["exposed_ns"] for row in calls))
        return
    devices = facts.devices_of_processes(report)
    for pid, exposed_ns in sorted(by_pid.items()):
        of_pid: list[DeviceKey] = sorted(devices.get(pid, ()), key=str)
        if not of_pid:
            yield Claim(Pool.IDLE, exposed_ns)
        for device in of_pid:
            yield Claim(Pool.IDLE, exposed_ns, device)


def _evidence(row: dict[str, Any]) -> Evidence:
    names = ("api_name", "calls", "total_ns", "exposed_ns", "p90_ns", "max_ns")
    return Evidence(
        f"{row['api_name']}: GPUs idle for {fmt.duration(row['exposed_ns'])} of the {fmt.duration(row['total_ns'])} in "
        f"{fmt.counted(row['calls'], 'call')}, longest call {fmt.duration(row['max_ns'])}",
        "sync",
        "sync_calls",
        {name: row[name] for name in names},
    )


RULE = Rule(
    ID,
    "Exposed synchronisation",
    __doc__ or "",
    check,
    (
        Threshold("HIGH_SHARE", fmt.percent(HIGH_SHARE), "of the device windows: high"),
        Threshold("MEDIUM_SHARE", fmt.percent(MEDIUM_SHARE), "of the device windows: medium"),
        Threshold("LOW_SHARE", fmt.percent(LOW_SHARE), "of the device windows: low; under it there is no finding"),
    ),
)
