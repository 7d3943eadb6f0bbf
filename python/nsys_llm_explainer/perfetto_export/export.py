"""Writes the events of a trace, or of a window of it, as a Perfetto trace."""

from __future__ import annotations

import errno
import heapq
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Optional

from nsys_llm_explainer import _native
from nsys_llm_explainer.perfetto_export.packets import PacketWriter, protos
from nsys_llm_explainer.perfetto_export.rows import API, GAPS, OPS, OS, RANGES, STEPS, STREAMS, WANTED, Row, Slices
from nsys_llm_explainer.perfetto_export.tracks import Lanes, Tracks
from nsys_llm_explainer.render.place import STAGE_PREFIX, check_directory
from nsys_llm_explainer.report import StrPath

Span = tuple[Optional[int], Optional[int]]
HOST = {"ranges": ("NVTX", RANGES), "api_calls": ("CUDA API", API), "os_calls": ("OS calls", OS)}


@dataclass(frozen=True)
class PerfettoExport:
    """What was written.

    Attributes:
        path: The file.
        slices: Events, by the stream that they come from (``nsys_llm_explainer.stream_schema()``).
        flows: Ops that are linked to the call that launched them.
        tracks: Tracks of processes, threads, GPUs and streams.
        shifted_ns: What was added to all times: Perfetto has none before 0.
    """

    path: Path
    slices: Mapping[str, int]
    flows: int
    tracks: int
    shifted_ns: int


def check_target(file: StrPath, trace: StrPath) -> Path:
    """Makes sure that a file can be written, and that what writes it is installed.

    Returns:
        The file; where the path is a link, what it leads to, so that the link stays.

    Raises:
        MissingExtraError: The package perfetto is not installed.
        OSError: The path is a folder, a device or a pipe, or lies below a file.
        ValueError: The path is the trace itself, or a file that SQLite keeps beside it.
    """
    protos()
    path = Path(file)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a Perfetto trace belongs here, but this is a folder", str(path))
    # The file comes by a rename, which would put it in the place of a device such as /dev/null.
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "a Perfetto trace belongs here, but this is no regular file", str(path))
    if path.is_symlink():
        path = path.resolve()
    check_directory(path.parent)
    if path.exists() and Path(trace).exists() and path.samefile(trace):
        raise ValueError(f"{path}: the Perfetto trace would replace the trace it is made of; name another file")
    if path.resolve() in {Path(f"{Path(trace).resolve()}{ending}") for ending in ("-wal", "-shm", "-journal")}:
        raise ValueError(f"{path}: SQLite keeps changes of the trace under this name; name another file")
    return path


def write_perfetto(trace: _native.Trace, file: StrPath, window: Span | None, **options: Any) -> PerfettoExport:
    """Writes a Perfetto trace; the file appears whole or not at all.

    Args:
        trace: The export.
        file: Where the Perfetto trace goes.
        window: Start and end in ns on the trace's clock, either may be None.
        options: threads, step_range, categories and progress, as for ``Trace.read_streams``.
    """
    path = check_target(file, trace.path)
    streams = trace.read_streams(WANTED, window=window, skip_missing=True, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=STAGE_PREFIX, dir=path.parent) as stage:
        staged = Path(stage) / path.name
        with staged.open("wb") as out:
            written = _write(trace, streams, window or (None, None), out)
        staged.replace(path)
    return PerfettoExport(path, *written)


def _write(
    trace: _native.Trace, streams: Mapping[str, _native.Stream], window: Span, out: IO[bytes]
) -> tuple[dict[str, int], int, int, int]:
    writer = PacketWriter(out)
    shift = max(0, -min((_first(stream, window[0]) for stream in streams.values() if len(stream)), default=0))
    gpus = {gpu["gpu_id"]: gpu["name"] for gpu in trace.gpus if gpu["name"]}
    tracks = Tracks(writer, gpus)
    slices = Slices(writer, *window)
    counts = {name: len(stream) for name, stream in streams.items()}
    # Calls come before what they launch: of equal times, the flow has to begin first.
    for name, (title, rank) in HOST.items():
        if name in streams:
            _draw(writer, slices.of_host(name, streams[name]), partial(_thread, tracks, title, rank), shift)
    if "steps" in streams:
        _draw(writer, slices.of_steps(streams["steps"]), partial(_steps, tracks), shift)
    if "gaps" in streams:
        _draw(writer, slices.of_gaps(streams["gaps"]), partial(_idle, tracks), shift)
    ops = [slices.of_ops(name, streams[name]) for name in OPS if name in streams]
    merged = heapq.merge(*ops, key=itemgetter(0, 1)) if len(ops) > 1 else iter(ops[0]) if ops else iter(())
    _draw(writer, merged, partial(_stream, tracks), shift)
    tracks.close()
    writer.close()
    return counts, writer.flows, writer.tracks, shift


def _first(stream: _native.Stream, low: int | None) -> int:
    start: int = stream.batch(0)["start_ns"][0]
    return start if low is None else max(start, low)


def _thread(tracks: Tracks, title: str, rank: int, place: tuple[Any, ...]) -> Lanes:
    pid, tid, process = place
    return tracks.of_thread(title, rank, pid, tid, process)


def _idle(tracks: Tracks, place: tuple[Any, ...]) -> Lanes:
    device, gpu = place
    return tracks.of_device("Idle, by cause", GAPS, device, gpu)


def _steps(tracks: Tracks, place: tuple[Any, ...]) -> Lanes:
    device, gpu, pid = place
    return tracks.of_device("Steps" if pid is None else f"Steps of process {pid}", STEPS, device, gpu)


def _stream(tracks: Tracks, place: tuple[Any, ...]) -> Lanes:
    device, gpu, pid, stream = place
    name = "Stream" if stream is None else f"Stream {stream}"
    return tracks.of_device(name if pid is None else f"{name} of process {pid}", STREAMS, device, gpu)


def _draw(writer: PacketWriter, rows: Iterator[Row], lanes_of: Callable[[tuple[Any, ...]], Lanes], shift: int) -> None:
    begin = writer.begin
    known: dict[tuple[Any, ...], Lanes] = {}
    for start, minus_end, shape, place, told, flow in rows:
        lanes = known.get(place)
        if lanes is None:
            lanes = known[place] = lanes_of(place)
        begin_at = start + shift
        begin(shape, begin_at, lanes.enter(begin_at, shift - minus_end), told, flow)
