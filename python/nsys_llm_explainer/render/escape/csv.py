"""Escapes for CSV: quotes where the format needs them, and no cell that a spreadsheet runs as a formula."""

from __future__ import annotations

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NEEDS_QUOTES = re.compile(r'[",\r\n]')


def text_cell(text: str) -> str:
    """Returns a text cell, quoted where needed, that no spreadsheet takes for a formula."""
    safe = text.replace("\x00", "\ufffd")
    if safe.startswith(FORMULA_STARTS):
        safe = "'" + safe
    if not _NEEDS_QUOTES.search(safe):
        return safe
    return '"' + safe.replace('"', '""') + '"'
