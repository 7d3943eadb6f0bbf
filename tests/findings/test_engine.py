"""Order, severity, and device time that is claimed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import analyze
from nsys_llm_explainer.findings.case import Case
from nsys_llm_explainer.findings.engine import find as find_in
from nsys_llm_explainer.findings.engine import settle, strength
from nsys_llm_explainer.findings.ledger import BUCKETS, COMPUTE, HOST_CODE, IDLE, OVER, Claim, Gaps, Ledger
from nsys_llm_explainer.findings.rule import BY_SHARE, Draft
from nsys_llm_explainer.report import Finding
from tests.findings.conftest import Find
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export

GPU0, GPU1 = (0, None), (1, None)
INSIDE = Gaps(places=frozenset({"inside_step"}))


def _gap(place: str, ns: int, bucket: str = HOST_CODE) -> dict[str, Any]:
    parts = {f"{name[len('idle.') :]}_ns": ns if name == bucket else 0 for name in IDLE}
    return {
        "device_id": 0,
        "gpu_id": None,
        "place": place,
        "size": OVER,
        "next_graph": False,
        "step_kind": None,
        "late": False,
        **parts,
    }


def _ledger() -> Ledger:
    totals = {(0, COMPUTE): 60, (0, HOST_CODE): 40, (1, COMPUTE): 100}
    rows = [
        {"device_id": device, "gpu_id": None, "bucket": bucket, "total_ns": totals.get((device, bucket), 0)}
        for device in (0, 1)
        for bucket in BUCKETS
    ]
    return Ledger(rows, [_gap("inside_step", 10), _gap("between_steps", 20)])


def test_a_claim_gets_what_is_left() -> None:
    ledger = _ledger()
    assert ledger.grant(Claim(GPU0, 15, (HOST_CODE,))) == 15
    assert ledger.grant(Claim(GPU0, 40, (HOST_CODE,))) == 25
    assert ledger.grant(Claim(GPU0, 99, (COMPUTE,))) == 60
    assert ledger.left(GPU1, COMPUTE) == 100
    assert ledger.total == 200


def test_a_claim_on_gaps_gets_those_alone() -> None:
    ledger = _ledger()
    assert ledger.grant(Claim(GPU0, 99, (HOST_CODE,), INSIDE)) == 10
    assert ledger.left(GPU0, HOST_CODE) == 30


def test_a_claim_without_a_place_takes_from_all_in_proportion() -> None:
    ledger = _ledger()
    assert ledger.grant(Claim(GPU0, 20, (HOST_CODE,))) == 20
    assert ledger.grant(Claim(GPU0, 99, (HOST_CODE,), INSIDE)) == 5


def test_buckets_are_taken_in_the_order_of_the_claim() -> None:
    ledger = _ledger()
    assert ledger.grant(Claim(GPU0, 50, (HOST_CODE, COMPUTE))) == 50
    assert (ledger.left(GPU0, HOST_CODE), ledger.left(GPU0, COMPUTE)) == (0, 50)


def test_a_claim_on_an_unknown_device_gets_nothing() -> None:
    assert _ledger().grant(Claim((7, None), 8, (HOST_CODE,))) == 0


def test_what_was_taken_can_be_given_back() -> None:
    ledger = _ledger()
    before = ledger.state()
    ledger.grant(Claim(GPU0, 33, (HOST_CODE, COMPUTE)))
    ledger.restore(before)
    assert (ledger.left(GPU0, HOST_CODE), ledger.left(GPU0, COMPUTE)) == (40, 60)


@pytest.fixture
def case(export_file: Any) -> Case:
    """A GPU that waits 1 ms of every 3 for the host between steps."""
    export = Export()
    decode(Worker(export), between=1 * MS)
    return Case(analyze(export_file(export)))


def _settled(case: Case, share: float) -> Finding | None:
    (device,) = case.devices
    claim = Claim(device.key, round(share * device.window_ns), (COMPUTE,))
    return settle(case, Draft(Finding("x", "low", "x"), (claim,), BY_SHARE))


@pytest.mark.parametrize(("share", "severity"), [(0.26, "high"), (0.11, "medium"), (0.02, "low")])
def test_severity_is_that_of_the_time_granted(case: Case, share: float, severity: str) -> None:
    finding = _settled(case, share)
    assert finding is not None
    assert finding.severity == severity
    assert finding.at_stake_share == pytest.approx(share, rel=1e-3)


def test_too_little_is_no_finding_and_stays_for_others(case: Case) -> None:
    (device,) = case.devices
    left = case.ledger.left(device.key, COMPUTE)
    assert _settled(case, 0.005) is None
    assert case.ledger.left(device.key, COMPUTE) == left


def test_what_another_finding_has_is_said(case: Case) -> None:
    assert _settled(case, 0.6) is not None
    second = _settled(case, 0.5)
    assert second is not None
    assert "counted in another finding" in second.title
    (evidence,) = second.evidence
    assert evidence.values["counted_elsewhere_ns"] > 0


def test_nothing_is_at_stake_without_a_claim(case: Case) -> None:
    finding = settle(case, Draft(Finding("x", "low", "x")))
    assert finding is not None
    assert finding.at_stake_ns is None


def test_a_healthy_run_has_no_finding_above_low(find: Find) -> None:
    assert [finding for finding in find(healthy()) if finding.severity != "low"] == []


def _check(findings: tuple[Finding, ...] | list[Finding]) -> None:
    groups = [(finding.severity == "low", finding.at_stake_ns is None) for finding in findings]
    assert groups == sorted(groups)
    assert sum(finding.at_stake_share or 0 for finding in findings) <= 1 + 1e-9
    assert all(finding.evidence and finding.recommendations for finding in findings)
    assert all(finding.meaning and finding.verify and finding.contradicted_by for finding in findings)
    assert all((finding.at_stake_ns is None) == (finding.at_stake_share is None) for finding in findings)


def test_low_findings_come_last_and_what_is_usual_counts_less_among_them() -> None:
    stakes = (("exposed_communication", "low", 90), ("a", "low", 30), ("b", "low", 20), ("c", "medium", 10))
    found = [Finding(finding_id, severity, "x", at_stake_ns=ns) for finding_id, severity, ns in stakes]
    ordered = sorted((*found, Finding("d", "high", "x"), Finding("e", "low", "x")), key=strength)
    assert [finding.id for finding in ordered] == ["c", "d", "a", "exposed_communication", "b", "e"]


def test_findings_are_ordered_and_disjoint(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        decode(worker, 1, between=400 * US, inside=600 * US)
        worker.sync(tail=300 * US)
        worker.copy(200 * US)
    found = find(export)
    assert {"exposed_sync", "host_bound_between_steps", "host_bound_in_step", "copy_bound"} <= {f.id for f in found}
    _check(found)


def test_without_a_budget_nothing_is_claimed_or_called_healthy(real_trace: Path) -> None:
    report = analyze(real_trace)
    sections = {name: section for name, section in report.sections.items() if name != "budget"}
    found = find_in(replace(report, sections=sections))
    assert "healthy" not in {finding.id for finding in found}
    assert all(not finding.at_stake_ns for finding in found)


def test_findings_of_real_traces_are_ordered_and_disjoint(real_trace: Path) -> None:
    report = analyze(real_trace)
    _check(report.findings)
    stake = sum(finding.at_stake_ns or 0 for finding in report.findings)
    devices = report.sections["gpu_idle"].tables.get("gpu_devices")
    assert stake <= (sum(devices.to_pydict()["window_ns"]) if devices is not None else 0)


@pytest.mark.parametrize(
    ("trace", "first"),
    [
        ("h100_2gpu_1s", {"copy_bound"}),
        ("windows_launch_bound_forward", {"launch_bound", "host_bound_in_step", "host_bound_between_steps"}),
        ("a100_2.7b_cuda_graphs_graph_mode", {"graph_mode_hides_kernels"}),
        ("kernels_not_captured", {"gpu_not_captured"}),
    ],
)
def test_what_real_traces_are_known_for(trace_file: Any, trace: str, first: set[str]) -> None:
    findings = analyze(trace_file(trace)).findings
    ids = [finding.id for finding in findings]
    assert ids[0] in first
    if trace == "h100_2gpu_1s":
        assert "pinned to device memory at 27.7 GB/s" in findings[0].title
        assert "exposed_sync" not in ids
    if trace.startswith("a100_2.7b_cuda_graphs"):
        assert "gpu_bound" in ids
        assert "capture again in node mode" in " ".join(findings[0].recommendations)
    if trace == "kernels_not_captured":
        assert ids == ["gpu_not_captured"]
        assert any("nsys profile" in text for text in findings[0].recommendations)
