"""Exposed synchronisation: only what coincides with idle GPUs."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find
from tests.findings.scene import MS, WORKERS, healthy, worker
from tests.support.export import Export

ID = "exposed_sync"


def _pause(share: float, *, waits: bool) -> Export:
    """Returns two bursts of work with an idle pause between; the host waits in it, or does not."""
    export = Export()
    half = worker(export, kernels=200, gap=0)
    pause = int(share * 40 * MS / (1 - share))
    for number in range(200):
        start = half + pause + number * 100_000
        export.kernel(f"later{number % 8}", start, start + 100_000, corr=5_000 + number)
    if waits:
        export.call("cudaEventSynchronize_v3020", half - 10 * MS, half + pause, corr=9_001)
    return export


@pytest.mark.parametrize(("share", "severity"), [(0.30, "high"), (0.07, "medium"), (0.03, "low")])
def test_by_its_share_of_the_windows(find: Find, share: float, severity: str) -> None:
    (finding,) = find(_pause(share, waits=True), ID)
    assert finding.severity == severity
    assert finding.at_stake_share == pytest.approx(share, abs=1e-6)
    assert "cudaEventSynchronize_v3020" in finding.evidence[0].text


def test_takes_its_time_from_the_idle_finding(find: Find) -> None:
    (sync,) = find(_pause(0.30, waits=True), ID)
    (idle,) = find(_pause(0.30, waits=True), "gpu_idle")
    assert sync.at_stake_ns
    assert idle.at_stake_ns == 0
    assert idle.evidence[-1].values == {"counted_elsewhere_ns": sync.at_stake_ns}


def test_idle_without_a_waiting_host_is_another_finding(find: Find) -> None:
    assert find(_pause(0.30, waits=False), ID) == []


def test_counts_every_device_of_a_waiting_process(find: Find) -> None:
    export = Export()
    for device in (0, 1):
        for number in range(200):
            for shift in (0, 30 * MS):
                start = shift + number * 100_000
                export.kernel(f"k{number % 8}", start, start + 100_000, device=device, stream=device)
    export.call("cudaDeviceSynchronize_v3020", 0, 30 * MS, corr=9_001)
    (finding,) = find(export, ID)
    assert finding.at_stake_ns == 2 * 10 * MS


def test_healthy_twin_waits_only_while_the_gpu_works(find: Find) -> None:
    export = healthy()
    for pid, _ in WORKERS:
        export.call("cudaDeviceSynchronize_v3020", 10 * MS, 40 * MS, corr=9_002, pid=pid)
    assert find(export, ID) == []
