"""Escapes for the page outside its templates, the same as inside."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import escape


def lines(texts: Sequence[str]) -> list[str]:
    """Returns texts with nothing left that HTML would read as markup: all at once, as one call takes long.

    Args:
        texts: The texts, each on one line.
    """
    return str(escape("\n".join(texts))).split("\n") if texts else []
