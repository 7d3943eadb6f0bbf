"""Escapes for Markdown: text in prose, and names as code in prose or in a table's cell."""

from __future__ import annotations

import re

from nsys_llm_explainer.render.escape.text import visible

_SPECIAL = re.compile(r"([\\`*\[\]<>|~!#{}])")
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITY = re.compile(r"&(?=[#A-Za-z])")
_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|javascript|data):|\bwww\.")
_LINE_START = re.compile(r"^(\d{1,9}[.)](?=\s|$)|[-+](?=\s|$)|[-=]+\s*$)")


def prose(text: str) -> str:
    """Returns text that reads in Markdown as it stands: no markup, HTML, link or line break comes out of it."""
    safe = _ENTITY.sub("&amp;", visible(text).strip())
    safe = _SPECIAL.sub(r"\\\1", safe)
    safe = _UNDERSCORE.sub(r"\\_", safe)
    safe = _LINK.sub(lambda match: match[0][:-1] + f"&#{ord(match[0][-1])};", safe)
    safe = safe.replace("@", "&#64;")
    return _LINE_START.sub(lambda match: match[0][:-1] + f"&#{ord(match[0][-1])};", safe)


def code(text: str) -> str:
    """Returns a name as a code span that is also safe inside a table's cell."""
    safe = visible(text).strip().replace("`", "'")
    return f"`{safe}`".replace("|", "\\|") if safe else "(empty)"
