"""The identities that the report proves about itself."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "checks",
    "Checks",
    "Figures that have to agree because they count the same time in two ways. One that fails stands as a warning at "
    "the top: do not trust the sections that it names.",
    (
        Shown("checks", "checks", Kind.COUNT),
        Shown("failed", "failed", Kind.COUNT),
    ),
    (
        TableView(
            "checks",
            "Checks",
            (
                Shown("check", "check", Kind.TEXT),
                Shown("subject", "subject", Kind.LABEL),
                Shown("expected", "expected", Kind.NUMBER),
                Shown("found", "found", Kind.NUMBER),
                Shown("ok", "ok", Kind.FLAG),
            ),
            rows=40,
        ),
    ),
)
