"""Every phase of lowering on its own: it takes records and a builder, and returns records."""

from __future__ import annotations

import pytest

from hermes_sim.chip.places import HOST_MEMORY, IO, Place, Resource, ResourcePart
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import MappingError
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.program.build import Ends, Lowering, ReadActor, Terminal
from hermes_sim.program.life_cycle import add_life_cycle
from hermes_sim.program.lower import lower_operator
from hermes_sim.program.lowered import Firings
from hermes_sim.program.transfer import connect_each, connect_sequence
from hermes_sim.workload.graph import GraphBuilder, LifeCycle, Matrix, Operator, OpKind, Pattern

TOKENS = 6
BLOCKS = (Block("W", 0, (0, 8), (0, 4), 3), Block("W", 0, (8, 16), (0, 4), 5), Block("W", 1, (0, 16), (0, 4), 7))


def building(chip, *, pattern=Pattern.EACH, replicas=(0, 1)):
    """input x -> product p with two replicas, the first one cut -> digital f."""
    graph = GraphBuilder("g")
    graph.add(Operator("x", OpKind.INPUT, TOKENS, 0, 16))
    graph.connect("x", graph.product("p", Matrix("W", 16, 4), tokens=TOKENS, on_crossbar=True))
    graph.connect("p", graph.add(Operator("f", OpKind.ELEMENTWISE, TOKENS, 4, 4, {Function.ADD: 4})), pattern=pattern)
    units = {"x": HOST_MEMORY, "f": chip.unit_place("gdpu", 2)}
    return Lowering(graph.build(), Mapping("test", BLOCKS, {"p": replicas}, units), chip, 1)


def needs(build):
    """(source, target) by name -> (num, off, den) of what is no buffer space."""
    program = build.program.build()
    names = program.actor_names
    rows = zip(program.source, program.target, program.num, program.off, program.den, program.is_space, strict=True)
    return {(names[s], names[t]): (num, off, den) for s, t, num, off, den, is_space in rows if not is_space}


def by_hand(build, name, place, *, tokens=TOKENS, replica=0, n_replicas=1, buffers=4):
    """An operator of one actor."""
    firings = Firings(tokens, replica, n_replicas)
    actor = build.actor(
        f"{name}{replica}", Resource(place), build.read_cost(1, 1), firings=firings, operator=name, stage="test"
    )
    return Terminal(
        actors=(actor,), place=place, values=(0, 16), buffers=buffers, replica=replica, n_replicas=n_replicas
    )


def test_a_digital_operator_is_one_actor_on_its_unit(hermes):
    build = building(hermes)
    ends = lower_operator(build, build.graph.operator("f"))
    (made,), (taken,) = ends.producers, ends.consumers
    assert made == taken == Terminal((0,), hermes.unit_place("gdpu", 2), (0, 4), hermes.digital_units["gdpu"].buffers.n)
    assert list(build.resources) == [Resource(hermes.unit_place("gdpu", 2))]
    assert ends.reads == ()


def test_an_input_makes_values_in_host_memory_behind_the_port(hermes):
    build = building(hermes)
    (made,) = lower_operator(build, build.graph.operator("x")).producers
    assert (made.place, made.node, made.values) == (HOST_MEMORY, IO, (0, 16))


def test_a_product_reads_its_blocks_and_gives_its_columns_per_replica(hermes):
    build = building(hermes)
    ends = lower_operator(build, build.graph.operator("p"))
    assert [(read.block, read.replica, read.n_replicas) for read in ends.reads] == [
        (block, block.replica, 2) for block in BLOCKS
    ]
    assert [(end.place, end.values, end.replica) for end in ends.consumers] == [
        (Place.core(3), (0, 8), 0), (Place.core(5), (8, 16), 0), (Place.core(7), (0, 16), 1),
    ]  # fmt: skip
    assert [(end.place, end.values, end.replica) for end in ends.producers] == [
        (Place.core(3), (0, 4), 0), (Place.core(7), (0, 4), 1),
    ]  # fmt: skip
    core_reads = [build.firings[read.actor] for read in ends.reads]
    assert core_reads == [Firings(TOKENS, 0, 2), Firings(TOKENS, 0, 2), Firings(TOKENS, 1, 2)]


def test_edges_need_the_ends_alone(hermes):
    build = building(hermes)
    unit = hermes.unit_place("gdpu", 2)
    sources = tuple(by_hand(build, "p", unit, replica=r, n_replicas=2) for r in range(2))
    target = by_hand(build, "f", unit)
    connect_each(build, build.edges_from["p"], {"p": Ends(sources, ()), "f": Ends((), (target,))})
    found = needs(build)
    passes = [f"p[0:4]x2B gdpu2 {r} of 2 r{r}/pass gdpu2" for r in range(2)]
    assert found == {
        ("p0", passes[0]): (1, 1, 1), ("p1", passes[1]): (1, 1, 1),
        (passes[0], "f0"): (1, 2, 2), (passes[1], "f0"): (1, 1, 2),
    }  # fmt: skip


def test_feedback_over_replicas_is_refused(hermes):
    build = building(hermes, pattern=Pattern.PREVIOUS)
    unit = hermes.unit_place("gdpu", 2)
    sources = tuple(by_hand(build, "p", unit, replica=r, n_replicas=2) for r in range(2))
    with pytest.raises(MappingError, match="feedback over 2 replicas"):
        connect_each(
            build, build.edges_from["p"], {"p": Ends(sources, ()), "f": Ends((), (by_hand(build, "f", unit),))}
        )


def test_a_state_needs_the_ends_alone(hermes):
    build = building(hermes, pattern=Pattern.SEQUENCE)
    unit = hermes.unit_place("gdpu", 2)
    ends = {"p": Ends((by_hand(build, "p", unit),), ()), "f": Ends((), (by_hand(build, "f", unit),))}
    connect_sequence(build, build.edges_from["p"], ends)
    found = needs(build)
    (published,) = (target for source, target in found if source == "p0")
    assert published.endswith("once/publish")
    assert found["p0", published] == (TOKENS, TOKENS, 1)
    assert found[published, "f0"] == (1, TOKENS, TOKENS)


def test_a_life_cycle_needs_the_reads_alone(hermes):
    build = building(hermes)
    crossbar = Resource(Place.core(3), ResourcePart.CROSSBAR)
    actor = build.actor("read", crossbar, build.read_cost(8, 4), firings=Firings(TOKENS, 0, 2), operator="p", stage="")
    events = LifeCycle(program_first=True, redraw_every=5, redraw=("W",))
    add_life_cycle(build, events, [ReadActor(actor, BLOCKS[0], "p", 0, 2)])
    found = needs(build)
    once, again = (f"({what}) W[0:8,0:4]r0" for what in ("programming", "redrawing of random features"))
    assert found[once, "read"] == (0, 1, 1)
    # 30 tokens in five inferences, of which this replica takes every second one
    assert found[again, "read"] == (2, 0, 30)
    assert found["read", again] == (30, 31, 2)
    assert {pair for pair in found if "read" in pair} == {(once, "read"), (again, "read"), ("read", again)}
