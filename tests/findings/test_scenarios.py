"""The rules on generated servers: each injected cause is found, and the healthy server stays clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer import analyze
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.demo.spec import Causes

SICK = {
    "graph mode": (DemoSpec(graph_mode="graph"), "graph_mode_hides_kernels"),
    "tiny kernels, eager": (DemoSpec(decode_scale=0.1, graph_mode="none"), "launch_storm"),
    "extra synchronisation": (DemoSpec(causes=Causes(extra_sync=True, extra_sync_ns=3_000_000)), "exposed_sync"),
    "late wake-up": (DemoSpec(causes=Causes(sync_tail_ns=2_000_000)), "exposed_sync"),
    "slow host": (DemoSpec(causes=Causes(launch_delay_ns=5_000_000)), "gpu_idle"),
    "large copies": (DemoSpec(causes=Causes(input_bytes=200_000_000)), "copy_bound"),
}


def _strong(path: Path, spec: DemoSpec) -> list[str]:
    generate(path, spec)
    return [finding.id for finding in analyze(path).findings if finding.severity != "low"]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("graph_mode", ["node", "none"])
def test_a_healthy_server_is_clean(tmp_path: Path, seed: int, graph_mode: str) -> None:
    assert _strong(tmp_path / "healthy.sqlite", DemoSpec(seed=seed, graph_mode=graph_mode)) == []


@pytest.mark.parametrize("cause", SICK)
def test_the_injected_cause_comes_first(tmp_path: Path, cause: str) -> None:
    spec, expected = SICK[cause]
    strong = _strong(tmp_path / "sick.sqlite", spec)
    assert expected in strong
    if expected != "launch_storm":
        assert strong[0] == expected
