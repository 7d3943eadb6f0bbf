"""Checks a phase map: which NVTX range names belong to which phase."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

PhaseMap = Union[Mapping[str, Sequence[str]], str, "os.PathLike[str]"]
UNMAPPED = "unmapped"
REGEX_PREFIX = "re:"
_EXAMPLE = '{"prefill": ["prefill"], "decode": ["decode", "re:^step_[0-9]+"]}'


def load_phase_map(phase_map: PhaseMap) -> list[tuple[str, list[str]]]:
    """Returns the phases in order, each with its patterns.

    Args:
        phase_map: A dict from phase to patterns, or the path of a JSON file that holds one.

    Raises:
        ValueError: A key or pattern is wrong; the message names it.
        OSError: The file cannot be read.
    """
    if isinstance(phase_map, Mapping):
        return _checked(list(phase_map.items()), "phase map")
    path = Path(phase_map)
    where = f"phase map {path}"
    pairs = _parse(path.read_bytes(), where)
    return _checked(pairs, where)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object in file order, so that a repeated key is seen."""


def _parse(data: bytes, where: str) -> list[tuple[str, Any]]:
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error.msg} in line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"{where}: nested too deeply; expected {_EXAMPLE}") from error
    if not isinstance(value, _Pairs):
        raise ValueError(f"{where}: expected a JSON object such as {_EXAMPLE}")  # noqa: TRY004 - the file is wrong
    return value


def _checked(pairs: list[tuple[str, Any]], where: str) -> list[tuple[str, list[str]]]:
    if not pairs:
        raise ValueError(f"{where}: holds no phase; expected something like {_EXAMPLE}")
    phases: list[tuple[str, list[str]]] = []
    seen: set[str] = set()
    for name, patterns in pairs:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"{where}: phase {name!r} needs a name")
        if name == UNMAPPED:
            raise ValueError(f"{where}: phase {name!r} is reserved for ranges that no pattern matches")
        if name in seen:
            raise ValueError(f"{where}: phase {name!r} stands there twice")
        seen.add(name)
        phases.append((name, _patterns(name, patterns, where)))
    return phases


def _patterns(phase: str, patterns: Any, where: str) -> list[str]:
    is_list = isinstance(patterns, Sequence) and not isinstance(patterns, (str, bytes, _Pairs))
    if not is_list or not patterns:
        raise ValueError(f"{where}: phase {phase!r} needs a list of patterns, not {_brief(patterns)}")
    for number, pattern in enumerate(patterns, start=1):
        if not isinstance(pattern, str):
            found = _brief(pattern)
            raise ValueError(f"{where}: phase {phase!r}, pattern {number} must be text, not {found}")  # noqa: TRY004
        if not pattern.strip() or not pattern[len(REGEX_PREFIX) if pattern.startswith(REGEX_PREFIX) else 0 :]:
            raise ValueError(f"{where}: phase {phase!r}, pattern {number} is empty and would match every range")
    return list(patterns)


def _brief(value: Any) -> str:
    if isinstance(value, _Pairs):
        return "an object"
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
