"""The explanation equals an independent reading of its definitions, value by value, on real and generated exports."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import nsys_llm_explainer
from nsys_llm_explainer import _native
from nsys_llm_explainer.demo import Causes, DemoSpec, generate
from tests.support import oracle_budget, oracle_explain
from tests.support.oracle_host import read_capture
from tests.support.oracle_trace import Device
from tests.support.random_exports import ugly_export

Row = dict[str, Any]

DEVICE = ("device_id", "gpu_id")
KEYS = {
    "device_time": (*DEVICE, "bucket"),
    "gap_causes": (*DEVICE, "start_ns"),
    "gap_groups": (*DEVICE, "cause", "call_name", "size"),
    "host_calls": ("pid", "api_name", "bucket", *DEVICE),
    "steps": ("pid", *DEVICE, "start_ns", "host_start_ns"),
    "step_kinds": (*DEVICE, "pid", "kind"),
    "kernel_categories": (*DEVICE, "category"),
    "category_kernels": ("category", "kernel_name"),
    "step_categories": (*DEVICE, "pid", "step_kind", "category"),
    "step_launches": (*DEVICE, "pid", "step_kind"),
    "launch_calls": ("pid", "api_name"),
    "copies": (*DEVICE, "direction", "src_kind", "dst_kind"),
    "allocations": ("pid", "api_name"),
    "collectives": ("name", *DEVICE),
    "rank_skew": ("name", "occurrence"),
    "rank_waits": DEVICE,
}
#: Tables whose rows are summed by the oracle's key first: the product groups by more.
COARSER = {"gap_groups"}


def same(found: object, expected: object) -> bool:
    if isinstance(found, float) and isinstance(expected, (int, float)):
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)
    return found == expected


def key_of(name: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in KEYS[name])


def summed(name: str, rows: list[Row]) -> list[Row]:
    """Returns the rows added up by the oracle's key; of a maximum, the largest."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[key_of(name, row)].append(row)
    found = []
    for key, members in groups.items():
        row = dict(zip(KEYS[name], key))
        for column, value in members[0].items():
            if column.startswith("max_"):
                row[column] = max(member[column] for member in members)
            elif type(value) is int and column not in row and "example" not in column:
                row[column] = sum(member[column] or 0 for member in members)
        found.append(row)
    return found


def differences(name: str, found: list[Row], expected: list[Row], total_rows: int) -> list[str]:
    """Compares the rows of a table that the report shows with the whole table of the oracle."""
    cut = total_rows > len(found)
    if name in COARSER:
        assert not cut, name
        found, expected = summed(name, found), summed(name, expected)
        total_rows = len(found)
    wanted = {key_of(name, row): row for row in expected}
    assert len(wanted) == len(expected), f"the key of {name} is not unique"
    wrong = [] if total_rows == len(expected) else [f"{name}: {total_rows} rows, expected {len(expected)}"]
    shown = {key_of(name, row) for row in found}
    wrong += [f"{name} {key}: too many" for key in sorted(shown - set(wanted), key=repr)]
    wrong += [f"{name} {key}: missing" for key in sorted(set(wanted) - shown, key=repr) if not cut]
    for row in found:
        twin = wanted.get(key_of(name, row), {})
        columns = [column for column in twin if not same(row.get(column, "no such column"), twin[column])]
        wrong += [f"{name} {key_of(name, row)} {c}: {row.get(c, '-')}, expected {twin[c]}" for c in columns]
    return wrong


def problems(path: Path, sections: Mapping[str, _native.Section]) -> tuple[int, list[str]]:
    """Returns how many sections there were to compare with the oracle, and where they differ."""
    figures = sections["steps"].summary
    steady = (figures.get("steady_start_ns"), figures.get("steady_end_ns"))
    compared = 0
    wrong: list[str] = []
    for section_id, wanted in oracle_explain.analyze(path, None if None in steady else steady).items():
        section = sections[section_id]
        if section.status == "missing":
            wrong += [f"{section_id} is missing" for table in wanted["tables"].values() if table][:1]
            continue
        compared += 1
        for name, value in wanted["summary"].items():
            found = section.summary.get(name, "no such figure")
            wrong += [] if same(found, value) else [f"{section_id}.{name}: {found}, expected {value}"]
        for name, expected in wanted["tables"].items():
            table = section.tables[name]
            wrong += differences(name, table.rows(), expected, table.total_rows)
    return compared, wrong


def compare(path: Path) -> int:
    """Asserts that every section that has an oracle agrees with it; returns how many there were."""
    sections = nsys_llm_explainer.analyze(path, window="all").sections
    compared, wrong = problems(path, sections)
    checks = sections["checks"]
    if checks.status != "missing":
        wrong += [f"check failed: {row}" for row in checks.tables["checks"].rows() if not row["ok"]]
    assert wrong == []
    return compared


#: No CUDA activity at all.
EMPTY = {
    "empty_capture",
    "kernels_not_captured",
    "no_cuda_sched_only",
    "osrt_only_invalid_utf8",
    "runtime_without_kernels",
}


def test_real_exports(real_trace: Path) -> None:
    assert compare(real_trace) >= (0 if real_trace.stem in EMPTY else 3)


@pytest.mark.parametrize("graph_mode", ["node", "graph", "none"])
@pytest.mark.parametrize("workers", [1, 3])
def test_generated_serving_runs(tmp_path: Path, graph_mode: str, workers: int) -> None:
    spec = DemoSpec(seed=workers, workers=workers, decode_steps=8, prefill_every=3, layers=2, graph_mode=graph_mode)
    assert compare(generate(tmp_path / "demo.sqlite", spec)) >= 5


VARIANTS: dict[str, Row] = {
    "older markers": {"markers": "vllm_v0"},
    "markers of TensorRT-LLM": {"markers": "tensorrt_llm"},
    "no markers": {"markers": "none"},
    "piecewise graphs": {"cuda_graphs": "piecewise"},
    "asynchronous scheduling": {"lookahead": 2},
    "a straggler": {"causes": Causes(straggler_rank=1, straggler_code_ns=200_000)},
    "pageable copies": {"causes": Causes(pageable_inputs=True, pageable_bytes=100_000)},
    "allocations": {"causes": Causes(allocate_every=2, allocate_ns=90_000)},
    "synchronisations": {"causes": Causes(extra_sync=True, extra_sync_ns=100_000)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_a_serving_run(tmp_path: Path, variant: str) -> None:
    spec = DemoSpec(workers=2, decode_steps=8, prefill_every=3, layers=3, **VARIANTS[variant])
    assert compare(generate(tmp_path / "demo.sqlite", spec)) >= 5


@pytest.mark.parametrize("seed", range(60))
def test_random_exports(tmp_path: Path, seed: int) -> None:
    path = ugly_export(random.Random(seed), steps=seed % 2 == 1).write(tmp_path / "trace.sqlite")
    compare(path)


@pytest.mark.parametrize("seed", range(16))
def test_every_bin_of_the_timeline(tmp_path: Path, seed: int) -> None:
    path = ugly_export(random.Random(seed), steps=seed % 2 == 1).write(tmp_path / "trace.sqlite")
    assert_bins(path, random.Random(seed))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_bin_of_the_timeline_of_a_serving_run(tmp_path: Path, variant: str) -> None:
    spec = DemoSpec(workers=2, decode_steps=6, prefill_every=3, layers=2, **VARIANTS[variant])
    assert_bins(generate(tmp_path / "demo.sqlite", spec), random.Random(variant))


def assert_bins(path: Path, rng: random.Random) -> None:
    budget = oracle_budget.Budget(read_capture(path))
    levels = nsys_llm_explainer.analyze(path, window="all").timeline
    seen = set()
    for level in levels:
        device = Device(level["gpu_id"], None if level["gpu_id"] is not None else level["device_id"])
        seen.add(device)
        bins = max(map(len, level["buckets"].values()), default=0)
        for number in sorted(rng.sample(range(bins), min(bins, 150))):
            start = level["start_ns"] + number * level["bin_ns"]
            expected = budget.inside(device, start, start + level["bin_ns"])
            found = {bucket: values[number] for bucket, values in level["buckets"].items()}
            assert found == {bucket: expected[bucket] for bucket in found}, (level["level"], number)
            assert sum(found.values()) == sum(expected.values())
    assert seen == set(budget.times)
