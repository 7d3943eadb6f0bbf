"""The buckets in the order in which charts stack them, with their words and colours in the light and the dark theme.

Each colour has a contrast of at least 3:1 against the page of its theme; no chart tells things apart by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUCKETS: Mapping[str, str] = {
    "compute": "compute",
    "communication": "communication",
    "copy": "copy",
    "idle.host_sync": "idle: host synchronises",
    "idle.host_api": "idle: host in a CUDA call",
    "idle.host_os": "idle: host in the OS",
    "idle.host_code": "idle: host code",
    "idle.launching": "idle: launching",
    "idle.inside_graph": "idle: inside a graph",
    "idle.queued": "idle: queued",
    "idle.unmatched": "idle: no launch found",
}
KINDS = ("decode", "prefill", "mixed", "unknown")
LIGHT: Mapping[str, str] = {
    "compute": "#1a7f5a",
    "communication": "#2f6fde",
    "copy": "#8250df",
    "idle.host_sync": "#7a1f1a",
    "idle.host_api": "#b5521b",
    "idle.host_os": "#8a6a00",
    "idle.host_code": "#d1242f",
    "idle.launching": "#bf3989",
    "idle.inside_graph": "#5b7083",
    "idle.queued": "#0b7285",
    "idle.unmatched": "#7d8590",
    "decode": "#57606a",
    "prefill": "#24292f",
    "mixed": "#86536a",
    "unknown": "#6e7781",
    "text": "#1f2328",
    "quiet": "#57606a",
    "line": "#d0d7de",
    "page": "#ffffff",
    "alarm": "#cf222e",
}
DARK: Mapping[str, str] = {
    "compute": "#3fb27f",
    "communication": "#6ea8ff",
    "copy": "#b392f0",
    "idle.host_sync": "#d98880",
    "idle.host_api": "#f0883e",
    "idle.host_os": "#d4b106",
    "idle.host_code": "#ff6b6b",
    "idle.launching": "#f778ba",
    "idle.inside_graph": "#8fa5b8",
    "idle.queued": "#39c5cf",
    "idle.unmatched": "#9aa4ae",
    "decode": "#9aa4ae",
    "prefill": "#e6edf3",
    "mixed": "#d8a5b8",
    "unknown": "#7d8590",
    "text": "#e6edf3",
    "quiet": "#9aa4ae",
    "line": "#3d444d",
    "page": "#0d1117",
    "alarm": "#ff7b72",
}
_MARK = "@"


def token(name: str) -> str:
    """Returns the placeholder of a colour inside a figure."""
    return _MARK + name


def themed(value: Any, palette: Mapping[str, str]) -> Any:
    """Returns figure data with the placeholders of colours replaced.

    Args:
        value: Figure data, or a part of it.
        palette: ``LIGHT`` or ``DARK``.
    """
    if isinstance(value, dict):
        return {key: themed(item, palette) for key, item in value.items()}
    if isinstance(value, list):
        return [themed(item, palette) for item in value]
    if isinstance(value, str) and value.startswith(_MARK):
        return palette.get(value[len(_MARK) :], value)
    return value
