"""The tables of a generated export that describe the capture, its processes and its GPUs."""

from __future__ import annotations

from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.server import ENGINE_PID, Server
from nsys_llm_explainer.demo.sink import Scalar, Sink
from nsys_llm_explainer.demo.thread import NCCL_DOMAIN, VM

_GPU_NAME = "NVIDIA H100 80GB HBM3"


def _capture_rows(server: Server) -> list[tuple[str, str]]:
    """Return what the capture was asked for."""
    spec, command = server.spec, server.style.command
    kinds = ["Cuda", *(["NvtxEvents"] if spec.nvtx else []), *(["OSRuntime"] if spec.osrt else [])]
    mode = "Graph" if spec.graph_mode == "graph" else "Node"
    return [
        *(("CAPTURE_EVENT_TYPE", kind) for kind in kinds),
        ("CUDA_GRAPH_TRACE_OPTIONS:MODE", mode),
        ("CUDA_SKIP_SOME_API_CALLS", "true"),
        ("CUDA_TRACE_SCOPE", "ProcessTree"),
        ("COLLECT_GPU_MEMORY_USAGE", "true" if spec.memory_events else "false"),
        ("INCLUDE_CHILDREN", "true"),
        ("TRACE_AFTER_FORK_BEFORE_EXEC", "true"),
        ("START_TRIGGER", "CudaProfilerApi"),
        ("STOP_TRIGGER", "CudaProfilerApi"),
        ("PROCESS_0:COMMAND", command[0]),
        ("PROCESS_0:ARGUMENT_0", command[1]),
        ("PROCESS_0:ARGUMENT_1", f"--tensor-parallel-size={spec.workers}"),
    ]


def describe_start(sink: Sink, server: Server) -> None:
    """Write what is known before the first event: domains and CUDA graphs, both older than the capture."""
    spec = server.spec
    nvtx = sink.buffer("NVTX_EVENTS")
    events: list[dict[str, Scalar]] = []
    for worker in server.workers:
        if spec.nvtx and spec.nvtx_ops:
            nvtx.append((-2_000_000_000, None, "NCCL", None, worker.thread, NCCL_DOMAIN, 75))
        graphs = [piece.graph for parts in server.forward.pieces.values() for piece in parts if piece.graph]
        for graph in graphs if not spec.node_events else ():
            begin = -4_000_000_000 + graph % 1_000 * 50_000_000
            common: dict[str, Scalar] = {
                "globalTid": worker.thread,
                "nameId": sink.string("Graph Creation"),
                "graphId": graph,
            }
            events.append({**common, "start": begin, "end": begin, "eventClass": 95})
            events.append(
                {**common, "start": begin + 9_000_000, "end": begin + 9_000_000, "eventClass": 94, "graphExecId": graph}
            )
    if events:
        sink.rows("CUDA_GRAPH_EVENTS", *events)


def describe_end(sink: Sink, server: Server) -> None:
    """Write the tables that describe the capture, the processes and the GPUs."""
    spec = server.spec
    sink.rows("META_DATA_EXPORT", *({"name": n, "value": v} for n, v in layouts.export_metadata(spec.schema)))
    sink.rows("META_DATA_CAPTURE", *({"name": n, "value": v} for n, v in _capture_rows(server)))
    sink.enums()
    duration = server.now + 1_000_000
    start = 500_000_000_000
    sink.rows(
        "ANALYSIS_DETAILS",
        {"globalVid": VM, "duration": duration, "startTime": start, "stopTime": start + duration},
    )
    sink.rows(
        "TARGET_INFO_SESSION_START_TIME",
        {"utcEpochNs": 1_767_225_600 * 10**9, "utcTime": "2026-01-01T00:00:00", "systemClockNs": start},
    )
    sink.rows(
        "DIAGNOSTIC_EVENT",
        *(
            {
                "timestamp": moment,
                "timestampType": 1,
                "source": 1,
                "severity": 1,
                "text": text,
                "globalPid": worker.process,
            }
            for worker in server.workers
            for moment, text in ((100, "Profiling has started."), (duration - 100, "Profiling has stopped."))
        ),
    )
    _describe_processes(sink, server)


def _describe_processes(sink: Sink, server: Server) -> None:
    """Write who ran, and on which GPUs."""
    workers = server.workers
    engine = VM | ENGINE_PID << 24
    names = [server.style.processes[0], *(server.style.processes[1].format(rank=w.rank) for w in workers)]
    sink.rows(
        "PROCESSES",
        {"globalPid": engine, "pid": ENGINE_PID, "name": names[0]},
        *({"globalPid": w.process, "pid": w.pid, "name": name} for w, name in zip(workers, names[1:])),
    )
    sink.rows(
        "ThreadNames",
        {"nameId": sink.string(names[0]), "priority": 20, "globalTid": server.engine},
        {"nameId": sink.string("APIServer"), "priority": 20, "globalTid": server.api_thread},
        *({"nameId": sink.string(name), "priority": 20, "globalTid": w.thread} for w, name in zip(workers, names[1:])),
    )
    _describe_gpus(sink, server)


def _describe_gpus(sink: Sink, server: Server) -> None:
    """Write the GPUs and which process means which by its ordinal."""
    workers = server.workers
    uuids = [f"00000000-0000-4000-8000-{w.rank:012x}" for w in workers]
    sink.rows(
        "TARGET_INFO_GPU",
        *(
            {
                "vmId": VM,
                "id": w.rank,
                "name": _GPU_NAME,
                "busLocation": f"0000:{0x19 + w.rank:02x}:00.0",
                "isDiscrete": 1,
                "totalMemory": 85_028_765_696,
                "memoryBandwidth": 3_352_000_000_000,
                "smCount": 132,
                "uuid": uuid,
                "chipName": "GH100",
                "cuDevice": w.rank,
                "computeMajor": 9,
                "computeMinor": 0,
                "smMajor": 9,
                "smMinor": 0,
            }
            for w, uuid in zip(workers, uuids)
        ),
    )
    sink.rows(
        "TARGET_INFO_CUDA_DEVICE",
        *(
            {"gpuId": w.rank, "cudaId": w.rank, "pid": w.pid, "uuid": uuid, "numMultiprocessors": 132}
            for w, uuid in zip(workers, uuids)
        ),
    )
    sink.rows(
        "TARGET_INFO_CUDA_CONTEXT_INFO",
        *(
            {
                "nullStreamId": 7,
                "vmId": 1,
                "processId": w.pid,
                "deviceId": w.rank,
                "contextId": w.rank + 1,
                "isGreenContext": 0,
            }
            for w in workers
        ),
    )
    sink.rows(
        "TARGET_INFO_CUDA_STREAM",
        *({"streamId": 7, "vmId": 1, "processId": w.pid, "contextId": w.rank + 1, "flag": 3} for w in workers),
    )
