"""Oracle, part 5: what kind of work a kernel does, by its name.

Decisions where the definitions are silent:

* The function is the text before the first ``<``, return type and qualifiers included; its last identifier is the last
  word of that text. A name without ``<`` is tried once.
* A wrapper is also any function called ``…elementwise_kernel…``.
* ``share`` is of all kernel time of the trace.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Optional

from tests.support.oracle_gpu import Row, measure, ratio
from tests.support.oracle_host import Capture, solid
from tests.support.oracle_trace import KERNEL, Device, Op

_FILE = Path(__file__).with_name("kernel_categories.json")
RULES = [(name, re.compile(rule, re.IGNORECASE)) for name, rule in json.loads(_FILE.read_text(encoding="utf-8"))]
WRAPPERS = {"device_kernel", "Kernel", "Kernel2", "kernel", "reduce_kernel"}
OTHER = "other"
LONGEST = 4096

_WRAPPER = re.compile(r"(\w*_)?elementwise_kernel(_\w+)?")


def _first_hit(text: str) -> Optional[str]:
    return next((name for name, rule in RULES if rule.search(text)), None)


@cache
def category_of(name: str) -> str:
    """Return the category of a kernel."""
    text = name[:LONGEST]
    function = text.partition("<")[0]
    words = re.findall(r"\w+", function)
    wraps = bool(words) and (words[-1] in WRAPPERS or _WRAPPER.fullmatch(words[-1]) is not None)
    return (None if wraps else _first_hit(function)) or _first_hit(text) or OTHER


def is_communication(op: Op) -> bool:
    """Tell whether an op is a kernel that communicates."""
    return op.kind == KERNEL and category_of(op.name).startswith("comm.")


def categories(capture: Capture) -> Row:
    """Return the section ``categories``."""
    groups: dict[tuple[Device, str], list[Op]] = defaultdict(list)
    names: dict[tuple[str, str], list[int]] = defaultdict(list)
    for op in capture.trace.kernels:
        groups[op.device, category_of(op.name)].append(op)
        names[category_of(op.name), op.name].append(op.ns)
    whole = sum(op.ns for op in capture.trace.kernels)
    rows = [
        {
            **capture.who(device),
            "category": category,
            "calls": len(ops),
            "total_ns": sum(op.ns for op in ops),
            "share": ratio(sum(op.ns for op in ops), whole),
            "union_ns": measure(solid((op.start, op.end) for op in ops)),
        }
        for (device, category), ops in groups.items()
    ]
    kernels = [
        {"category": category, "kernel_name": name, "calls": len(durations), "total_ns": sum(durations)}
        for (category, name), durations in names.items()
    ]
    other = sum(sum(durations) for (category, _), durations in names.items() if category == OTHER)
    return {
        "summary": {"kernels": len(capture.trace.kernels), "total_ns": whole, "other_share": ratio(other, whole)},
        "tables": {"kernel_categories": rows, "category_kernels": kernels},
    }
