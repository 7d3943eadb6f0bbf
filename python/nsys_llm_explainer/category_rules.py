"""Checks a file of kernel categories: which kernel names belong to which category."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

CategoryRules = Union[Sequence[Sequence[str]], str, "os.PathLike[str]"]
_EXAMPLE = '[["attn.decode", "my_decode_kernel"], ["gemm", "(?i)tiny_?gemm"]]'
_LONGEST_SHOWN = 60


def load_categories(categories: CategoryRules) -> tuple[list[tuple[str, str]], str]:
    """Returns the rules in order, each a category and a regular expression, and what to call their source.

    Args:
        categories: A list of [category, regular expression], or the path of a JSON file that holds one.

    Raises:
        ValueError: An entry is wrong; the message names the file and the entry.
        OSError: The file cannot be read.
    """
    if isinstance(categories, (str, os.PathLike)):
        path = Path(categories)
        where = f"categories {path}"
        return _checked(_parse(path.read_bytes(), where), where), where
    return _checked(categories, "categories"), "categories"


def _parse(data: bytes, where: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error.msg} in line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"{where}: nested too deeply; expected {_EXAMPLE}") from error


def _checked(entries: Any, where: str) -> list[tuple[str, str]]:
    if not _is_list(entries):
        raise ValueError(f"{where}: expected a list of pairs such as {_EXAMPLE}")
    if not entries:
        raise ValueError(f"{where}: holds no entry; expected something like {_EXAMPLE}")
    return [_entry(number, entry, where) for number, entry in enumerate(entries, start=1)]


def _entry(number: int, entry: Any, where: str) -> tuple[str, str]:
    if not _is_list(entry) or len(entry) != 2 or not all(isinstance(part, str) for part in entry):
        raise ValueError(f"{where}: entry {number} must be a pair of texts, not {_brief(entry)}")
    category, pattern = entry
    if not category.strip():
        raise ValueError(f"{where}: entry {number} needs a category before {_brief(pattern)}")
    if not pattern:
        raise ValueError(f"{where}: entry {number} ({_brief(category)}) is empty and would match every kernel")
    return category, pattern


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
