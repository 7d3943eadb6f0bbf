"""What holds a process up that a steady state should not have: allocation, loading of code, the profiler itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import Claim, Gaps
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence

ALLOCATION = "allocation"
LOADING = "loading"
PROFILER = "profiler"
IN_STEPS = frozenset({"inside_step", "between_steps"})
_LOADING = re.compile(r"jit|compil|module load|lazy|function load", re.IGNORECASE)
_PROFILER = re.compile(r"profil|cupti|flush|instrument|chunk allocation|tls allocation", re.IGNORECASE)


def rows(case: Case, suspect: str, buckets: Iterable[str]) -> list[Row]:
    """Returns the rows of idle_suspects of a suspect in some buckets."""
    wanted = frozenset(buckets)
    found = case.rows("budget", "idle_suspects")
    return [row for row in found if row["suspect"] == suspect and row["bucket"] in wanted]


def claims_while_serving(found: Iterable[Row]) -> tuple[Claim, ...]:
    """Returns the claims on idle time in and between steps, after warm-up and before draining."""
    return tuple(_claim(row, row["settled_ns"]) for row in found if row["place"] in IN_STEPS and row["settled_ns"])


def claims(found: Iterable[Row]) -> tuple[Claim, ...]:
    """Returns the claims on all of the idle time."""
    return tuple(_claim(row, row["idle_ns"]) for row in found if row["idle_ns"])


def _claim(row: Row, ns: int) -> Claim:
    return Claim(key_of(row), ns, (row["bucket"],), Gaps(places=frozenset({row["place"]})))


def loading(case: Case) -> list[Row]:
    """Returns the rows of the table overheads about compiling and loading code for the GPU."""
    return [row for row in case.rows("launch_path", "overheads") if _LOADING.search(row["kind"])]


def profiling(case: Case) -> list[Row]:
    """Returns the rows of the table overheads about the profiler itself."""
    found = case.rows("launch_path", "overheads")
    return [row for row in found if _PROFILER.search(row["kind"]) and not _LOADING.search(row["kind"])]


def overhead(row: Row) -> Evidence:
    """Returns a row of the table overheads as evidence."""
    steady = "" if row["steady_ns"] is None else f", {fmt.duration(row['steady_ns'])} in the steady window"
    inside = f", inside {gaps.name(row['inside_api'])}" if row["inside_api"] else ""
    return Evidence(
        f"Process {row['pid']}, {gaps.name(row['kind'])}: {fmt.counted(row['events'], 'event')}, "
        f"{fmt.duration(row['total_ns'])}{steady}, GPUs idle for {fmt.duration(row['idle_ns'] or 0)} of it{inside}",
        "launch_path",
        "overheads",
        row,
    )


def idle(case: Case, found: Iterable[Row]) -> list[Evidence]:
    """Returns one evidence per device: the idle time, by place."""
    by_device: dict[tuple[int | None, int | None], dict[str, int]] = {}
    for row in found:
        places = by_device.setdefault(key_of(row), {})
        places[row["place"]] = places.get(row["place"], 0) + row["idle_ns"]
    return [
        Evidence(
            f"{case.label(key)} stands idle meanwhile: "
            + ", ".join(f"{fmt.duration(ns)} {place.replace('_', ' ')}" for place, ns in places.items() if ns),
            "budget",
            "idle_suspects",
            {"device_id": key[0], "gpu_id": key[1], **{f"{place}_ns": ns for place, ns in places.items()}},
        )
        for key, places in list(by_device.items())[: gaps.SHOWN_DEVICES]
        if any(places.values())
    ]
