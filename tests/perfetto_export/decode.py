"""Reads a Perfetto trace back with the package's own classes, the slow way, and checks what has to hold of any."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

INTERNED = ("event_names", "event_categories", "debug_annotation_names", "debug_annotation_string_values")


@dataclass
class Slice:
    """One slice of a track."""

    name: str
    category: str
    track: int
    start: int
    end: int = -1
    args: dict[str, object] = field(default_factory=dict)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


@dataclass
class Decoded:
    """Tracks by number, and the slices of all."""

    tracks: dict[int, pb.TrackDescriptor]
    slices: list[Slice]

    def of(self, category: str) -> list[Slice]:
        """Slices of one category."""
        return [found for found in self.slices if found.category == category]

    def path(self, track: int) -> str:
        """Names of a track and of those above it."""
        descriptor = self.tracks[track]
        if descriptor.HasField("process"):
            name = f"process {descriptor.process.pid} {descriptor.process.process_name}".strip()
        elif descriptor.HasField("thread"):
            name = f"thread {descriptor.thread.tid}"
        else:
            name = descriptor.name
        return f"{self.path(descriptor.parent_uuid)} / {name}" if descriptor.parent_uuid else name


def decode(path: Path) -> Decoded:
    """Decodes a file and checks its slices, texts, tracks and flows."""
    trace = pb.Trace.FromString(path.read_bytes())
    packets = list(trace.packet)
    assert packets[0].sequence_flags == 1
    texts: dict[str, dict[int, str]] = {kind: {} for kind in INTERNED}
    tracks: dict[int, pb.TrackDescriptor] = {}
    events: list[tuple[int, int, pb.TrackEvent, Slice | None]] = []
    for number, packet in enumerate(packets):
        assert packet.trusted_packet_sequence_id == 1
        _learn(packet, texts)
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            assert descriptor.uuid not in tracks
            assert not descriptor.parent_uuid or descriptor.parent_uuid in tracks
            tracks[descriptor.uuid] = descriptor
        if packet.HasField("track_event"):
            event = packet.track_event
            assert event.track_uuid in tracks
            assert 0 <= packet.timestamp < 1 << 63
            is_begin = event.type == pb.TrackEvent.TYPE_SLICE_BEGIN
            made = _slice(packet.timestamp, event, texts) if is_begin else None
            events.append((packet.timestamp, number, event, made))
    assert all(len(set(known.values())) == len(known) for known in texts.values()), "a text stands there twice"
    # As the trace processor reads it: by time, and of equal times in the order of the file.
    events.sort(key=lambda event: event[:2])
    slices = _nested(events)
    _check_flows(events)
    return Decoded(tracks, slices)


def _learn(packet: pb.TracePacket, texts: dict[str, dict[int, str]]) -> None:
    for kind in INTERNED:
        for entry in getattr(packet.interned_data, kind):
            assert entry.iid not in texts[kind]
            text = entry.str.decode() if kind == "debug_annotation_string_values" else entry.name
            texts[kind][entry.iid] = text


def _slice(time: int, event: pb.TrackEvent, texts: dict[str, dict[int, str]]) -> Slice:
    args: dict[str, object] = {}
    for annotation in event.debug_annotations:
        key = texts["debug_annotation_names"][annotation.name_iid]
        assert key not in args
        is_text = annotation.WhichOneof("value") == "string_value_iid"
        args[key] = (
            texts["debug_annotation_string_values"][annotation.string_value_iid] if is_text else annotation.int_value
        )
    name = texts["event_names"][event.name_iid] if event.name_iid else event.name
    (category,) = (texts["event_categories"][iid] for iid in event.category_iids)
    flows = list(event.flow_ids), list(event.terminating_flow_ids)
    return Slice(name, category, event.track_uuid, time, args=args, begins=flows[0], ends=flows[1])


def _nested(events: list[tuple[int, int, pb.TrackEvent, Slice | None]]) -> list[Slice]:
    open_slices: dict[int, list[Slice]] = defaultdict(list)
    done: list[Slice] = []
    for time, _, event, made in events:
        stack = open_slices[event.track_uuid]
        if made is not None:
            stack.append(made)
        else:
            ended = stack.pop()
            ended.end = time
            assert ended.end >= ended.start
            done.append(ended)
    assert not any(open_slices.values()), "a slice never ends"
    return done


def _check_flows(events: list[tuple[int, int, pb.TrackEvent, Slice | None]]) -> None:
    begun: set[int] = set()
    ended: set[int] = set()
    for _, _, _, made in events:
        if made is None:
            continue
        for flow in made.begins:
            assert flow not in begun
            begun.add(flow)
        for flow in made.ends:
            assert flow in begun, "a flow ends before it begins"
            ended.add(flow)
    assert ended <= begun
