"""Escapes for a terminal: nothing that moves the cursor, sets colours or reorders text; and lines that fit."""

from __future__ import annotations

import unicodedata

from nsys_llm_explainer.render.escape.text import visible

_WIDE = frozenset("WF")
ELLIPSIS = "…"


def line(text: str, width: int | None = None) -> str:
    """Returns the text as one safe line, cut to a width in cells where one is given."""
    safe = visible(text)
    if width is None or cells(safe) <= width:
        return safe
    used = 0
    kept = []
    for character in safe:
        used += _cells(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ELLIPSIS


def pad(text: str, width: int) -> str:
    """Returns the safe text, cut or filled with spaces to exactly a width in cells."""
    safe = line(text, width)
    return safe + " " * (width - cells(safe))


def cells(text: str) -> int:
    """Returns how many cells of a terminal the text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
