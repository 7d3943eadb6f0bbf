"""The exports whose reports are kept: two tiny ones, and the demo."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer import analyze
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.render.outputs import report_files
from nsys_llm_explainer.render.terminal import summary_lines
from tests.support.export import Export

GOLDEN = Path(__file__).resolve().parent / "reports"
EPOCH = "1700000000"
_US = 1_000
_MS = 1_000_000


def _two_workers() -> Export:
    """Two workers with colliding correlation ids, a wait with idle GPUs, and copies."""
    export = Export().gpu(0, "NVIDIA H100 80GB HBM3").gpu(1, "NVIDIA H100 80GB HBM3")
    for pid, device in ((1000, 0), (1001, 1)):
        export.process(pid, f"VLLM::Worker_TP{device}").cuda_device(pid=pid, ordinal=device, gpu=device)
        now = 10 * _MS
        for step in range(10):
            export.nvtx(f"execute_context_0(0)_generation_{8 + step}({8 + step})", now - 900 * _US, now, pid=pid)
            for number, (name, length) in enumerate(
                (
                    ("void cutlass::gemm_kernel<cutlass::bf16_t, 128>(Params)", 300 * _US),
                    ("void flash::fwd_splitkv<Traits<128, (int)64>>(flash::Params)", 120 * _US),
                    ("triton_red_fused_add_norm_0", 30 * _US),
                )
            ):
                corr = step * 10 + number + 1
                called = now - 800 * _US + number * 10 * _US
                export.call("cudaLaunchKernel_v7000", called, called + 6 * _US, corr=corr, pid=pid)
                export.kernel(name, now, now + length, corr=corr, pid=pid, device=device)
                now += length + 5 * _US
            export.call("cudaEventSynchronize_v3020", now - 300 * _US, now + 150 * _US, corr=step * 10 + 9, pid=pid)
            export.memcpy(now, now + 10 * _US, kind=2, pid=pid, device=device)
            now += (200 + 100 * device) * _US
    return export


def _graph_mode() -> Export:
    """A capture in graph mode: the kernels inside the graphs are invisible."""
    export = Export().meta("CUDA_GRAPH_TRACE_OPTIONS:MODE", "Graph", capture=True)
    for number in range(20):
        start = 5 * _MS + number * _MS
        export.call("cudaGraphLaunch_v10000", number * 100 * _US, number * 100 * _US + 20 * _US, corr=number + 1)
        export.graph_trace(start, start + 950 * _US, corr=number + 1, graph_id=3)
        export.kernel("sample_tokens", start + 950 * _US, start + 960 * _US, corr=100 + number)
    return export


def write_traces(folder: Path) -> dict[str, Path]:
    """Writes the exports and returns them by name."""
    demo = folder / "demo.sqlite"
    generate(demo, DemoSpec(seed=0, decode_steps=12, prefill_every=6, layers=4))
    return {
        "demo": demo,
        "graph_mode": _graph_mode().write(folder / "graph_mode.sqlite"),
        "two_workers": _two_workers().write(folder / "two_workers.sqlite"),
    }


def outputs(name: str, trace: Path) -> dict[str, bytes]:
    """Returns what the report of a trace consists of, by file name: the texts, and the CSV files as one.

    The caller has to fix the time with ``SOURCE_DATE_EPOCH``.
    """
    report = analyze(trace)
    files = report_files(report, ("md", "json", "csv"), kernel_limit=30)
    tables = b"".join(f"# {path}\n".encode() + text for path, text in files.items() if path.endswith(".csv"))
    folder = f"{trace.parent}/".encode()
    drawn = {path: text for path, text in files.items() if path.endswith(".svg")}
    return {
        f"{name}.md": files["report.md"].replace(b"](figures/", f"]({name}.".encode()),
        **{f"{name}.{Path(path).name}": text for path, text in drawn.items()},
        f"{name}.json": files["report.json"].replace(folder, b""),
        f"{name}.csv": tables,
        f"{name}.txt": "\n".join([*summary_lines(report, "out/report.md"), ""]).encode(),
    }
