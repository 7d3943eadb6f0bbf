"""Escapes for HTML, in text and in attributes."""

from __future__ import annotations

from html import escape

from nsys_llm_explainer.render.escape.text import visible


def text(value: str) -> str:
    """Returns the text with nothing left that HTML would read as markup."""
    return escape(visible(value), quote=True)
