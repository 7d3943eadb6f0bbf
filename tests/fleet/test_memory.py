"""Sizes, limits of control groups, and the estimate beside what a worker really takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nsys_llm_explainer.fleet import memory
from nsys_llm_explainer.fleet.work.task import Options, Task


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GB", 8 * 10**9), ("8g", 8 * 10**9), ("1.5GiB", 3 << 29), ("500 MB", 5 * 10**8), ("64k", 64_000), ("7", 7)],
)
def test_sizes(text: str, size: int) -> None:
    assert memory.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "0", "0.1", "-1GB", "8 apples", "8GBs", "1e9"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size such as"):
        memory.parse_size(text)


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_no_group_is_no_limit(tmp_path: Path) -> None:
    assert memory.group_room(tmp_path) > 1 << 50
    assert 0 < memory.available() < 1 << 50


def test_version_2_takes_the_tightest_group_above(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pod/job\n",
            f"{base}/pod/memory.max": "1000\n",
            f"{base}/pod/memory.current": "900\n",
            f"{base}/pod/memory.stat": "anon 5\ninactive_file 50\n",
            f"{base}/pod/job/memory.max": "max\n",
            f"{base}/pod/job/memory.current": "800\n",
        },
    )
    assert memory.group_room(root) == 150
    (root / base / "pod/job/memory.max").write_text("820\n")
    assert memory.group_room(root) == 20


def test_version_2_inside_a_container(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/../host/path\n", "sys/fs/cgroup/memory.max": "100\n"}
    root = _write(tmp_path, {**files, "sys/fs/cgroup/memory.current": "130\n"})
    assert memory.group_room(root) == 0


def test_version_1(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory/docker/abc"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
            f"{base}/memory.limit_in_bytes": "5000\n",
            f"{base}/memory.usage_in_bytes": "1000\n",
            f"{base}/memory.stat": "total_inactive_file 300\n",
        },
    )
    assert memory.group_room(root) == 4_300


def test_an_export_that_is_to_be_made_counts_as_larger() -> None:
    assert memory.estimate("a.nsys-rep", 10**8, ("md",)) > memory.estimate("a.sqlite", 10**8, ("md",))
    assert memory.estimate("a.sqlite", 10**8, ("md", "html")) > memory.estimate("a.sqlite", 10**8, ("md",))


_MEASURE = """
import json, sys
from pathlib import Path
from nsys_llm_explainer.fleet.work.task import explain
answers = [explain(json.loads(sys.argv[1])) for _ in range(3)]
assert not any(answer["error"] for answer in answers), answers
# Not ru_maxrss, which begins with what the process held that started this one.
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("formats", [("md", "json", "csv"), ("md", "json", "csv", "html")])
def test_a_worker_stays_under_its_estimate(some: Path, tmp_path: Path, formats: tuple[str, ...]) -> None:
    path = some / "run0.sqlite"
    task = Task("t", str(path), "t", str(tmp_path / "out"), Options(formats, 30), 1, "2026-01-01T00:00:00Z")
    command = [sys.executable, "-c", _MEASURE, json.dumps(task.to_dict())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < memory.estimate(str(path), path.stat().st_size, formats)
