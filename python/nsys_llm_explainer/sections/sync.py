"""Where the host waited for the GPU, and how much of that the GPU stood idle."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

SYNC_CALLS = TableView(
    "sync_calls",
    "Synchronisation calls by total time",
    (
        Shown("api_name", "api_name", Kind.LABEL),
        Shown("kind", "kind", Kind.TEXT),
        Shown("calls", "calls", Kind.COUNT),
        Shown("total_ns", "total_ms", Kind.MS),
        Shown("avg_ns", "avg_us", Kind.US),
        Shown("p50_ns", "p50_us", Kind.US),
        Shown("p90_ns", "p90_us", Kind.US),
        Shown("max_ns", "max_us", Kind.US),
        Shown("exposed_ns", "exposed_ms", Kind.MS),
    ),
)

VIEW = SectionView(
    "sync",
    "Synchronisation",
    "A blocking call while the GPU works only waits for a result. exposed_ms is the time in the call during which the "
    "GPUs of its process stood idle: that is the part worth a look. Calls of kind enqueue and poll do not block the "
    "host.",
    (
        Shown("blocking_calls", "blocking calls", Kind.COUNT),
        Shown("blocking_ns", "time in them", Kind.MS),
        Shown("blocking_exposed_ns", "of that exposed", Kind.MS),
    ),
    (SYNC_CALLS,),
)
