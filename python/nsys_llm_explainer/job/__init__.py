"""Ranks of one job: traces of the same run, captured on several nodes or per rank, explained on one clock."""

from __future__ import annotations

from nsys_llm_explainer.job.explain import explain_ranks
from nsys_llm_explainer.job.value import RankReport

__all__ = ["RankReport", "explain_ranks"]
