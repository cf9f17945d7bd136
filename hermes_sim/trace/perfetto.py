"""Timelines in Perfetto's own format (protobuf), for ui.perfetto.dev and its trace processor.

Perfetto counts whole nanoseconds. So that no picosecond is lost, one tick of the file is one picosecond of the chip:
the viewer's "1 us" is 1 ns.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import written_whole
from hermes_sim.errors import OutputError
from hermes_sim.trace.slices import Counter, Slices, flow_sources, queue_counters, resource_groups

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SEQUENCE = 1
_CLOCK_BOOT = 6  # BUILTIN_CLOCK_BOOTTIME: the trace's own time


def write_perfetto(slices: Slices, path: Path, *, counters: Sequence[Counter] = (), flows: bool = True) -> None:
    """Write a timeline: a track per group of resources, per resource and server; flows from producer to consumer.

    Raises
    ------
    OutputError
        if the file cannot be written, or the optional library `perfetto` is missing
    """
    try:
        from perfetto.trace_builder.proto_builder import StreamingTraceProtoBuilder  # noqa: PLC0415 - optional
    except ImportError as error:
        raise OutputError(
            str(path), got="library perfetto is not installed", allowed="", hint="pip install hermes-sim[trace]"
        ) from error
    with written_whole(path) as part, part.open("wb") as file:
        writer = _Writer(StreamingTraceProtoBuilder(file), slices)
        writer.write_tracks()
        writer.write_slices(flows=flows)
        for counter in (*queue_counters(slices), *counters):
            writer.write_counter(counter)


class _Writer:
    """Packets of one file."""

    def __init__(self, builder: Any, slices: Slices) -> None:
        self._builder = builder
        self._slices = slices
        self._program = slices.trace.program
        self._tracks: dict[tuple[int, int], int] = {}
        self._n_tracks = 0

    def _packet(self, time_ps: int | None = None) -> Any:
        packet = self._builder.create_packet()
        packet.trusted_packet_sequence_id = _SEQUENCE
        if time_ps is not None:
            packet.timestamp = time_ps
            packet.timestamp_clock_id = _CLOCK_BOOT
        return packet

    def _track(self, name: str, parent: int = 0) -> int:
        self._n_tracks += 1
        packet = self._packet()
        packet.track_descriptor.uuid = self._n_tracks
        packet.track_descriptor.name = name
        if parent:
            packet.track_descriptor.parent_uuid = parent
        self._builder.write_packet(packet)
        return self._n_tracks

    def write_tracks(self) -> None:
        """One track per group, resource and server; names of actors are sent once."""
        packet = self._packet()
        packet.sequence_flags = packet.SEQ_INCREMENTAL_STATE_CLEARED
        for a, name in enumerate(self._program.actor_names):
            entry = packet.interned_data.event_names.add()
            entry.iid, entry.name = a + 1, name
        for iid, name in enumerate(("firing", "waited_ps", "finish_ps"), start=1):
            annotation = packet.interned_data.debug_annotation_names.add()
            annotation.iid, annotation.name = iid, name
        self._builder.write_packet(packet)
        n_lanes = 1 + int(self._slices.lane.max(initial=0))
        for group, resources in resource_groups(self._program).items():
            parent = self._track(group)
            for r in resources:
                capacity = int(self._program.capacity[r])
                for lane in range(min(capacity, n_lanes)):
                    name = self._program.resource_names[r] + (f" [{lane}]" if capacity > 1 else "")
                    self._tracks[r, lane] = self._track(name, parent)

    def write_slices(self, *, flows: bool) -> None:
        """Begin and end of every slice."""
        slices, program = self._slices, self._program
        outgoing: defaultdict[int, int] = defaultdict(int)
        incoming: defaultdict[int, list[int]] = defaultdict(list)
        if flows:
            for producer, consumer in zip(*(x.tolist() for x in flow_sources(slices)), strict=True):
                outgoing[producer] = producer + 1
                incoming[consumer].append(producer + 1)
        columns = (slices.actor, slices.firing, slices.ready_ps, slices.start_ps, slices.end_ps, slices.lane)
        for row, (a, k, ready_ps, start_ps, end_ps, lane) in enumerate(
            zip(*(x.tolist() for x in columns), strict=True)
        ):
            track = self._tracks[int(program.resource[a]), lane]
            packet = self._packet(start_ps)
            packet.sequence_flags = packet.SEQ_NEEDS_INCREMENTAL_STATE
            event = packet.track_event
            event.type = event.TYPE_SLICE_BEGIN
            event.track_uuid = track
            event.name_iid = a + 1
            for iid, value in enumerate((k, start_ps - ready_ps, start_ps + int(program.latency_ps[a])), start=1):
                annotation = event.debug_annotations.add()
                annotation.name_iid, annotation.int_value = iid, value
            if row in outgoing:
                event.flow_ids.append(outgoing[row])
            event.flow_ids.extend(incoming.get(row, ()))
            self._builder.write_packet(packet)
            packet = self._packet(end_ps)
            packet.track_event.type = event.TYPE_SLICE_END
            packet.track_event.track_uuid = track
            self._builder.write_packet(packet)

    def write_counter(self, counter: Counter) -> None:
        """A track of its own with all values."""
        self._n_tracks += 1
        packet = self._packet()
        packet.track_descriptor.uuid = self._n_tracks
        packet.track_descriptor.name = counter.name
        packet.track_descriptor.counter.unit_name = counter.unit
        self._builder.write_packet(packet)
        for time_ps, value in zip(counter.times_ps.tolist(), counter.values.tolist(), strict=True):
            packet = self._packet(time_ps)
            event = packet.track_event
            event.type = event.TYPE_COUNTER
            event.track_uuid = self._n_tracks
            event.double_counter_value = value
            self._builder.write_packet(packet)
