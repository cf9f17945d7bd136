"""Lowering against times and counts made by hand, and against the reference engine."""

import time
from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip import costs
from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_dir
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import ArchConfigError, MappingError, WorkloadError
from hermes_sim.mapping.place import map_graph
from hermes_sim.metrics.energy import energy_rows, total_by
from hermes_sim.program.lower import lower, lower_programming
from hermes_sim.workload.graph import GraphBuilder, LifeCycle, Matrix, Operator, OpKind
from hermes_sim.workload.load import build_graph, load_workload

SMALL = {
    "performer_imdb_attention": {"sequence_length": 6},
    "performer_imdb_full": {"sequence_length": 6},
    "performer_aan_full": {"sequence_length": 4},
    "performer_pathfinder_full": {"sequence_length": 4},
    "performer_imdb_softmax": {"sequence_length": 6},
    "performer_imdb_attention_layer": {"sequence_length": 12},
    "resnet9_cifar10": {"image": {"height": 8, "width": 8, "channels": 3}},
    "lstm_ptb": {"steps": 3},
    "lstm_caption": {"steps": 2},
    "kernel_ridge_digits": {},
}


def run(graph, chip, strategy="packed", inferences=1, engine=None, **options):
    lowered = lower(graph, map_graph(graph, chip, strategy), chip, inferences=inferences, **options)
    return lowered, (engine or CompiledEngine()).run(lowered.program, watch=[lowered.done], trace=True)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("arch", "strategy"), [("hermes_64", "packed"), ("hermes_64_hetero", "balanced")])
def test_both_engines_agree_on_every_workload(name, arch, strategy):
    chip = load_arch(arch)
    graph = build_graph(load_workload(name, SMALL[name]))
    _, fast = run(graph, chip, strategy, 2)
    _, slow = run(graph, chip, strategy, 2, ReferenceEngine())
    assert fast.makespan_ps == slow.makespan_ps
    np.testing.assert_array_equal(fast.started, slow.started)
    np.testing.assert_array_equal(fast.last_finish_ps, slow.last_finish_ps)
    assert fast.is_complete


def test_program_size_does_not_depend_on_tokens(hetero):
    sizes = set()
    for n in (3008, 3200):  # whole blocks of 16 tokens; the memories stay where they are
        graph = build_graph(load_workload("performer_imdb_full", {"sequence_length": n}))
        sizes.add(lower(graph, map_graph(graph, hetero, "packed"), hetero).program.n_actors)
    assert len(sizes) == 1


def one_product(rows, columns, tokens=1):
    graph = GraphBuilder("g")
    product = graph.product("p", Matrix("W", rows, columns), tokens=tokens, on_crossbar=True)
    graph.connect(product, graph.add(Operator("result", OpKind.ELEMENTWISE, tokens, columns, 0)))
    return graph.build()


def test_partial_sums_of_three_row_blocks_by_hand():
    """Read, LDPU and out port of all; then links, in port, addition of each part in turn."""
    exact = {
        "network.switching": "store_and_forward",
        "network.topology": "all_to_all", "network.flit": 16, "network.hop_cycles": 2,
        "network.header": 0, "network.credit": 0, "core.analog.range.per": "matrix",
        "core.input_port.width": 8, "core.output_port.width": 8,
        "core.ldpu.lanes": 8, "core.ldpu.group_time": 10, "core.ldpu.add_group_time": 1,
    }  # fmt: skip
    chip = load_arch("hermes_64", exact)
    lowered, record = run(one_product(600, 64), chip, "spread")
    # 600 rows: three blocks of 200; 64 columns: 8 groups, 128 bytes of FP16 sums
    ready_ns = 520 + 8 * 10
    sums_ns = 128 // 8 + (2 + 128 // 16) + 128 // 8 + 8  # out port, link, in port, addition
    # the second part comes by its own link, waits for the in port of the home core, is added 16 ns after the first
    last_ns = ready_ns + sums_ns + 128 // 8
    result_ns = 128 // 8 + (2 + 128 // 16)  # to a digital unit that has nothing to do: out port and link
    taken_ns = 128 // chip.digital_units["gdpu"].memory["registers"].width.n_bytes  # no functions: no pipeline start
    assert record.makespan_ps == (last_ns + result_ns + taken_ns) * 1000
    stages = {info.stage for info in lowered.actors}
    assert {"read", "ldpu", "send", "last link"} <= stages


def test_energy_of_a_full_block_is_the_measured_read(hermes):
    lowered, record = run(one_product(256, 256, tokens=5), hermes)
    reads = [r for r in energy_rows(lowered, record) if r.stage == "read"]
    assert sum(r.energy_pj for r in reads if r.component != "range search") == pytest.approx(5 * 52812.5)


def test_uneven_cut_adds_the_sums_that_belong_together(hermes):
    """Columns 0:40 come from two blocks, 40:64 from two others: the block of all columns takes part in both."""
    graph = one_product(100, 64, tokens=3)
    mapping = map_graph(graph, hermes, "packed")
    block = mapping.blocks[0]
    blocks = (
        replace(block, rows=(0, 50), columns=(0, 40), core=0),
        replace(block, rows=(0, 50), columns=(40, 64), core=1),
        replace(block, rows=(50, 100), columns=(0, 64), core=2),
    )
    lowered = lower(graph, replace(mapping, blocks=blocks), hermes)
    adds = [info for info in lowered.actors if info.stage == "ldpu"]
    names = [n for n in lowered.program.actor_names if n.endswith("/add")]
    assert len(adds) == 3 + 2
    assert [n for n in names if "50:100,0:40" in n]
    assert [n for n in names if "50:100,40:64" in n]
    assert CompiledEngine().run(lowered.program).is_complete


def test_feedback_serialises_steps(hermes):
    """Time per step of an LSTM does not fall with more sequences, and steps do not overlap."""
    work = {"steps": 6, "autoregressive": False}
    graph = build_graph(load_workload("lstm_caption", work))
    times = [run(graph, hermes, "spread", n)[1].makespan_ps for n in (1, 2, 3)]
    assert times[2] - times[1] == pytest.approx(times[1] - times[0], rel=0.05)
    assert times[1] - times[0] > 6 * 1_000_000


def test_replicated_feedback_is_refused(hermes):
    graph = build_graph(load_workload("lstm_ptb", {"steps": 2}))
    mapping = map_graph(graph, hermes, "packed")
    copy = tuple(replace(b, replica=1) for b in mapping.blocks if b.matrix == "lstm")
    doubled = replace(mapping, blocks=mapping.blocks + copy, replicas={**mapping.replicas, "gates": (0, 1)})
    with pytest.raises(MappingError, match="one replica at both ends"):
        lower(graph, doubled, hermes)


def test_queries_wait_for_all_keys(hetero):
    graph = build_graph(load_workload("performer_imdb_full", {"sequence_length": 40, "layers": 1}))
    lowered, record = run(graph, hetero)
    first = dict(zip(lowered.program.actor_names, record.first_start_ps, strict=True))
    last = dict(zip(lowered.program.actor_names, record.last_finish_ps, strict=True))
    for head in (0, 1):
        assert first[f"L0.h{head}.numerator"] >= last[f"L0.h{head}.state"]


def test_in_flight_bounds_the_inferences_between_start_and_end(hermes):
    graph = build_graph(load_workload("kernel_ridge_digits"))
    one = run(graph, hermes, "spread", 1)[1].makespan_ps
    serial = run(graph, hermes, "spread", 5, in_flight=1)[1].makespan_ps
    assert serial == 5 * one
    assert run(graph, hermes, "spread", 5, in_flight=2)[1].makespan_ps < serial


def test_programming_of_a_full_core_by_hand(hermes):
    cost = costs.programming_cost(hermes, 256, 256)
    per_device_ns = 2 * 8 * 125 + 10 * (2 * 8 * 125 + 768)  # RESET, then ten pulses with verify
    assert cost.interval_ps == 256 * 2 * per_device_ns * 1000
    reset_pj, pulse_pj = 700 * 2.5 * 0.125, 350 * 2.5 * 0.125  # uA V us = pJ
    cells = 65536 * (4 * reset_pj + 20 * pulse_pj)
    verify = (
        256 * 20 * 4 * (13125 * 0.85 - 0.2 * 20.7 * 0.133 * 127 * 0.8 * 65.536)
    )  # converters of a read: what drivers and cells leave
    assert sum(e.value for e in cost.energies) == pytest.approx(cells + verify)


def test_programming_runs_as_many_cores_at_a_time_as_the_chip_can(hermes):
    graph = GraphBuilder("g")
    for i in range(16):
        graph.product(f"p{i}", Matrix(f"W{i}", 256, 256), tokens=1, on_crossbar=True)
    built = graph.build()
    program, infos = lower_programming(built, map_graph(built, hermes, "packed"), hermes)
    one = costs.programming_cost(hermes, 256, 256).interval_ps
    assert CompiledEngine().run(program).makespan_ps == 2 * one  # 16 cores, 8 at a time
    assert {info.stage for info in infos} == {"program"}


def test_life_cycle_events_are_counted_and_keep_order(hermes):
    graph = build_graph(load_workload("kernel_ridge_digits"))
    events = LifeCycle(program_first=True, compensate_every=2, redraw_every=3, redraw=("W",))
    lowered, record = run(replace(graph, life_cycle=events), hermes, "packed", 7)
    fired = {}
    for info, started in zip(lowered.actors, record.started, strict=True):
        if info.operator.startswith("("):
            fired[info.operator] = fired.get(info.operator, 0) + int(started)
    pieces = len(map_graph(graph, hermes, "packed").blocks)
    assert fired == {
        "(programming)": pieces,
        "(redrawing of random features)": 2 * pieces,  # after inferences 3 and 6
        "(drift compensation)": 3,  # one core, after inferences 2, 4 and 6
    }
    by_operator = total_by(energy_rows(lowered, record), "operator")
    assert all(by_operator[name] > 0 for name in fired)
    plain = run(graph, hermes, "packed", 7)[1]
    assert record.makespan_ps > plain.makespan_ps


def test_life_cycle_needs_known_matrices_and_a_chip_that_can(hermes):
    graph = build_graph(load_workload("kernel_ridge_digits"))
    with pytest.raises(WorkloadError, match="'V'"):
        run(replace(graph, life_cycle=LifeCycle(redraw_every=1, redraw=("V",))), hermes)
    core = hermes.core.model_copy(update={"programming": None, "compensation": None})
    silent = hermes.model_copy(update={"core": core})
    for events in (LifeCycle(program_first=True), LifeCycle(compensate_every=1)):
        with pytest.raises(ArchConfigError, match="nothing"):
            run(replace(graph, life_cycle=events), silent, "packed", 2)


def test_redrawing_what_is_not_there_is_refused_before_anything_is_placed(tmp_path):
    path = tmp_path / "w.yaml"
    shipped = (shipped_dir("workloads") / "kernel_ridge_digits.yaml").read_text(encoding="utf-8")
    for more in ("", "digital: [W]\n"):
        path.write_text(f"{shipped}\nlife_cycle: {{redraw_every: 2, redraw: [w]}}\n{more}", encoding="utf-8")
        with pytest.raises(WorkloadError, match=r"life_cycle.redraw\n  got +no matrix 'w'\n  allowed  W"):
            build_graph(load_workload(path))


def test_whole_encoder_is_fast_after_compilation(hetero):
    work = load_workload("performer_imdb_full")
    run_small = build_graph(load_workload("performer_imdb_full", {"sequence_length": 64}))
    lowered = lower(run_small, map_graph(run_small, hetero, "packed"), hetero)
    CompiledEngine().run(lowered.program, watch=[lowered.done])  # compile
    started = time.perf_counter()
    graph = build_graph(work)
    lowered = lower(graph, map_graph(graph, hetero, "packed"), hetero)
    record = CompiledEngine().run(lowered.program, watch=[lowered.done])
    energy_rows(lowered, record)
    assert time.perf_counter() - started < 1.5  # 0.1 s on an idle core; others may be at work
