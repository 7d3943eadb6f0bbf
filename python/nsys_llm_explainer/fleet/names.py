"""Names for the traces of a job: unique, safe as the name of a folder, the same for the same paths."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import PurePath

LONGEST = 80
_SUFFIXES = re.compile(r"\.(sqlite3?|db|nsys-rep)$", re.IGNORECASE)
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def unique_names(paths: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Returns a name for each path: its stem; where that is not enough, with as many folders before it as it takes.

    Args:
        paths: Absolute paths, each once.
        taken: Names that are not to be had.
    """
    depths = [0] * len(paths)
    while True:
        names = [safe_name(path, depth) for path, depth in zip(paths, depths)]
        counted = Counter(name.casefold() for name in names)
        crowded = [
            place
            for place, name in enumerate(names)
            if counted[name.casefold()] > 1 and depths[place] < len(PurePath(paths[place]).parent.parts) - 1
        ]
        if not crowded:
            break
        for place in crowded:
            depths[place] += 1
    return _numbered(paths, names, {name.casefold() for name in taken})


def safe_name(path: str, depth: int = 0) -> str:
    """Returns a name for a path that is one plain file name: no separator, control character, leading dot or dash.

    Args:
        path: The path.
        depth: How many of its folders stand before the stem.
    """
    pure = PurePath(path)
    folders = pure.parent.parts[1:]
    parts = [*folders[len(folders) - depth :], _SUFFIXES.sub("", pure.name)]
    text = os.fsencode("-".join(parts)).decode("utf-8", errors="replace")
    name = "".join(letter if letter.isalnum() or letter in "._-+=@" else "_" for letter in text)
    name = name.lstrip(".-").rstrip(".") or "trace"
    if len(name.encode()) > LONGEST:
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        name = name.encode()[: LONGEST - 9].decode(errors="ignore") + "-" + digest
    return f"{name}_" if _DEVICES.fullmatch(name) else name


def _numbered(paths: Sequence[str], names: Sequence[str], taken: set[str]) -> list[str]:
    """Numbers the names that are still not unique, in the order of their paths."""
    used = set(taken)
    counted = Counter(name.casefold() for name in names)
    used.update(name for name, count in counted.items() if count == 1)
    found = dict.fromkeys(range(len(paths)), "")
    for place in sorted(range(len(paths)), key=lambda place: paths[place]):
        name, number = names[place], 2
        if counted[name.casefold()] == 1 and name.casefold() not in taken:
            found[place] = name
            continue
        candidate = name
        while candidate.casefold() in used:
            candidate = f"{name}-{number}"
            number += 1
        used.add(candidate.casefold())
        found[place] = candidate
    return [found[place] for place in range(len(paths))]
