"""PIDs look wrong."""

from __future__ import annotations

from tests.findings.conftest import Find
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "pids_look_wrong"


def test_most_kernels_with_pid_zero(find: Find) -> None:
    export = Export()
    worker(export, pid=0)
    worker(export, pid=100, device=1, kernels=60)
    (finding,) = find(export, ID)
    assert finding.severity == "medium"
    assert "process id 0" in finding.title


def test_a_second_worker_without_gpu_work(find: Find) -> None:
    export = Export()
    worker(export, pid=100)
    for number in range(300):
        export.call("cudaLaunchKernel_v7000", 20 * MS + number * 100, 20 * MS + number * 100 + 50, pid=200)
    (finding,) = find(export, ID)
    assert "process 100" in finding.title
    assert finding.evidence[0].values == {"pid": 200, "launch_calls": 300}


def test_a_helper_process_is_normal(find: Find) -> None:
    export = Export()
    worker(export, pid=100)
    for number in range(10):
        export.call("cudaGetDeviceProperties_v2_v12000", number * 100, number * 100 + 50, pid=300)
    export.call("cudaDeviceSynchronize_v3020", 5_000, 6_000, pid=300)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
