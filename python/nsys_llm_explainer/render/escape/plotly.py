"""Escapes for text inside Plotly figures, which take a subset of HTML and its entities in labels and hover texts."""

from __future__ import annotations

from nsys_llm_explainer.render.escape.text import visible

LONGEST_LABEL = 60
ELLIPSIS = "…"


def label(text: str, limit: int = LONGEST_LABEL) -> str:
    """Returns the text, cut to a length, with nothing left that Plotly would read as markup or an entity.

    Args:
        text: The text.
        limit: Longest result before escaping, in characters.
    """
    safe = visible(text)
    if len(safe) > limit:
        safe = safe[: limit - 1].rstrip() + ELLIPSIS
    return safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
