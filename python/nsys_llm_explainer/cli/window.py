"""Reads ``--window``: a name, or START:END."""

from __future__ import annotations

import re

from nsys_llm_explainer.api import BY_RANGE, STEADY, WHOLE, Window, check_window

_POINT = re.compile(r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?P<unit>s|ms|us|ns)?", re.ASCII)
_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_MAX_NS = 2**63 - 1


def parse_window(text: str) -> Window:
    """Returns a window as ``analyze`` takes it: its name, or start and end in ns, None for a side that is left empty.

    Args:
        text: ``steady``, ``all``, ``nvtx:NAME``, or ``START:END``; a side is ns if it is a whole number, seconds with a
            decimal point, or carries its unit.

    Raises:
        ValueError: The text is no window.
    """
    if text in (STEADY, WHOLE) or text.startswith(BY_RANGE):
        check_window(text)
        return text
    start_text, separator, end_text = text.partition(":")
    if not separator or ":" in end_text:
        raise ValueError(
            f"{text!r} is no window: expected START:END, such as 1.5:2.0 (seconds) or 1500ms:, or "
            f"{STEADY}, {WHOLE}, {BY_RANGE}NAME"
        )
    start, end = _point(start_text, text), _point(end_text, text)
    if start is None and end is None:
        raise ValueError(f"{text!r} names neither a start nor an end")
    if start is not None and end is not None and start >= end:
        raise ValueError(f"{text!r} ends before it starts")
    return start, end


def _point(side: str, text: str) -> int | None:
    side = side.strip()
    if not side:
        return None
    match = _POINT.fullmatch(side)
    if match is None:
        raise ValueError(f"{text!r} is no window: {side!r} is no time, such as 1500000 (ns), 1.5 (seconds) or 1500ms")
    number, unit = match["number"], match["unit"] or ("s" if "." in match["number"] else "ns")
    from decimal import Decimal  # noqa: PLC0415 - few runs name a window

    ns = int(Decimal(number) * _NS[unit])
    if abs(ns) > _MAX_NS:
        raise ValueError(f"{text!r} is no window: {side!r} is beyond any trace's clock")
    return ns
