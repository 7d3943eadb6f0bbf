"""What a capture lacks for the questions of its report, and the commands for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.capture import ENGINES, recipe
from nsys_llm_explainer.render.json_ import report_json
from nsys_llm_explainer.render.markdown import report_markdown
from tests.findings.scene import MS, Worker, decode
from tests.support.export import Export


def _needs(report: Report) -> list[str]:
    return [lack.need for lack in report.capture.lacks]


def _served(text: str = "execute_context_0(0)_generation_8(8)", **options: Any) -> Export:
    export = Export()
    decode(Worker(export), text=text, **options)
    return export


def test_without_gpu_work(trace_file: Any) -> None:
    report = analyze(trace_file("kernels_not_captured"))
    assert _needs(report)[0] == "gpu_kernels"
    assert [made.engine for made in report.capture.recipes] == list(ENGINES)


def test_whole_graphs(trace_file: Any) -> None:
    report = analyze(trace_file("a100_2.7b_cuda_graphs_graph_mode"))
    assert {"cuda_graph_nodes", "nvtx"} <= set(_needs(report))


def test_waits_for_host_code_ask_for_calls_of_the_system(export_file: Any) -> None:
    assert "osrt" in _needs(analyze(export_file(_served(between=MS))))
    assert "osrt" not in _needs(analyze(export_file(_served())))
    traced = _served(between=MS).osrt("poll", 0, 10)
    assert "osrt" not in _needs(analyze(export_file(traced)))


def test_allocations_in_steady_state_ask_for_memory(export_file: Any) -> None:
    export = Export()
    worker = Worker(export)
    worker.call("cudaMalloc_v3020", 1_000)
    decode(worker)
    assert "memory_usage" not in _needs(analyze(export_file(export)))
    worker.call("cudaMalloc_v3020", 1_000)
    decode(worker)
    assert "memory_usage" in _needs(analyze(export_file(export)))


def test_collectives_ask_for_their_bytes(export_file: Any) -> None:
    export = _served().kernel("ncclDevKernel_AllReduce_Sum_bf16_RING_LL", 200 * MS, 201 * MS)
    assert "nccl_payloads" in _needs(analyze(export_file(export)))


def test_overheads_need_a_newer_profiler_not_a_flag(export_file: Any) -> None:
    report = analyze(export_file(_served()))
    (lack,) = (lack for lack in report.capture.lacks if lack.need == "overhead")
    assert "2025.5" in lack.remedy


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("execute_context_0(0)_generation_8(8)", "vllm"),
        ("gpu_model_runner: forward", "vllm"),
        ("scheduler.run_batch", "sglang"),
        ("[Executor] _forward_step 5: 0 ctx reqs, 8 gen reqs", "tensorrt_llm"),
        ("aten::mul, op_id = 5", "pytorch"),
    ],
)
def test_the_engine_is_known_by_its_ranges(export_file: Any, text: str, engine: str) -> None:
    report = analyze(export_file(_served(text, between=MS)))
    assert [made.engine for made in report.capture.recipes] == [engine]


def test_the_engine_is_known_by_its_processes(export_file: Any) -> None:
    export = _served("step", between=MS).process(100, "sglang::scheduler_TP0")
    assert [made.engine for made in analyze(export_file(export)).capture.recipes] == ["sglang"]


def test_otherwise_there_is_a_command_for_each(export_file: Any) -> None:
    report = analyze(export_file(_served("step", between=MS)))
    assert [made.engine for made in report.capture.recipes] == list(ENGINES)


def test_the_reports_have_the_exact_command(export_file: Any) -> None:
    report = analyze(export_file(_served(between=MS)))
    made = recipe("vllm", [need for need in _needs(report) if need != "overhead"])
    assert report.capture.recipes == (made,)
    assert f"```bash\n{made.command}\n{made.export}\n```" in report_markdown(report)
    capture = json.loads(report_json(report))["capture"]
    assert capture["commands"][0]["command"] == made.command
    assert [lack["need"] for lack in capture["lacks"]] == _needs(report)


def test_a_command_fits_on_one_line() -> None:
    assert "\n" not in recipe("vllm", ["osrt"]).one_line
    assert recipe("vllm").one_line.endswith("vllm serve MODEL --profiler-config.profiler cuda")
