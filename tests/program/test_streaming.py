"""Results handed on group by group in lowered programs: times by hand, who waits for the whole, contention, bounds."""

from __future__ import annotations

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.lower import lower
from hermes_sim.trace.critical_path import critical_path
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind
from hermes_sim.workload.load import build_graph, load_workload

EXACT = {
    "network.topology": "all_to_all", "network.flit": 16, "network.hop_cycles": 2,
    "network.header": 0, "network.credit": 0, "core.analog.range.per": "matrix",
    "core.input_port.width": 8, "core.output_port.width": 8,
    "core.ldpu.lanes": 8, "core.ldpu.group_time": 10, "core.ldpu.add_group_time": 1,
    "digital_units.gdpu.memory.registers.width": 64,
}  # fmt: skip
WHOLE = {"network.switching": "store_and_forward"}


def product(rows, columns, *, tokens=1):
    """One product whose result goes to a digital unit that has nothing to do."""
    graph = GraphBuilder("g")
    source = graph.product("p", Matrix("W", rows, columns), tokens=tokens, on_crossbar=True)
    graph.connect(source, graph.add(Operator("y", OpKind.ELEMENTWISE, tokens, columns, 0)))
    return graph.build()


def run(graph, chip, strategy="spread", **options):
    lowered = lower(graph, map_graph(graph, chip, strategy), chip, **options)
    return lowered, CompiledEngine().run(lowered.program, watch=range(lowered.program.n_actors), trace=True)


def latencies_ns(lowered, stage):
    pairs = zip(lowered.actors, lowered.program.latency_ps, strict=True)
    return [int(ps) / 1000 for info, ps in pairs if info.stage == stage]


def test_partial_sums_of_three_row_blocks_by_hand():
    """600 rows are three blocks of 200; 64 columns are 8 groups of 10 ns, 128 bytes of FP16 sums.

    The ports' 16 cycles begin 14 ns before the LDPU's last group is out (80 - 14 = 66), the links' 8 flits 9 ns after
    that, the in port 3 ns after those, the addition's 8 groups 16 - 7 = 9 ns later: at 520 + 66 + 9 + 3 + 9 = 607 ns.
    The second part finds the in port busy until 598 + 16 = 614, and is added from 623 on. The out port is slower than
    the addition and begins with its first group, 624; the link at 633, and the unit has all at 633 + 2 + 8. It has no
    functions, and reads the 128 bytes in two cycles.
    """
    lowered, record = run(product(600, 64), load_arch("hermes_64", EXACT))
    adds = [i for i, name in enumerate(lowered.program.actor_names) if name.endswith("/add")]
    assert sorted(int(record.trace.starts(a)[0]) for a in adds) == [607_000, 623_000]
    assert record.makespan_ps == 645_000
    assert latencies_ns(lowered, "send") == [9, 9, 9]
    path = critical_path(lowered.program, record.trace)
    assert int(path.total_ps.sum()) + path.gap_ps == record.makespan_ps
    for info, latency_ps in zip(lowered.actors, lowered.program.latency_ps, strict=True):
        assert sum(part.value for part in info.cost.times) == latency_ps == info.cost.latency_ps


def test_two_results_at_one_port_take_the_time_of_two():
    """All of 128 columns to one unit, half of them to another: the port is busy for 32 + 16 cycles.

    An LDPU of 128 lanes has all of it out after 10 ns. The packet that finds the port busy begins when that is free.
    """
    graph = GraphBuilder("g")
    source = graph.product("p", Matrix("W", 64, 128), tokens=1, on_crossbar=True)
    for name, stop in (("whole", 128), ("half", 64)):
        graph.connect(source, graph.add(Operator(name, OpKind.ELEMENTWISE, 1, stop, 0)), values=(0, stop))
    lowered, record = run(graph.build(), load_arch("hermes_64", EXACT | {"core.ldpu.lanes": 128}))
    sends = {int(record.trace.starts(a)[0]): a for a, info in enumerate(lowered.actors) if info.stage == "send"}
    (first_ps, first), (second_ps, second) = sorted(sends.items())
    assert sorted(int(lowered.program.interval_ps[a]) for a in (first, second)) == [16_000, 32_000]
    assert first_ps == 530_000
    assert second_ps == first_ps + int(lowered.program.interval_ps[first])
    units = [int(record.last_finish_ps[a]) for a, info in enumerate(lowered.actors) if info.stage == "compute"]
    assert max(units) >= 530_000 + 48_000 + 3_000  # the last byte leaves the port, and has a link of 2 + 1 cycles to go


def test_the_crossbar_waits_for_the_whole_vector_and_so_does_everybody_else_then():
    """The result of p goes to a core beside, and to a second matrix on the same core, which needs all of it at once."""
    chip = load_arch("hermes_64", EXACT)
    graph = GraphBuilder("g")
    source = graph.product("p", Matrix("V", 64, 64), tokens=1, on_crossbar=True)
    graph.connect(source, graph.product("q", Matrix("W", 64, 64), tokens=1, on_crossbar=True))
    built = graph.build()
    apart, _ = run(built, chip, "spread")
    together, _ = run(built, chip, "packed")
    assert latencies_ns(apart, "ldpu") == [80 - 7]  # 64 bytes: 8 cycles of the port, one for each group of the LDPU
    assert latencies_ns(together, "ldpu") == [80]
    assert latencies_ns(apart, "load") == [8]


def test_store_and_forward_waits_at_every_stage():
    chip = load_arch("hermes_64", EXACT | WHOLE)
    lowered, record = run(product(64, 64), chip)
    assert latencies_ns(lowered, "ldpu") == [80]
    assert latencies_ns(lowered, "send") == [16]
    assert record.makespan_ps == (520 + 80 + 16 + 10 + 128 // 64) * 1000


@pytest.mark.parametrize("width", [1, 8, 64])
@pytest.mark.parametrize("mode", ["one_phase", "four_phase"])
def test_a_place_is_free_once_its_writer_cannot_overtake_the_reader(width, mode):
    """The crossbar's next result but one is made when the LDPU has read the first, however slow the port behind is."""
    chip = load_arch(
        "hermes_64", EXACT | {"core.output_port.width": width, "read_mode": mode, "core.output_buffers": 1}
    )
    lowered, record = run(product(256, 256, tokens=5), chip)
    (read,) = (i for i, info in enumerate(lowered.actors) if info.stage == "read")
    (ldpu,) = (i for i, info in enumerate(lowered.actors) if info.stage == "ldpu")
    written_ps = record.trace.starts(read)[1:] + lowered.program.latency_ps[read]
    read_ps = record.trace.starts(ldpu)[:-1] + lowered.program.interval_ps[ldpu]
    assert (written_ps >= read_ps).all()


WORK = {
    "performer_imdb_full": {"sequence_length": 6},
    "resnet9_cifar10": {"image": {"height": 8, "width": 8, "channels": 3}},
    "lstm_ptb": {"steps": 3},
    "kernel_ridge_digits": {},
}


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("topology", ["cluster_p2p", "mesh", "bus"])
def test_engines_agree_no_run_beats_its_bounds_and_streaming_is_not_slower_alone(name, topology):
    graph = build_graph(load_workload(name, WORK[name]))
    makespan_ps = {}
    for switching in ("cut_through", "store_and_forward"):
        chip = load_arch("hermes_64", {"network.switching": switching, "network.topology": topology})
        lowered, record = run(graph, chip, "packed", inferences=2)
        slow = ReferenceEngine().run(lowered.program)
        np.testing.assert_array_equal(record.last_finish_ps, slow.last_finish_ps)
        assert lower_bounds(lowered.program).makespan_ps <= record.makespan_ps
        full_ps = lower(graph, map_graph(graph, chip, "packed"), chip).program.interval_ps
        assert (lowered.program.interval_ps == full_ps).all()
        alone, one = run(graph, chip, "packed")
        makespan_ps[switching] = one.makespan_ps
        assert one.makespan_ps >= lower_bounds(alone.program).makespan_ps
    assert makespan_ps["cut_through"] < makespan_ps["store_and_forward"]
