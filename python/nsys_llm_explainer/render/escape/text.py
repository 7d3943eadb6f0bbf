"""Makes invisible and line-breaking characters visible; the first step of every sink for people."""

from __future__ import annotations

import unicodedata

REPLACEMENT = "\ufffd"
_SPACE_LIKE = frozenset("\t\n\r\v\f\x85\u2028\u2029")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    """Returns the text on one line: line breaks become spaces; controls, bidi marks, surrogates a replacement."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def all_visible(texts: list[str]) -> list[str]:
    """Returns each of the texts as ``visible`` does; nearly always all of them are plain."""
    whole = "".join(texts)
    return texts if whole.isascii() and whole.isprintable() else list(map(visible, texts))


def _visible(character: str) -> str:
    if character in _SPACE_LIKE:
        return " "
    return REPLACEMENT if unicodedata.category(character) in _HIDDEN else character
