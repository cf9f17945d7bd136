"""Any mapped graph: matrices cut at random, replicas cut each in its own way, every topology.

What leaves a place arrives where it is needed, over the links of the routes; replicas share the tokens.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import IO, OFF_CHIP_OUT, Link, Place, Resource, ResourcePart
from hermes_sim.chip.schema import Chip, Topology
from hermes_sim.config.override import override
from hermes_sim.config.vocabulary import Function
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.errors import ArchConfigError, MappingError
from hermes_sim.mapping.blocks import check_blocks
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.traffic import bytes_hops, flows
from hermes_sim.mapping.units import assign_units
from hermes_sim.program.build import Lowering, Packet, Terminal
from hermes_sim.program.lower import lower
from hermes_sim.program.lowered import Firings
from hermes_sim.program.transfer import send
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern

SIDE = 64


@cache
def chip_with(topology: Topology) -> Chip:
    """64 cores of 64 x 64 and the digital units of hermes_64_hetero; custom links make a ring with a hub."""
    sizes = {"core.rows": SIDE, "core.columns": SIDE}
    if topology is not Topology.CUSTOM:
        return load_arch("hermes_64_hetero", {**sizes, "network.topology": str(topology)})
    nodes = [str(node) for node in Routes(load_arch("hermes_64_hetero")).nodes]
    document = read_with_parents("hermes_64_hetero")
    ring = [list(pair) for pair in itertools.pairwise([*nodes, nodes[0]])]
    document.data["network"] |= {"links": [*ring, *(["hub", node] for node in nodes[::9])]}
    for path, value in {**sizes, "network.topology": "custom"}.items():
        override(document, path, value, model=Chip, error=ArchConfigError)
    return validate_chip(document)


TOPOLOGIES = st.sampled_from(Topology)


@st.composite
def cuts(draw, rows, columns, pieces=3):
    """A rectangle cut into pieces that fit a core and cover it once; every cut goes from edge to edge of its piece."""
    (top, bottom), (left, right) = rows, columns
    tall, wide = bottom - top > SIDE, right - left > SIDE
    choices = (["rows"] if bottom - top > 1 else []) + (["columns"] if right - left > 1 else [])
    must = ["rows"] * tall + ["columns"] * wide
    choice = draw(st.sampled_from(must or [*choices, "none"])) if must or (choices and pieces > 1) else "none"
    if choice == "none":
        return [(rows, columns)]
    low, high = rows if choice == "rows" else columns
    at = draw(st.integers(low + 1, high - 1)) if not must else (low + high) // 2
    halves = [((low, at), columns), ((at, high), columns)]
    if choice == "columns":
        halves = [(rows, (low, at)), (rows, (at, high))]
    return [piece for half in halves for piece in draw(cuts(*half, pieces=pieces - 1))]


@st.composite
def mapped(draw):
    """A chain of products and digital operators, perhaps with a state in it, cut and placed at random."""
    topology, tokens = draw(TOPOLOGIES), draw(st.integers(1, 6))
    chip = chip_with(topology)
    widths = draw(st.lists(st.integers(1, 90), min_size=2, max_size=4))
    graph = GraphBuilder("random")
    before, shapes = graph.add(Operator("x", OpKind.INPUT, tokens, 0, widths[0])), {}
    for i, (rows, columns) in enumerate(itertools.pairwise(widths)):
        shapes[f"p{i}"] = (rows, columns)
        after = graph.product(f"p{i}", Matrix(f"W{i}", rows, columns), tokens=tokens, on_crossbar=True)
        graph.connect(before, after, pattern=draw(st.sampled_from([Pattern.EACH, Pattern.EACH, Pattern.SEQUENCE])))
        before = after
        if draw(st.booleans()):
            op = Operator(f"f{i}", OpKind.ELEMENTWISE, tokens, columns, columns, {Function.ADD: columns})
            graph.connect(before, graph.add(op))
            before = op.name
    graph.connect(before, graph.add(Operator("y", OpKind.OUTPUT, tokens, widths[-1], 0)))
    built = graph.build()
    cores = iter(draw(st.permutations(range(chip.n_cores))))
    replicas = {name: tuple(range(draw(st.integers(1, 3)))) for name in shapes}
    blocks = [
        Block(f"W{name[1:]}", replica, rows, columns, next(cores))
        for name, shape in shapes.items()
        for replica in replicas[name]
        for rows, columns in draw(cuts((0, shape[0]), (0, shape[1])))
    ]
    units = assign_units(built, chip, together=draw(st.booleans()))
    return built, Mapping("random", tuple(blocks), replicas, units), topology


@settings(max_examples=60, deadline=None)
@given(mapped(), st.data())
def test_every_cut_that_covers_once_is_a_mapping_and_no_other(case, data):
    graph, mapping, topology = case
    chip = chip_with(topology)
    check_blocks(mapping.blocks, graph, chip)
    weights = Counter((block.matrix, block.replica) for block in mapping.blocks for _ in range(block.n_cells))
    assert weights == {
        (graph.operator(op).matrix, replica): graph.matrix(graph.operator(op).matrix).n_weights
        for op, replicas in mapping.replicas.items()
        for replica in replicas
    }
    block = data.draw(st.sampled_from(mapping.blocks))
    if len(mapping.blocks_of(block.matrix, block.replica)) > 1:
        with pytest.raises(MappingError, match="weights placed in replica"):
            check_blocks([other for other in mapping.blocks if other != block], graph, chip)
    with pytest.raises(MappingError, match=r"overlaps|hold the same weights"):
        check_blocks([*mapping.blocks, block], graph, chip)


@settings(max_examples=60, deadline=None)
@given(mapped(), st.integers(1, 4), st.integers(1, 5))
def test_replicas_share_all_tokens_and_firings_say_how_often(case, inferences, other):
    graph, mapping, topology = case
    chip = chip_with(topology)
    lowered = lower(graph, mapping, chip, inferences=inferences)
    program = lowered.program
    assert program.firings.tolist() == [firings.in_all(inferences) for firings in lowered.firings]
    again = lower(graph, mapping, chip, inferences=other).program
    assert again.firings.tolist() == [firings.in_all(other) for firings in lowered.firings]
    assert CompiledEngine().run(program).is_complete
    fired = defaultdict(set)  # operator, replica -> firings of its reads
    for name, info, n in zip(program.actor_names, lowered.actors, program.firings.tolist(), strict=True):
        if info.stage == "read":
            fired[info.operator, name.rpartition("]r")[2]].add(n)
    assert all(len(counts) == 1 for counts in fired.values())
    for op in graph.operators:
        if op.on_crossbar:
            shares = [n for (name, _), (n,) in fired.items() if name == op.name]
            assert len(shares) == len(mapping.replicas[op.name])
            assert sum(shares) == op.tokens * inferences
            assert max(shares) - min(shares) <= 1


def moved(lowered, n_bytes_of):
    """Bytes of one inference through resources, on average over a turn in which every replica does its share."""
    total = defaultdict(float)
    for index, info, n in zip(lowered.program.resource, lowered.actors, lowered.turn_firings.tolist(), strict=True):
        n_bytes = n_bytes_of(info)
        if n_bytes is not None:
            total[lowered.resources[index]] += n * n_bytes / lowered.whole_turn
    return dict(total)


def bytes_at(component, pj_per_byte):
    """Reader of the bytes of an actor from its energy of that name."""

    def read(info):
        return next((part.value / pj_per_byte for part in info.cost.energies if part.component == component), None)

    return read


@settings(max_examples=60, deadline=None)
@given(mapped())
def test_what_leaves_a_place_arrives_where_it_is_needed(case):
    graph, mapping, topology = case
    chip = chip_with(topology)
    lowered = lower(graph, mapping, chip)
    taken, sent = defaultdict(float), defaultdict(list)
    for flow in flows(graph, mapping, chip):
        taken[flow.target] += flow.n_bytes
        sent[flow.source].append(flow.n_bytes)
    into = moved(lowered, bytes_at("input port", chip.core.input_port.energy.pj_per_byte))
    assert into == pytest.approx({
        Resource(place, ResourcePart.IN): n_bytes for place, n_bytes in taken.items() if place.is_core
    })  # fmt: skip
    out = moved(lowered, bytes_at("output port", chip.core.output_port.energy.pj_per_byte))
    assert set(out) == {Resource(place, ResourcePart.OUT) for place in sent if place.is_core}
    for resource, n_bytes in out.items():  # what several need leaves once
        assert max(sent[resource.at]) <= n_bytes * (1 + 1e-9)
        assert n_bytes <= sum(sent[resource.at]) * (1 + 1e-9)
    channel = moved(lowered, bytes_at("off-chip", chip.off_chip.energy.pj_per_byte))
    assert channel.get(OFF_CHIP_OUT, 0.0) == pytest.approx(taken[IO])


@settings(max_examples=60, deadline=None)
@given(mapped(), st.integers(1, 4))
def test_every_read_gets_its_rows_of_every_token_however_few_there_are(case, inferences):
    graph, mapping, topology = case
    chip = chip_with(topology)
    lowered = lower(graph, mapping, chip, inferences=inferences)
    read = bytes_at("input port", chip.core.input_port.energy.pj_per_byte)
    into, reads = defaultdict(float), Counter()
    for index, info, n in zip(lowered.program.resource, lowered.actors, lowered.program.firings.tolist(), strict=True):
        core, n_bytes = lowered.resources[index].at, read(info)
        if info.stage == "read":
            reads[core] = n
        elif n_bytes is not None and not info.operator.startswith("p"):
            into[core] += n * n_bytes
        elif n_bytes is not None:
            into[core, info.operator] += n * n_bytes
    once = {edge.target for edge in graph.edges if edge.pattern is Pattern.SEQUENCE}
    for block in mapping.blocks:
        core, name = Place.core(block.core), f"p{block.matrix[1:]}"
        (source,) = (edge.source for edge in graph.edges if edge.target == name)
        # every replica of the source sends the state that its own tokens made
        taken = inferences * len(mapping.replicas.get(source, (0,))) if name in once else reads[core]
        assert into[(core, source) if source.startswith("p") else core] == pytest.approx(taken * block.n_rows)


@settings(max_examples=40, deadline=None)
@given(mapped())
def test_the_program_uses_the_links_of_the_routes_that_hops_count(case):
    graph, mapping, topology = case
    chip = chip_with(topology)
    routes, found = Routes(chip), flows(graph, mapping, chip)
    links = [(flow, routes.route(flow.source, flow.target)) for flow in found]
    used = {resource.at for resource in lower(graph, mapping, chip).resources if isinstance(resource.at, Link)}
    assert used == {link for _, route in links for link in route}
    assert bytes_hops(graph, mapping, chip) == pytest.approx(sum(flow.n_bytes * len(route) for flow, route in links))


@settings(max_examples=60, deadline=None)
@given(TOPOLOGIES, st.data())
def test_a_tree_brings_every_target_all_bytes_over_its_route(topology, data):
    chip = chip_with(topology)
    graph = GraphBuilder("g")
    graph.product("p", Matrix("W", 1, 1), tokens=1, on_crossbar=True)
    build = Lowering(graph.build(), Mapping("none", (), {}, {}), chip, 1)
    places = [*chip.core_places(), *chip.unit_places()]
    source, *targets = (
        Terminal(actors=(), place=place, values=(0, 8), buffers=2)
        for place in data.draw(st.lists(st.sampled_from(places), min_size=2, max_size=7))
    )
    tree = send(build, Packet("t", "p", 8.0, Firings(5)), source, targets)
    program = build.program.build()
    data_deps = np.flatnonzero(~program.is_space)
    before = dict(zip(program.target[data_deps].tolist(), program.source[data_deps].tolist(), strict=True))
    resources = list(build.resources)
    routes = Routes(chip)
    for target, end in zip(targets, tree.ends, strict=True):
        actors = [] if end is None else [end]
        while actors and actors[0] in before:
            actors.insert(0, before[actors[0]])
        assert set(actors[:1]) <= set(tree.heads)
        way = [resources[program.resource[actor]] for actor in actors]
        links = [resource.at for resource in way if isinstance(resource.at, Link)]
        ends_meet = source.place == target.place or source.node == target.node == IO
        assert links == ([] if ends_meet else routes.route(source.node, target.node))
        if not ends_meet:
            core_in, core_out = Resource(target.place, ResourcePart.IN), Resource(source.place, ResourcePart.OUT)
            assert (way[0] == core_out) == source.place.is_core
            assert (way[-1] == core_in) == target.place.is_core
    assert set(program.firings.tolist()) <= {5}
    readers = (
        bytes_at("network", chip.network.energy.pj_per_byte),
        bytes_at("input port", chip.core.input_port.energy.pj_per_byte),
        bytes_at("output port", chip.core.output_port.energy.pj_per_byte),
        bytes_at("off-chip", chip.off_chip.energy.pj_per_byte),
    )
    carried = [next(n for n in (read(info) for read in readers) if n is not None) for info in build.infos]
    np.testing.assert_allclose(carried, 8.0)
