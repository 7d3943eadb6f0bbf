"""The generated runs themselves: physically possible, and with a ledger that an independent reading agrees with."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from nsys_llm_explainer.demo import DemoSpec, causes, generate_run, healthy
from nsys_llm_explainer.demo.markers import STYLES
from tests.scenarios.catalogue import HEALTHY, PAIRS, SCENARIOS
from tests.scenarios.physics import Events
from tests.support.oracle_budget import BUCKETS, IDLE, Budget
from tests.support.oracle_host import read_capture

RUNS: dict[str, DemoSpec] = {
    **{name: scenario.spec for name, scenario in SCENARIOS.items()},
    **{name: spec for name, (spec, _) in PAIRS.items()},
    **{f"healthy: {name}": spec for name, spec in HEALTHY.items()},
    **{f"markers: {name}": healthy(markers=name) for name in STYLES},
    "no ranges, no graphs": healthy(nvtx=False, graph_mode="none", osrt=False),
    "whole piecewise graphs": healthy(graph_mode="graph", cuda_graphs="piecewise"),
    "everything recorded": healthy(
        node_events=True,
        memory_events=True,
        nccl_payloads=True,
        warmup_steps=3,
        warmup_ns=9_000_000,
        drain_steps=3,
        drain_ns=9_000_000,
        causes={"allocate_every": 5, "allocate_ns": 400_000},
    ),
    "the demo": DemoSpec(decode_steps=10),
}

#: Cause -> the buckets that it fills.
FILLS: dict[str, tuple[str, ...]] = {
    causes.BETWEEN_STEPS: ("idle.host_code", "idle.host_os"),
    causes.IN_STEP: ("idle.host_code",),
    causes.SYNC: ("idle.host_sync",),
    causes.COPY: ("copy",),
    causes.PAGEABLE: ("copy", "idle.launching", "idle.host_api"),
    causes.COMMUNICATION: ("communication",),
    causes.STRAGGLER: ("communication",),
    causes.ALLOCATION: ("idle.host_api",),
    causes.LOADING: ("idle.launching",),
    causes.OUTLIERS: ("idle.host_code",),
    causes.STORM: ("compute", "idle.queued"),
    causes.REQUESTS: ("idle.host_os",),
    causes.PROFILER: ("idle.host_code",),
    causes.UNEXPLAINED: ("idle.queued",),
}

#: Causes that fill the same buckets: the ledger divides what the host does by where it does it.
TOGETHER = dict.fromkeys((causes.BETWEEN_STEPS, causes.IN_STEP), (causes.BETWEEN_STEPS, causes.IN_STEP, causes.STARTUP))

#: Causes whose buckets hold much in a healthy run too.
BESIDE_OTHERS = {causes.STORM, causes.STRAGGLER, causes.UNEXPLAINED}


def buckets(path: Path) -> dict[str, int]:
    """The buckets of all devices together, as the oracle has them."""
    budget = Budget(read_capture(path))
    totals = [budget.totals(device) for device in budget.times]
    return {bucket: sum(total[bucket] for total in totals) for bucket in BUCKETS}


@pytest.mark.parametrize("spec", RUNS.values(), ids=RUNS)
def test_runs_are_possible(tmp_path: Path, spec: DemoSpec) -> None:
    events = Events(generate_run(tmp_path / "run.sqlite", spec).path)
    try:
        assert list(events.problems()) == []
    finally:
        events.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_ledger_is_what_the_buckets_grew_by(tmp_path: Path, name: str) -> None:
    scenario = SCENARIOS[name]
    sick = generate_run(tmp_path / "sick.sqlite", replace(scenario.spec, decode_steps=16))
    parts = buckets(sick.path)
    injected = sum(sick.injected.get(cause, 0) for cause in TOGETHER.get(scenario.finding, (scenario.finding,)))
    if scenario.finding in {causes.LAUNCH, causes.COVERAGE}:
        # From the call's end to the kernel's start is lost too, but not what lies between kernels in a full queue.
        assert parts["idle.launching"] < injected < parts["idle.launching"] + parts["idle.queued"]
        return
    found = sum(parts[bucket] for bucket in FILLS[scenario.finding])
    if scenario.finding in BESIDE_OTHERS:
        well = buckets(generate_run(tmp_path / "well.sqlite", replace(scenario.healthy, decode_steps=16)).path)
        found -= sum(well[bucket] for bucket in FILLS[scenario.finding])
    assert found == pytest.approx(injected, rel=0.08)


@pytest.mark.parametrize("spec", HEALTHY.values(), ids=HEALTHY)
def test_healthy_runs_keep_their_gpus_busy(tmp_path: Path, spec: DemoSpec) -> None:
    run = generate_run(tmp_path / "run.sqlite", replace(spec, decode_steps=18))
    found = buckets(run.path)
    assert sum(found[bucket] for bucket in IDLE) < 0.05 * sum(found.values())
    lost = sum(ns for cause, ns in run.injected.items() if cause != causes.COMMUNICATION)
    assert lost < 0.02 * sum(found.values())


def test_steps_are_told_as_they_were(tmp_path: Path) -> None:
    spec = healthy(warmup_steps=2, drain_steps=3, causes={"request_gap_every": 20, "request_gap_ns": 1_000_000})
    run = generate_run(tmp_path / "run.sqlite", spec)
    kinds = [step.batch.kind for step in run.steps]
    assert (kinds.count("decode"), kinds.count("mixed"), kinds.count("prefill")) == (45, 3, 2)
    phases = [step.phase for step in run.steps if step.batch.kind == "decode"]
    assert phases == ["warm_up"] * 2 + ["steady"] * 40 + ["drain"] * 3
    for before, after in zip(run.steps, run.steps[1:]):
        assert all(end <= start for end, start in zip(before.ends, after.starts))


def test_nodes_are_created_in_the_ranges_of_their_modules(tmp_path: Path) -> None:
    path = generate_run(tmp_path / "run.sqlite", healthy(node_events=True, layers=2, decode_steps=4)).path
    connection = sqlite3.connect(path)
    try:
        chains = connection.execute(
            """SELECT k.demangledName, n.text FROM CUPTI_ACTIVITY_KIND_KERNEL k
            JOIN CUDA_GRAPH_NODE_EVENTS e ON e.graphNodeId = k.graphNodeId AND (e.globalTid & -16777216) = k.globalPid
            JOIN CUDA_GRAPH_NODE_EVENTS o ON o.graphNodeId = e.originalGraphNodeId AND o.globalTid = e.globalTid
            JOIN NVTX_EVENTS n ON n.globalTid = o.globalTid AND n.start <= o.start AND o.end <= n.end
            WHERE o.originalGraphNodeId IS NULL"""
        ).fetchall()
        (kernels,) = connection.execute(
            "SELECT count(*) FROM CUPTI_ACTIVITY_KIND_KERNEL WHERE graphNodeId IS NOT NULL"
        ).fetchone()
    finally:
        connection.close()
    assert len(chains) == kernels > 0
    assert {text for _, text in chains} >= {
        "{'Module': 'model.layers.1.self_attn'}",
        "{'Module': 'model.layers.0.mlp'}",
    }
