"""A report full of hostile names, through the real core."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze
from tests.render.hostile import HOSTILE
from tests.support.export import Export


def hostile_export() -> Export:
    """Returns an export in which every text is hostile."""
    export = Export()
    for number, name in enumerate(HOSTILE):
        start = 1_000_000 + number * 2_000
        export.process(100 + number, name).gpu(number, name)
        export.nvtx(name, start - 600, start, pid=100 + number)
        export.call("cudaLaunchKernel_v7000", start - 500, start - 400, corr=number + 1, pid=100 + number)
        export.call("cudaStreamSynchronize_v3020", start - 300, start - 100, corr=number + 900, pid=100 + number)
        export.kernel(name, start, start + 1_500, corr=number + 1, pid=100 + number, device=number)
    export.diagnostic(f"Not all CUDA events might have been collected. {HOSTILE[0]} {HOSTILE[6]}", severity=3)
    return export


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of an export in which every text is hostile, in a file with a hostile name."""
    path: Path = tmp_path_factory.mktemp("hostile") / "tr|ace<b>`x`.sqlite"
    hostile_export().write(path)
    return analyze(path, phase_map={HOSTILE[0]: ["re:."]})
