"""Operator graphs of a few tokens, made for what a field acts on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import GraphBuilder, LifeCycle, Matrix, Operator, OpKind, Pattern

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.workload.graph import OpGraph

TOKENS = 8


def _ends(graph: GraphBuilder, first: str, last: str, tokens: int = TOKENS) -> None:
    """Inputs before an operator and outputs behind one."""
    n_in, n_out = graph.operator(first).in_values, graph.operator(last).out_values
    graph.connect(graph.add(Operator(f"to {first}", OpKind.INPUT, tokens, 0, n_in)), first)
    graph.connect(last, graph.add(Operator(f"from {last}", OpKind.OUTPUT, tokens, n_out, 0)))


def _chain(name: str) -> GraphBuilder:
    """A product, a function of its values on a digital unit, and a product of these: rows and columns are cut."""
    graph = GraphBuilder(name)
    graph.product("first", Matrix("A", 96, 96), tokens=TOKENS, on_crossbar=True)
    graph.add(Operator("between", OpKind.ELEMENTWISE, TOKENS, 96, 96, {Function.MUL: 96, Function.ADD: 96}))
    graph.product("second", Matrix("B", 96, 48), tokens=TOKENS, on_crossbar=True)
    graph.connect("first", "between")
    graph.connect("between", "second")
    _ends(graph, "first", "second")
    return graph


def chain(_: Chip) -> OpGraph:
    """Two products and a digital operator between them."""
    return _chain("chain").build()


def life(_: Chip) -> OpGraph:
    """The same with weights that are written first, and some of them between inferences."""
    return replace(_chain("life").build(), life_cycle=LifeCycle(program_first=True, redraw_every=1, redraw=("A",)))


def care(_: Chip) -> OpGraph:
    """The same with drift compensation and calibration between inferences."""
    return replace(_chain("care").build(), life_cycle=LifeCycle(compensate_every=1, calibrate_every=2))


def streams(_: Chip) -> OpGraph:
    """Two streams of inputs that begin on the same links: many quick ones, and a few for a slow digital operator."""
    graph = GraphBuilder("streams")
    for name, tokens in (("quick", 64), ("slow", TOKENS)):
        last = graph.product(name, Matrix(name, 48, 48), tokens=tokens, on_crossbar=True)
        if name == "slow":
            last = graph.add(Operator("use", OpKind.ELEMENTWISE, tokens, 48, 48, {Function.ADD: 200_000}))
            graph.connect(name, last)
        _ends(graph, name, last, tokens)
    return graph.build()


def together(_: Chip) -> OpGraph:
    """Two products of the same inputs, and one of others, small enough for one core."""
    graph = GraphBuilder("together")
    source = graph.add(Operator("inputs", OpKind.INPUT, TOKENS, 0, 48))
    for name in ("query", "key"):
        graph.product(name, Matrix(name, 48, 24), tokens=TOKENS, on_crossbar=True)
        graph.connect(source, name)
        graph.connect(name, graph.add(Operator(f"from {name}", OpKind.OUTPUT, TOKENS, 24, 0)))
    graph.product("other", Matrix("other", 60, 30), tokens=TOKENS, on_crossbar=True)
    _ends(graph, "other", "other")
    return graph.build()


def functions(chip: Chip) -> OpGraph:
    """Every function of the chip's only kind of digital unit."""
    (unit,) = chip.digital_units.values()
    graph = GraphBuilder("functions")
    graph.add(Operator("all", OpKind.ELEMENTWISE, TOKENS, 1, 1, dict.fromkeys(unit.functions, 3000)))
    _ends(graph, "all", "all")
    return graph.build()


def memory(chip: Chip) -> OpGraph:
    """Weights a bit smaller than each level of the memory, and a bit larger than the last one.

    Half a level does not hold them; one of twice the size holds those of the next one, too, if that is twice as large.
    """
    (unit,) = chip.digital_units.values()
    graph = GraphBuilder("memory")
    sizes = [level.capacity.n_bytes for level in unit.memory.values()]
    wanted = [0.6 * size for size in sizes] + [1.2 * sizes[-1]]
    names = [f"level {i}" for i in range(len(wanted))]
    for name, n_bytes in zip(names, wanted, strict=True):
        weights = int(n_bytes / chip.numbers.digital.n_bytes)
        graph.add(Operator(name, OpKind.ELEMENTWISE, TOKENS, 1, 1, {Function.ADD: 1}, weight_values=weights))
    for one, two in pairwise(names):
        graph.connect(one, two)
    _ends(graph, names[0], names[-1])
    return graph.build()


def sums(_: Chip) -> OpGraph:
    """A product, and its results added up over all tokens."""
    graph = _chain("sums")
    graph.add(Operator("total", OpKind.REDUCTION, TOKENS, 48, 0, {Function.ADD: 48}, once_values=48))
    graph.add(Operator("end", OpKind.OUTPUT, 1, 48, 0))
    graph.connect("second", "total")
    graph.connect("total", "end", pattern=Pattern.SEQUENCE)
    return graph.build()


GRAPHS = {graph.__name__: graph for graph in (chain, life, care, streams, together, functions, memory, sums)}
