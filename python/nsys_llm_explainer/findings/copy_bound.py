"""A GPU spends a good part of its window on copies alone.

What it means:
    For this share of the device's window a copy or memset runs and no kernel does. Copies that overlap kernels are
    not counted.

Why it matters:
    The compute units stand still while data moves. In LLM inference that is weights streamed from host memory
    (offload), the KV cache being swapped, or model loading inside the capture.

What to do:
    If it is model loading, capture the steady state only. Otherwise keep the data on the device (smaller data type,
    less offload, more memory for the KV cache), or overlap the copies with kernels: pinned memory and a stream of
    their own.

How to verify:
    exposed_ns of the named direction in the table copies falls, and the copy bucket with it. The rate in that table
    says whether the link is the limit: compare it with what bandwidthTest or nvbandwidth reaches on this machine.

What would contradict it:
    Copies that lie outside the steady window (steady_ns of the copy bucket near zero): then it is start-up.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Device, Row, key_of
from nsys_llm_explainer.findings.ledger import COPY, Claim
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "copy_bound"
SHOWN_COPIES = 3

_RECOMMENDATIONS = (
    "If this is model loading or warm-up, judge the steady state alone (--window steady, or a later capture).",
    (
        "Keep what is copied on the device: less weight or KV-cache offload, a smaller data type, more memory for the "
        "KV cache."
    ),
    (
        "Let the copies that remain overlap kernels: pinned host memory, and a stream of their own that the kernels "
        "do not wait for."
    ),
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for the copies alone on all devices."""
    found = [device for device in case.devices if case.ledger.left(device.key, COPY)]
    if not found:
        return
    alone = {device.key: case.ledger.left(device.key, COPY) for device in found}
    found.sort(key=lambda device: (-device.share(alone[device.key]), device.label))
    worst = found[0]
    largest = _largest(case, worst)
    title = f"{worst.label} does nothing but copy for {fmt.percent(worst.share(alone[worst.key]))} of its window"
    if largest:
        title += f": {_what(largest[0])}"
    if len(found) > 1:
        title += f" ({fmt.counted(len(found) - 1, 'more GPU')} likewise)"
    evidence = [_device(device) for device in found[: gaps.SHOWN_DEVICES]]
    evidence += [_copies(case, row) for device in found[: gaps.SHOWN_DEVICES] for row in _largest(case, device)]
    evidence += list(_calls(case))
    claims = tuple(Claim(device.key, alone[device.key], (COPY,)) for device in found)
    yield Draft(Finding(ID, "low", title, tuple(evidence), _RECOMMENDATIONS), claims, BY_SHARE)


def _largest(case: Case, device: Device) -> list[Row]:
    rows = [row for row in case.rows("memory", "copies") if key_of(row) == device.key and row["exposed_ns"]]
    return sorted(rows, key=lambda row: -row["exposed_ns"])[:SHOWN_COPIES]


def _what(row: Row) -> str:
    kinds = f"{row['src_kind']} to {row['dst_kind']} memory"
    rate = "" if row["bytes_per_s"] is None else f" at {fmt.throughput(row['bytes_per_s'])}"
    return f"{row['direction']}, {kinds}{rate}"


def _device(device: Device) -> Evidence:
    copy_ns = device.buckets[COPY]
    return Evidence(
        f"{device.label}: {fmt.duration(copy_ns)} of {fmt.duration(device.window_ns)} with copies and no kernel "
        f"({fmt.percent(device.share(copy_ns))})",
        "budget",
        "device_time",
        {
            "device_id": device.key[0],
            "gpu_id": device.key[1],
            "copy_ns": copy_ns,
            "window_ns": device.window_ns,
        },
    )


def _copies(case: Case, row: Row) -> Evidence:
    return Evidence(
        f"{case.label(key_of(row))}: {_what(row)}: {fmt.counted(row['copies'], 'copy operation')}, "
        f"{fmt.size(row['bytes'])}, {fmt.duration(row['exposed_ns'])} of {fmt.duration(row['total_ns'])} exposed",
        "memory",
        "copies",
        row,
    )


def _calls(case: Case) -> Iterator[Evidence]:
    rows = sorted(case.rows("memory", "copy_calls"), key=lambda row: -row["exposed_ns"])
    for row in rows[:1]:
        where = f" in {gaps.name(row['range_name'])}" if row["range_name"] else ""
        yield Evidence(
            f"Most of it is asked for by {gaps.api(row['api_name'])} of process {row['pid']}{where}: "
            f"{fmt.counted(row['copies'], 'copy operation')}, {fmt.duration(row['exposed_ns'])} exposed",
            "memory",
            "copy_calls",
            row,
        )


RULE = Rule(ID, "Bound by copies", __doc__ or "", check, SHARES)
