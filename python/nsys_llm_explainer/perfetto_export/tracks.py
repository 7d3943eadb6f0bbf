"""Which track a slice belongs on.

Slices of one track nest: one that begins inside another ends inside it. What does not, such as ranges that overlap or
kernels of one stream that run side by side, goes to a further track of the same name, which Perfetto shows together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nsys_llm_explainer.perfetto_export.packets import PacketWriter

MakeTrack = Callable[[int], int]


class Lanes:
    """The tracks of one row of the picture; slices come in order of their start, the longer one first."""

    __slots__ = ("_lanes", "_make", "_writer")

    def __init__(self, writer: PacketWriter, make: MakeTrack) -> None:
        self._writer = writer
        self._make = make
        self._lanes: list[tuple[int, list[int]]] = []

    def enter(self, start: int, end: int) -> int:
        """Returns the track on which a slice nests, after the ends of those that are over."""
        for track, ends in self._lanes:
            while ends and ends[-1] <= start:
                self._writer.end(ends.pop(), track)
            if not ends or ends[-1] >= end:
                ends.append(end)
                return track
        track = self._make(len(self._lanes))
        self._lanes.append((track, [end]))
        return track

    def close(self) -> None:
        """Ends what has not ended."""
        for track, ends in self._lanes:
            while ends:
                self._writer.end(ends.pop(), track)


class Tracks:
    """Processes with their threads, and GPUs with their streams, in the order of first use."""

    def __init__(self, writer: PacketWriter, gpu_names: Mapping[int, str]) -> None:
        self._writer = writer
        self._gpu_names = gpu_names
        self._processes: dict[int, int] = {}
        self._threads: dict[tuple[int | None, int | None], int] = {}
        self._devices: dict[tuple[int | None, int | None], int] = {}
        self._lanes: dict[object, Lanes] = {}

    def close(self) -> None:
        """Ends all slices."""
        for lanes in self._lanes.values():
            lanes.close()

    def of_thread(self, kind: str, rank: int, pid: int | None, tid: int | None, process: str | None) -> Lanes:
        """The row of a kind of host event on a thread; the first kind stands on the thread's own track."""
        key = (kind, pid, tid)
        lanes = self._lanes.get(key)
        if lanes is None:
            thread = self._thread(pid, tid, process)

            def make(number: int) -> int:
                if rank == 0 and number == 0:
                    return thread
                return self._writer.track(kind, parent=thread, rank=rank)

            lanes = self._lanes[key] = Lanes(self._writer, make)
        return lanes

    def of_device(self, kind: str, rank: int, device_id: int | None, gpu_id: int | None) -> Lanes:
        """A row of a GPU."""
        key = (kind, device_id, gpu_id)
        lanes = self._lanes.get(key)
        if lanes is None:
            device = self._device(device_id, gpu_id)

            def make(_number: int) -> int:
                return self._writer.track(kind, parent=device, rank=rank)

            lanes = self._lanes[key] = Lanes(self._writer, make)
        return lanes

    def _thread(self, pid: int | None, tid: int | None, process: str | None) -> int:
        key = (pid, tid)
        if key not in self._threads:
            if pid is None or tid is None:
                self._threads[key] = self._writer.track("unknown thread", ordered=True)
            else:
                self._threads[key] = self._writer.thread(pid, tid, self._process(pid, process))
        return self._threads[key]

    def _process(self, pid: int, name: str | None) -> int:
        if pid not in self._processes:
            self._processes[pid] = self._writer.process(pid, name)
        return self._processes[pid]

    def _device(self, device_id: int | None, gpu_id: int | None) -> int:
        key = (device_id, gpu_id)
        if key not in self._devices:
            name = None if gpu_id is None else self._gpu_names.get(gpu_id)
            number = "" if device_id is None else f" {device_id}"
            title = f"GPU{number}" if not name else f"GPU{number}: {name}"
            self._devices[key] = self._writer.track(title, ordered=True)
        return self._devices[key]
