"""The sections of the report, in its order: one file each, with the same stem as the analysis in the core."""

from __future__ import annotations

from nsys_llm_explainer.sections import gpu_idle, graphs, kernels, launches, nvtx, phases, processes, sync
from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

SECTIONS: tuple[SectionView, ...] = (
    kernels.VIEW,
    launches.VIEW,
    sync.VIEW,
    gpu_idle.VIEW,
    nvtx.VIEW,
    phases.VIEW,
    processes.VIEW,
    graphs.VIEW,
)

__all__ = ["SECTIONS", "Kind", "SectionView", "Shown", "TableView"]
