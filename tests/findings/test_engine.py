"""Order, and device time that is claimed once."""

from __future__ import annotations

from nsys_llm_explainer.findings.engine import DeviceLedger
from nsys_llm_explainer.findings.facts import Device
from nsys_llm_explainer.findings.rule import Claim, Draft, Pool
from nsys_llm_explainer.report import SEVERITIES, Finding
from tests.findings.conftest import Find
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export


def _devices() -> tuple[Device, ...]:
    return (
        Device((0, None), "GPU 0", window_ns=100, busy_ns=60, idle_ns=40, kernel_busy_ns=50),
        Device((1, None), "GPU 1", window_ns=100, busy_ns=90, idle_ns=10, kernel_busy_ns=90),
    )


def _settle(ledger: DeviceLedger, *claims: Claim) -> int | None:
    return ledger.settle(Draft(Finding("x", "low", "x"), claims)).at_stake_ns


def test_a_claim_gets_what_is_left_of_its_pool() -> None:
    ledger = DeviceLedger(_devices())
    assert _settle(ledger, Claim(Pool.IDLE, 15, (0, None))) == 15
    assert _settle(ledger, Claim(Pool.IDLE, 40, (0, None)), Claim(Pool.IDLE, 10, (1, None))) == 25 + 10
    assert _settle(ledger, Claim(Pool.COPY, 99, (0, None)), Claim(Pool.COPY, 99, (1, None))) == 10


def test_a_claim_without_a_device_counts_as_taken_on_each_of_them() -> None:
    ledger = DeviceLedger(_devices())
    assert _settle(ledger, Claim(Pool.IDLE, 8)) == 8
    assert _settle(ledger, Claim(Pool.IDLE, 40, (0, None)), Claim(Pool.IDLE, 10, (1, None))) == 32 + 2


def test_a_claim_on_an_unknown_device_gets_nothing() -> None:
    assert _settle(DeviceLedger(_devices()), Claim(Pool.IDLE, 8, (7, None))) == 0


def test_the_share_is_of_all_windows() -> None:
    settled = DeviceLedger(_devices()).settle(Draft(Finding("x", "low", "x"), (Claim(Pool.KERNEL, 50, (1, None)),)))
    assert settled.at_stake_share == 50 / 200


def test_nothing_is_at_stake_without_a_claim_or_a_device() -> None:
    assert _settle(DeviceLedger(_devices())) is None
    assert _settle(DeviceLedger(()), Claim(Pool.IDLE, 8)) is None


def test_a_healthy_run_has_no_finding_above_low(find: Find) -> None:
    assert [finding for finding in find(healthy()) if finding.severity != "low"] == []


def test_findings_are_ordered_and_disjoint(find: Find) -> None:
    export = Export()
    worker(export, kernels=200, gap=100_000, names=("gemm", "gemm", "attention"))
    export.call("cudaStreamSynchronize_v3020", 15 * MS, 30 * MS, corr=9_001)
    export.memcpy(70 * MS, 120 * MS)
    found = find(export)
    order = [(SEVERITIES.index(finding.severity), -(finding.at_stake_ns or 0), finding.id) for finding in found]
    assert order == sorted(order)
    assert {"exposed_sync", "gpu_idle", "copy_bound", "kernel_dominates"} <= {finding.id for finding in found}
    assert sum(finding.at_stake_share or 0 for finding in found) <= 1
    assert all(finding.evidence and finding.recommendations for finding in found)
