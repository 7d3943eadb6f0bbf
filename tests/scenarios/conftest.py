"""Every generated run is written and explained once per session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from nsys_llm_explainer import Finding, Report, analyze
from nsys_llm_explainer.demo import DemoSpec, Run, generate_run


@dataclass(frozen=True)
class Explained:
    """A generated run, and what the report says of it."""

    run: Run
    report: Report

    def finding(self, finding_id: str) -> Finding:
        """The finding of an id; fails with those that are there."""
        found = {finding.id: finding for finding in self.report.findings}
        assert finding_id in found, self.told()
        return found[finding_id]

    def told(self) -> str:
        """What was found, for messages."""
        lines = (
            f"{finding.id} {finding.severity} {(finding.at_stake_ns or 0) / 1e6:.2f} ms: {finding.title}"
            for finding in self.report.findings
        )
        injected = ", ".join(f"{cause} {ns / 1e6:.2f} ms" for cause, ns in self.run.injected.items())
        return "\n".join(("findings", *lines, f"injected: {injected}"))

    def strong(self) -> list[str]:
        """The ids of findings of high or medium severity."""
        return [finding.id for finding in self.report.findings if finding.severity != "low"]

    def windows_ns(self) -> int:
        """The windows of all devices together."""
        return sum(row["window_ns"] for row in self.report.sections["gpu_idle"].tables["gpu_devices"].rows())


Explain = Callable[[DemoSpec], Explained]


@pytest.fixture(scope="session")
def explain(tmp_path_factory: pytest.TempPathFactory) -> Explain:
    """``explain(spec)`` generates a run and explains it; the same run is not done twice."""
    folder = tmp_path_factory.mktemp("scenarios")
    known: dict[DemoSpec, Explained] = {}

    def explained(spec: DemoSpec) -> Explained:
        if spec not in known:
            run = generate_run(folder / f"run{len(known)}.sqlite", spec)
            known[spec] = Explained(run, analyze(run.path))
            run.path.unlink()
        return known[spec]

    return explained
