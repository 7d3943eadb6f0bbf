"""Packets of a Perfetto trace, made with the perfetto package's own classes and written as they come.

A Trace message is its packets one after the other, each behind its field number and length, so that no more than one
packet has to be in memory. Slices of one shape differ in time, track and little else: their packet is made once and
filled in again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import IO, Any, Optional

from nsys_llm_explainer.errors import MissingExtraError

SEQUENCE = 1
MAX_NAME_CHARS = 300
_CLEARED, _NEEDED = 1, 2
_PACKET_FIELD = b"\x0a"
_FLUSH_AT = 4096
#: Shapes that are kept made; a trace with endless names does not fill the memory with them.
MAX_SHAPES = 8192

Texts = tuple[tuple[str, str], ...]
Numbers = tuple[tuple[str, int], ...]


def protos() -> ModuleType:
    """Returns the perfetto package's module of message classes.

    Raises:
        MissingExtraError: The package is not installed.
    """
    try:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise MissingExtraError(
            f"the export to Perfetto needs the package perfetto ({error}): pip install 'nsys-llm-explainer[perfetto]'"
        ) from error
    module: ModuleType = perfetto_trace_pb2
    return module


def shown(text: str) -> str:
    """Returns a name as it may stand in a trace for others: cut, and without control characters."""
    cut = text if len(text) <= MAX_NAME_CHARS else text[: MAX_NAME_CHARS - 1] + "\u2026"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in cut)


@dataclass(frozen=True)
class Look:
    """What slices of one shape have in common: category, name, arguments, and which way a flow goes."""

    category: str
    #: None where each slice has its own.
    name: Optional[str]
    texts: Texts = ()
    numbers: Numbers = ()
    #: The name of an argument that is another number for each slice.
    counted: Optional[str] = None
    #: ``"out"`` where a flow starts at the slice, ``"in"`` where one ends.
    flow: Optional[str] = None


def _frame(size: int) -> bytes:
    """What stands before a packet of so many bytes: the number of the field, and the length as a varint."""
    frame = bytearray(_PACKET_FIELD)
    while size > 0x7F:
        frame.append(size & 0x7F | 0x80)
        size >>= 7
    frame.append(size)
    return bytes(frame)


_FRAMES = [_frame(size) for size in range(512)]


class Shape:
    """A made packet, and the parts of it that are filled in."""

    __slots__ = ("ends_flow", "event", "flows", "number", "packet", "serialize")

    def __init__(self, packet: Any, number: Any, flows: Any, *, ends_flow: bool) -> None:
        self.ends_flow = ends_flow
        self.packet = packet
        self.event = packet.track_event
        self.number = number
        self.flows = flows
        self.serialize: Callable[[], bytes] = packet.SerializeToString


class PacketWriter:
    """Writes packets into a file; every text stands in it once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._protos = protos()
        self._file = file
        self._pending: list[bytes] = []
        self._iids: dict[tuple[str, str], int] = {}
        self._shapes: dict[Look, Shape] = {}
        self._uuid = 0
        self._end = self._packet()
        self._end.track_event.type = self._protos.TrackEvent.TYPE_SLICE_END
        self._end_event = self._end.track_event
        self._serialize_end: Callable[[], bytes] = self._end.SerializeToString
        self._add = self._pending.append
        self.flows = 0
        first = self._packet()
        first.sequence_flags = _CLEARED
        self._put(first.SerializeToString())

    @property
    def tracks(self) -> int:
        """How many tracks were made."""
        return self._uuid

    def shape(self, look: Look) -> Shape:
        """Returns the packet of slices that look so."""
        made = self._shapes.get(look)
        if made is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            made = self._shapes[look] = self._made(look)
        return made

    def begin(
        self, shape: Shape, time: int, track: int, told: int | str | None = None, flow: int | None = None
    ) -> None:
        """Writes the begin of a slice.

        Args:
            shape: How it looks.
            time: When.
            track: Where.
            told: What is its own: the number that the shape counts, or its name where the shape has none.
            flow: The flow that starts or ends at it.
        """
        shape.packet.timestamp = time
        shape.event.track_uuid = track
        if told is not None:
            if shape.number is None:
                shape.event.name = told
            else:
                shape.number.int_value = told
        if flow is not None:
            shape.flows[0] = flow
            self.flows += shape.ends_flow
        packet = shape.serialize()
        size = len(packet)
        self._add(_FRAMES[size] if size < len(_FRAMES) else _frame(size))
        self._add(packet)
        if len(self._pending) > _FLUSH_AT:
            self.close()

    def end(self, time: int, track: int) -> None:
        """Writes the end of the innermost slice of a track."""
        self._end.timestamp = time
        self._end_event.track_uuid = track
        packet = self._serialize_end()
        self._add(_FRAMES[len(packet)])
        self._add(packet)

    def track(self, name: str, *, parent: int | None = None, rank: int | None = None, ordered: bool = False) -> int:
        """Makes a track below another one or at the top, and returns its number.

        Args:
            name: What it is called.
            parent: The track above it.
            rank: Its place among the tracks of an ordered parent.
            ordered: Whether the tracks below it stand by their rank.
        """
        packet, descriptor = self._descriptor()
        descriptor.name = shown(name)
        if parent is not None:
            descriptor.parent_uuid = parent
        return self._described(packet, rank, ordered)

    def process(self, pid: int, name: str | None) -> int:
        """Makes the track of a process."""
        packet, descriptor = self._descriptor()
        descriptor.process.pid = pid
        if name:
            descriptor.process.process_name = shown(name)
        return self._described(packet, None, ordered=False)

    def thread(self, pid: int, tid: int, process: int) -> int:
        """Makes the track of a thread."""
        packet, descriptor = self._descriptor()
        descriptor.thread.pid, descriptor.thread.tid = pid, tid
        descriptor.parent_uuid = process
        return self._described(packet, None, ordered=True)

    def close(self) -> None:
        """Writes what is left."""
        self._file.write(b"".join(self._pending))
        self._pending.clear()

    def _packet(self) -> Any:
        packet = self._protos.TracePacket()
        packet.trusted_packet_sequence_id = SEQUENCE
        packet.sequence_flags = _NEEDED
        return packet

    def _put(self, packet: bytes) -> None:
        size = len(packet)
        self._add(_FRAMES[size] if size < len(_FRAMES) else _frame(size))
        self._add(packet)

    def _descriptor(self) -> tuple[Any, Any]:
        packet = self._packet()
        self._uuid += 1
        packet.track_descriptor.uuid = self._uuid
        return packet, packet.track_descriptor

    def _described(self, packet: Any, rank: int | None, ordered: bool) -> int:
        descriptor = packet.track_descriptor
        if ordered:
            descriptor.child_ordering = self._protos.TrackDescriptor.EXPLICIT
        if rank is not None:
            descriptor.sibling_order_rank = rank
        self._put(packet.SerializeToString())
        uuid: int = descriptor.uuid
        return uuid

    def _made(self, look: Look) -> Shape:
        names = [("event_categories", look.category)]
        names += [] if look.name is None else [("event_names", look.name)]
        keys = [key for key, _ in (*look.texts, *look.numbers)] + ([look.counted] if look.counted else [])
        names += [("debug_annotation_names", key) for key in keys]
        names += [("debug_annotation_string_values", text) for _, text in look.texts]
        self._intern(names)
        packet = self._packet()
        event = packet.track_event
        event.type = self._protos.TrackEvent.TYPE_SLICE_BEGIN
        if look.name is not None:
            event.name_iid = self._iid("event_names", look.name)
        event.category_iids.append(self._iid("event_categories", look.category))
        for key, text in look.texts:
            annotation = event.debug_annotations.add(name_iid=self._iid("debug_annotation_names", key))
            annotation.string_value_iid = self._iid("debug_annotation_string_values", text)
        for key, number in look.numbers:
            event.debug_annotations.add(name_iid=self._iid("debug_annotation_names", key), int_value=number)
        counted = None
        if look.counted:
            counted = event.debug_annotations.add(name_iid=self._iid("debug_annotation_names", look.counted))
        flows = None if look.flow is None else event.flow_ids if look.flow == "out" else event.terminating_flow_ids
        if flows is not None:
            flows.append(0)
        return Shape(packet, counted, flows, ends_flow=look.flow == "in")

    def _iid(self, kind: str, text: str) -> int:
        return self._iids[kind, shown(text)]

    def _intern(self, texts: Iterable[tuple[str, str]]) -> None:
        """Writes those texts that the file does not have yet."""
        packet = self._packet()
        is_new = False
        for kind, text in texts:
            key = (kind, shown(text))
            if key in self._iids:
                continue
            is_new = True
            iid = self._iids[key] = len(self._iids) + 1
            entry = getattr(packet.interned_data, kind).add(iid=iid)
            if kind == "debug_annotation_string_values":
                entry.str = key[1].encode()
            else:
                entry.name = key[1]
        if is_new:
            self._put(packet.SerializeToString())
