"""How much memory there is, and how much a trace takes.

The estimate is an upper bound measured on generated exports of 9 MB to 1 GB, with and without NVTX, and on exports of
text alone; docs/batch.md has the figures. It goes by the size of the file, as the core holds a row in fewer bytes than
the file does, and by what the outputs take.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from nsys_llm_explainer.nsys_export import is_report

WORKER_BYTES = 110_000_000
"""A process with the package loaded, and the tables of a report in it."""

BYTES_PER_FILE_BYTE = 0.6
PAGE_BYTES = 60_000_000
"""Making report.html beside the other formats."""

EXPORT_FACTOR = 10
"""How many times larger than a .nsys-rep its export is taken to be before it is made."""

SHARE = 0.8
"""The part of the available memory that is planned with where no limit is given."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_UNLIMITED = 1 << 60


def parse_size(text: str) -> int:
    """Returns the bytes in a text such as ``8GB``, ``500MB`` or ``1.5GiB``.

    Raises:
        ValueError: It is no size above 0.
    """
    match = _SIZE.fullmatch(text.strip())
    size = 0
    if match is not None:
        size = int(Decimal(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])
    if size < 1:
        raise ValueError(f"{text!r} is no size such as 8GB, 500MB or 1.5GiB")
    return size


def estimate(path: str, file_bytes: int, formats: Sequence[str]) -> int:
    """Returns how much memory explaining a trace takes at most, in a process of its own.

    Args:
        path: The trace.
        file_bytes: Its size.
        formats: What is written.
    """
    grown = file_bytes * (EXPORT_FACTOR if is_report(path) else 1)
    return WORKER_BYTES + int(grown * BYTES_PER_FILE_BYTE) + (PAGE_BYTES if "html" in formats else 0)


def available(root: Path = Path("/")) -> int:
    """Returns how many bytes this process may still take, by the machine and by its control groups.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    import psutil  # noqa: PLC0415 - only a job over many traces needs it

    return min(int(psutil.virtual_memory().available), group_room(root))


def used(pids: Sequence[int]) -> int:
    """Returns how many bytes processes hold in memory; those that are gone hold none."""
    import psutil  # noqa: PLC0415 - as above

    def held(pid: int) -> int:
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0

    return sum(map(held, pids))


def group_room(root: Path = Path("/")) -> int:
    """Returns how many bytes the control groups of this process leave it; a very large number without a limit.

    A group's own limit counts as much as those of the groups above it. File cache that the kernel can drop is room.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    room = _UNLIMITED
    for controllers, path in _groups(root / "proc/self/cgroup"):
        if controllers == "":
            base, limit, usage, cache = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, usage = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        group = base / path.lstrip("/")
        # In a container the path is the host's, and what is mounted is the group itself.
        for folder in (group, *group.parents) if group.is_dir() else (base,):
            room = min(room, _room(folder, limit, usage, cache))
            if folder == base:
                break
    return room


def _groups(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(part[1], part[2]) for part in parts if len(part) == 3]


def _room(folder: Path, limit: str, usage: str, cache: str) -> int:
    most = _number(folder / limit)
    taken = _number(folder / usage)
    if most is None or taken is None:
        return _UNLIMITED
    return max(0, most - taken + _cached(folder / "memory.stat", cache))


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdecimal() else None


def _cached(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    found = [line.split() for line in lines]
    return next((int(part[1]) for part in found if len(part) == 2 and part[0] == name), 0)
