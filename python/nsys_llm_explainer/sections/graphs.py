"""How much of the GPU work came from CUDA graphs, and what the capture shows of them."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "graphs",
    "CUDA graphs",
    "In node mode every kernel of a graph is visible; in graph mode one launch is one opaque block, so its kernels "
    "are missing from every kernel table. p50_us and p90_us are per graph launch.",
    (
        Shown("cuda_graph_mode", "capture mode", Kind.TEXT),
        Shown("graph_launches", "graph launches", Kind.COUNT),
        Shown("graph_kernels", "kernels from graphs", Kind.COUNT),
        Shown("eager_kernels", "kernels launched one by one", Kind.COUNT),
        Shown("graph_kernel_share", "share of kernels from graphs", Kind.PERCENT),
    ),
    (
        TableView(
            "cuda_graphs",
            "CUDA graphs by total time",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("graph_id", "graph_id", Kind.ID),
                Shown("launches", "launches", Kind.COUNT),
                Shown("kernels_per_launch", "kernels_per_launch", Kind.NUMBER),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("p50_ns", "p50_us", Kind.US),
                Shown("p90_ns", "p90_us", Kind.US),
            ),
        ),
    ),
)
