"""Traces as tables and timelines, read back by the tools they are made for."""

from __future__ import annotations

import json
import tracemalloc
import xml.etree.ElementTree as ET
from collections import Counter as Tally
from dataclasses import replace

import numba
import numpy as np
import pandas as pd
import pytest

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import OutputError
from hermes_sim.program.dataflow import Need, ProgramBuilder
from hermes_sim.trace.chrome import write_chrome
from hermes_sim.trace.frame import to_frame
from hermes_sim.trace.parquet import ParquetSink, write_parquet, write_slices_parquet
from hermes_sim.trace.perfetto import write_perfetto
from hermes_sim.trace.slices import collect_slices, flow_sources, power_counter, queue_counters, resource_groups
from hermes_sim.trace.svg import write_svg


def test_frame_has_every_firing(program, trace):
    frame = to_frame(trace)
    assert len(frame) == program.total_firings
    assert frame["actor"].value_counts().to_dict() == dict(zip(program.actor_names, program.firings, strict=True))
    assert (frame["ready_ps"] <= frame["start_ps"]).all()
    mvm = frame[frame["actor"] == "mvm"]
    assert (mvm["end_ps"] - mvm["start_ps"] == 1300).all()
    assert mvm["firing"].tolist() == list(range(40))


def test_parquet_gives_the_frame_back(tmp_path, trace):
    write_parquet(trace, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), to_frame(trace))


def test_streamed_parquet_has_the_same_rows(tmp_path, program, trace):
    with ParquetSink(tmp_path / "t.parquet", program) as sink:
        record = CompiledEngine().run(program, sink=sink)
    assert sink.n_rows == program.total_firings == record.n_firings
    streamed = pd.read_parquet(tmp_path / "t.parquet")
    assert (np.diff(streamed["start_ps"]) >= 0).all()
    streamed = streamed.sort_values(["actor", "firing"], ignore_index=True)
    pd.testing.assert_frame_equal(streamed, to_frame(trace))


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")
def test_streaming_needs_bounded_memory(tmp_path):
    """Ten times the firings, the same peak (arrays of NumPy count)."""

    def peak_bytes(n):
        b = ProgramBuilder()
        first = b.actor("first", b.resource("a"), firings=n, interval_ps=7, latency_ps=30)
        second = b.actor("second", b.resource("b"), firings=n, interval_ps=11, latency_ps=13)
        b.depend(first, second, Need.each())
        program = b.build()
        tracemalloc.start()
        with ParquetSink(tmp_path / "t.parquet", program) as sink:
            CompiledEngine().run(program, sink=sink)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sink.n_rows == 2 * n
        return peak

    peak_bytes(1000)
    assert peak_bytes(1_500_000) < 1.3 * peak_bytes(150_000)


def test_slices_of_one_lane_do_not_overlap(trace):
    slices = collect_slices(trace)
    resource = trace.program.resource[slices.actor]
    for r, capacity in enumerate(trace.program.capacity.tolist()):
        for lane in range(capacity):
            mine = (resource == r) & (slices.lane == lane)
            assert (slices.start_ps[mine][1:] >= slices.end_ps[mine][:-1]).all()
    assert set(slices.lane[resource == 2]) == {0, 1}


def test_a_window_takes_what_starts_in_it(trace):
    whole = collect_slices(trace)
    window = collect_slices(trace, window_ps=(10_000, 20_000))
    assert len(window) == ((whole.start_ps >= 10_000) & (whole.start_ps < 20_000)).sum() > 0


def test_too_many_slices_are_refused(trace):
    with pytest.raises(OutputError, match="choose a window of time, or write Parquet"):
        collect_slices(trace, limit=10)


@pytest.mark.parametrize("window_ps", [None, (9_000, 30_000)])
def test_flows_join_each_result_with_its_use(trace, window_ps):
    slices = collect_slices(trace, window_ps=window_ps)
    producers, consumers = flow_sources(slices)
    program = trace.program
    assert len(producers) > 10
    finish_ps = slices.start_ps[producers] + program.latency_ps[slices.actor[producers]]
    assert (finish_ps <= slices.start_ps[consumers]).all()
    pairs = Tally(zip(slices.actor[producers].tolist(), slices.actor[consumers].tolist(), strict=True))
    if window_ps is None:
        assert pairs == {(0, 1): 40, (1, 2): 40, (2, 3): 4}


def test_queue_counters_return_to_zero(trace):
    for counter in queue_counters(collect_slices(trace)):
        assert counter.values[-1] == 0
        assert (counter.values >= 0).all()
        assert (np.diff(counter.times_ps) > 0).all()


def test_power_counter_holds_all_energy(trace):
    slices = collect_slices(trace)
    energy_pj = np.array([1.0, 20.0, 3.0, 0.5])
    counter = power_counter(slices, energy_pj, static_mw=2.0, n_bins=50)
    width_ps = np.diff(counter.times_ps).mean()
    total_pj = ((counter.values - 2.0) / 1e3 * width_ps).sum()
    assert total_pj == pytest.approx((energy_pj * trace.program.firings).sum(), rel=1e-3)


def test_resources_are_drawn_with_what_they_are_declared_with():
    b = ProgramBuilder()
    for name, group in (("a.x", "core 0"), ("b", ""), ("a.y", "core 0"), ("b.z", "")):
        b.actor(f"on {name}", b.resource(name, group=group), firings=1, interval_ps=1, latency_ps=1)
    program = b.build()
    assert resource_groups(program) == {"core 0": [0, 2], "b": [1], "b.z": [3]}
    bare = replace(program, resource_groups=())
    assert resource_groups(bare) == {"a.x": [0], "b": [1], "a.y": [2], "b.z": [3]}


def test_chrome_json(tmp_path, trace):
    slices = collect_slices(trace)
    write_chrome(slices, tmp_path / "t.json", counters=[power_counter(slices, np.ones(4))], title="test")
    document = json.loads((tmp_path / "t.json").read_text())
    phases = Tally(event["ph"] for event in document["traceEvents"])
    assert phases["X"] == trace.program.total_firings
    assert phases["s"] == phases["f"] == 84
    assert phases["C"] > 50
    threads = {e["args"]["name"] for e in document["traceEvents"] if e["name"] == "thread_name"}
    assert threads == {"core 0/input", "core 0/crossbar", "link [0]", "link [1]", "unit"}
    first = next(e for e in document["traceEvents"] if e["ph"] == "X" and e["name"] == "mvm")
    assert (first["ts"], first["dur"], first["args"]["firing"]) == (700 / 1e6, 1300 / 1e6, 0)


def perfetto_packets(path):
    protos = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    message = protos.Trace()
    message.ParseFromString(path.read_bytes())
    return message.packet, protos.TrackEvent


def test_perfetto_packets(tmp_path, trace):
    pytest.importorskip("perfetto")
    slices = collect_slices(trace)
    write_perfetto(slices, tmp_path / "t.pftrace", counters=[power_counter(slices, np.ones(4))])
    packets, event = perfetto_packets(tmp_path / "t.pftrace")
    types = Tally(p.track_event.type for p in packets if p.HasField("track_event"))
    assert types[event.TYPE_SLICE_BEGIN] == types[event.TYPE_SLICE_END] == trace.program.total_firings
    assert types[event.TYPE_COUNTER] > 50
    names = {p.track_descriptor.uuid: p.track_descriptor.name for p in packets if p.HasField("track_descriptor")}
    assert {"core 0", "core 0/crossbar", "link [1]", "queue of core 0/input", "power"} <= set(names.values())
    mvm = trace.program.actor_names.index("mvm") + 1
    begins = [p.timestamp for p in packets if p.track_event.name_iid == mvm]
    assert begins == trace.starts(1).tolist()
    flows = Tally(f for p in packets for f in p.track_event.flow_ids)
    assert set(flows.values()) == {2}
    assert len(flows) == 84


def test_perfetto_trace_processor_reads_it(tmp_path, trace):
    """Needs Perfetto's trace processor, which its library fetches on first use."""
    processor = pytest.importorskip("perfetto.trace_processor")
    write_perfetto(collect_slices(trace), tmp_path / "t.pftrace")
    try:
        reader = processor.TraceProcessor(trace=str(tmp_path / "t.pftrace"))
    except Exception as error:  # noqa: BLE001 - no network, no binary for this machine
        pytest.skip(f"no trace processor: {type(error).__name__}")
    rows = list(reader.query("select name, count(*) as n, sum(dur) as total from slice group by name order by name"))
    assert {row.name: (row.n, row.total) for row in rows} == {
        "load": (40, 40 * 500), "mvm": (40, 40 * 1300), "reduce": (4, 400), "send": (40, 40 * 2000),
    }  # fmt: skip
    assert next(iter(reader.query("select count(*) as n from flow"))).n == 84
    reader.close()


@pytest.mark.parametrize("write", [write_chrome, write_perfetto, write_svg, write_slices_parquet])
def test_places_that_cannot_be_written(tmp_path, trace, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="that can be written"):
        write(collect_slices(trace), tmp_path / "file" / "t")


def test_a_failed_run_leaves_no_stream(tmp_path, program):
    sink = ParquetSink(tmp_path / "t.parquet", program)
    with pytest.raises(KeyboardInterrupt), sink:  # noqa: PT012 - the error comes after some rows
        for _ in range(3):
            sink(np.zeros((200_000, 3), dtype=np.int64))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_window_of_parquet(tmp_path, trace):
    slices = collect_slices(trace, window_ps=(0, 5000))
    write_slices_parquet(slices, tmp_path / "t.parquet")
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert frame["start_ps"].tolist() == slices.start_ps.tolist()


def test_svg_draws_every_firing(tmp_path, trace):
    slices = collect_slices(trace)
    write_svg(slices, tmp_path / "t.svg", title="a < b")
    root = ET.fromstring((tmp_path / "t.svg").read_text())  # noqa: S314 - our own file
    titles = [element.text for element in root.iter() if element.tag.endswith("title")]
    assert len(titles) == trace.program.total_firings
    assert "mvm #0: 700 to 2000 ps" in titles
