"""One kernel dominates."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, NAMES, healthy, worker
from tests.support.export import Export

ID = "kernel_dominates"


@pytest.mark.parametrize("of_ten", [5, 3])
def test_by_its_share_of_all_kernel_time(find: Find, of_ten: int) -> None:
    export = Export()
    worker(export, names=("void flash_fwd<bf16>(P)",) * of_ten + NAMES[: 10 - of_ten])
    (finding,) = find(export, ID)
    assert finding.severity == "low"
    assert "flash_fwd" in finding.title
    assert "attention" in text_of(finding)
    assert finding.at_stake_ns is None


def test_over_all_devices_by_name(find: Find) -> None:
    export = Export()
    for pid, device in ((100, 0), (200, 1)):
        worker(export, pid=pid, device=device, names=("ncclDevKernel_AllReduce", NAMES[0]))
    (nccl,) = [finding for finding in find(export, ID) if "nccl" in finding.title]
    assert nccl.severity == "low"
    assert nccl.evidence[0].values["calls"] == 400
    assert "slowest rank" in text_of(nccl)


def test_low_where_kernels_hardly_matter(find: Find) -> None:
    export = Export()
    end = worker(export, names=("gemm", NAMES[0], NAMES[1]))
    export.memcpy(end, end + 5_000 * MS)
    assert {finding.severity for finding in find(export, ID)} == {"low"}


def test_nothing_about_a_handful_of_kernels(find: Find) -> None:
    export = Export()
    worker(export, kernels=10, names=("gemm",))
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
