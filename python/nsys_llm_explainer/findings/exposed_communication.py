"""A GPU spends a good part of its window on communication alone.

What it means:
    For this share of the window a collective's kernel runs and no compute kernel does. Waiting for a late rank is part
    of it unless the finding on a straggling rank has it.

Why it matters:
    Tensor-parallel layers end in a collective that the next layer needs: its time adds to each layer of each step.
    Small messages are bound by latency, large ones by the links.

What to do:
    Use the one-shot or two-shot all-reduce of the engine for small messages, check that the links are what you think
    (NVLink, not PCIe: nvidia-smi topo -m), fuse the all-reduce with the norm that follows, overlap it with compute, or
    use fewer ranks per replica and more replicas.

How to verify:
    exposed_ns of the named collective falls. collective_bytes gives the bus rate (capture with --trace=nccl): compare
    it with what nccl-tests reaches between the same GPUs.

What would contradict it:
    A large wait_ns in rank_waits: then the ranks arrive at different times, and the transfer is not the problem.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Device, Row, key_of
from nsys_llm_explainer.findings.ledger import COMMUNICATION, Claim
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "exposed_communication"
SHOWN_COLLECTIVES = 3

_RECOMMENDATIONS = (
    "Check the links between the GPUs (nvidia-smi topo -m) and the engine's choice of all-reduce for small messages.",
    "Hide it: fuse the all-reduce with the norm that follows, or overlap it with the next matrix product.",
    "Where the model fits, use fewer ranks per replica and more replicas.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for communication alone on all devices."""
    found = [device for device in case.devices if case.ledger.left(device.key, COMMUNICATION)]
    if not found:
        return
    alone = {device.key: case.ledger.left(device.key, COMMUNICATION) for device in found}
    found.sort(key=lambda device: (-device.share(alone[device.key]), device.label))
    worst = found[0]
    rows = sorted(case.rows("communication", "collectives"), key=lambda row: -row["exposed_ns"])
    late = any(finding.id == "straggling_rank" for finding in case.findings)
    waiting = " beyond waiting for a late rank" if late and alone[worst.key] < worst.buckets[COMMUNICATION] else ""
    title = (
        f"{worst.label} does nothing but communicate for {fmt.percent(worst.share(alone[worst.key]))} of its window"
        f"{waiting}"
    )
    if rows:
        title += f", mostly in {fmt.kernel_name(rows[0]['name'], gaps.LONGEST_NAME)}"
    evidence = (
        *map(_device, found[: gaps.SHOWN_DEVICES]),
        *(_collective(case, row) for row in rows[:SHOWN_COLLECTIVES]),
        *_rates(case),
    )
    claims = tuple(Claim(device.key, alone[device.key], (COMMUNICATION,)) for device in found)
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), claims, BY_SHARE)


def _device(device: Device) -> Evidence:
    exposed = device.buckets[COMMUNICATION]
    return Evidence(
        f"{device.label}: {fmt.duration(exposed)} of {fmt.duration(device.window_ns)} with collectives and no other "
        f"kernel ({fmt.percent(device.share(exposed))})",
        "budget",
        "device_time",
        {
            "device_id": device.key[0],
            "gpu_id": device.key[1],
            "communication_ns": exposed,
            "window_ns": device.window_ns,
        },
    )


def _collective(case: Case, row: Row) -> Evidence:
    median = "" if row["p50_ns"] is None else f", median {fmt.duration(row['p50_ns'])}"
    return Evidence(
        f"{case.label(key_of(row))}: {fmt.kernel_name(row['name'])}: {fmt.counted(row['calls'], 'execution')}{median}, "
        f"{fmt.duration(row['exposed_ns'])} of {fmt.duration(row['union_ns'])} exposed",
        "communication",
        "collectives",
        row,
    )


def _rates(case: Case) -> Iterator[Evidence]:
    rows = [row for row in case.rows("communication", "collective_bytes") if row["bus_bytes_per_s"]]
    for row in sorted(rows, key=lambda row: -row["bytes"])[:1]:
        yield Evidence(
            f"{gaps.name(row['name'])} moves {fmt.size(round(row['bytes_avg']))} per call at "
            f"{fmt.throughput(row['bus_bytes_per_s'])} on the bus",
            "communication",
            "collective_bytes",
            row,
        )


RULE = Rule(ID, "Exposed communication", __doc__ or "", check, SHARES)
