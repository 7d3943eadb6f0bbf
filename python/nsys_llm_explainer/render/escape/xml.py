"""Prepares text for XML, whose writer escapes markup but not characters that no XML document may hold."""

from __future__ import annotations

import re

from nsys_llm_explainer.render.escape.text import REPLACEMENT, visible

_FORBIDDEN = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: str) -> str:
    """Returns the text on one line, with nothing in it that XML 1.0 forbids. Markup is left to the writer."""
    return _FORBIDDEN.sub(REPLACEMENT, visible(value))
