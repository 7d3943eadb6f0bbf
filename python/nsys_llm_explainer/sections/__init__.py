"""The sections of the report, in its order: one file each, with the same stem as the analysis in the core."""

from __future__ import annotations

from nsys_llm_explainer.sections import (
    budget,
    categories,
    checks,
    communication,
    gpu_idle,
    graphs,
    kernels,
    launch_path,
    launches,
    memory,
    nvtx,
    phases,
    processes,
    steps,
    sync,
)
from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

SECTIONS: tuple[SectionView, ...] = (
    budget.VIEW,
    steps.VIEW,
    categories.VIEW,
    launch_path.VIEW,
    memory.VIEW,
    communication.VIEW,
    kernels.VIEW,
    launches.VIEW,
    sync.VIEW,
    gpu_idle.VIEW,
    nvtx.VIEW,
    phases.VIEW,
    processes.VIEW,
    graphs.VIEW,
    checks.VIEW,
)

__all__ = ["SECTIONS", "Kind", "SectionView", "Shown", "TableView"]
