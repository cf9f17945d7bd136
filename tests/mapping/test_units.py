"""Which unit runs which operator, with loads worked out by hand."""

from __future__ import annotations

import re

import pytest

from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import MappingError, MappingInfeasible
from hermes_sim.mapping.units import assign_units, can_run, sequence_bytes, unit_for, unit_loads_ps
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind

from .conftest import names_of, units_of


def op(name, functions=None, *, tokens=4, kind=OpKind.ELEMENTWISE, values=8, **more):
    return Operator(name, kind, tokens, values, values, functions or {}, **more)


def graph(*operators, edges=()):
    made = GraphBuilder("g")
    for operator in operators:
        made.add(operator)
    for source, target in edges:
        made.connect(source, target)
    return made.build()


ADD = {Function.ADD: 64}  # one cycle of a dpu: 1 ns; four of a gdpu


def test_the_fastest_unit_on_the_chip_is_chosen(hetero, hermes):
    assert unit_for(op("a", ADD), hetero)[0] == "dpu"
    assert unit_for(op("a", ADD), hermes)[0] == "gdpu"
    assert unit_for(op("a", {Function.MAC: 1}), hermes)[0] == "host"  # no unit on the chip can
    assert unit_for(op("a", {Function.ADD: 16}), hetero)[0] == "dpu"  # equally fast: the first name
    reverse = hetero.model_copy(update={"digital_units": dict(reversed(hetero.digital_units.items()))})
    assert unit_for(op("a", {Function.ADD: 16}), reverse)[0] == "dpu"  # whatever the order of the file
    assert unit_for(op("a", ADD), hetero)[1] is hetero.digital_units["dpu"]


def test_lstm_cells_go_to_the_most_specialised_unit(hetero):
    assert unit_for(op("a", {Function.TANH: 64}), hetero)[0] == "dpu"
    assert unit_for(op("a", {Function.TANH: 64}, kind=OpKind.LSTM_CELL), hetero)[0] == "gdpu"


def test_embeddings_go_to_the_host(hetero):
    table = op("a", {Function.ADD: 1}, kind=OpKind.EMBEDDING)
    assert unit_for(table, hetero)[0] == "host"
    assert [can_run(table, hetero.digital_units[kind]) for kind in ("dpu", "gdpu", "host")] == [False, False, True]


def test_units_run_what_they_know(hetero, hermes):
    mac, add, memory = op("a", {Function.MAC: 1, Function.ADD: 1}), op("a", ADD), op("a", kind=OpKind.MEMORY)
    assert [can_run(mac, hetero.digital_units[kind]) for kind in ("dpu", "gdpu", "host")] == [True, False, True]
    assert can_run(add, hetero.digital_units["gdpu"])
    assert can_run(op("a"), hetero.digital_units["gdpu"])
    assert can_run(memory, hermes.digital_units["gdpu"])
    without = hermes.digital_units["gdpu"].model_copy(update={"sequence_memory": None})
    assert not can_run(memory, without)


def test_a_function_nobody_offers_is_named(hermes):
    chip = hermes.model_copy(update={"digital_units": {"gdpu": hermes.digital_units["gdpu"]}})
    text = re.escape("operator a\n  got      functions mac, rsqrt, which no one digital unit offers")
    with pytest.raises(MappingError, match=text):
        unit_for(op("a", {Function.MAC: 1, Function.RSQRT: 1, Function.ADD: 1}), chip)
    both = {"gdpu": hermes.digital_units["gdpu"], "host": hermes.digital_units["host"]}
    table = op("a", {Function.ADD: 1, Function.TANH: 1}, kind=OpKind.EMBEDDING)
    with pytest.raises(MappingError, match="functions add, tanh, which no one"):  # all known, but not off the chip
        unit_for(table, hermes.model_copy(update={"digital_units": {"gdpu": both["gdpu"]}}))


def test_ends_lie_in_host_memory(hetero):
    units = assign_units(graph(op("x", kind=OpKind.INPUT), op("y", kind=OpKind.OUTPUT)), hetero, together=True)
    assert units == {"x": HOST_MEMORY, "y": HOST_MEMORY}


def test_together_is_one_instance_of_a_kind(hetero):
    made = graph(*(op(f"a{i}", ADD) for i in range(5)))
    assert set(names_of(assign_units(made, hetero, together=True)).values()) == {"dpu0"}


def test_apart_the_load_is_shared_out(hetero):
    made = graph(*(op(f"a{i}", ADD) for i in range(10)))
    units = assign_units(made, hetero, together=False)
    # ten equal operators on eight units: each fits while it is below 1.25 times a fair share, or of one operator
    assert names_of(units) == {f"a{i}": f"dpu{i % 8}" for i in range(10)}
    loads_ps = unit_loads_ps(made, hetero, units)
    assert loads_ps == {hetero.unit_place("dpu", i): 8_000 if i < 2 else 4_000 for i in range(8)}


def test_operators_that_exchange_much_stay_together_below_a_quarter_more_than_a_fair_share(hetero):
    made = graph(
        op("a", ADD, tokens=8), op("b", ADD, tokens=2), op("c", ADD, tokens=3), op("d", ADD, tokens=67),
        edges=[],
    )  # fmt: skip
    # 80 tokens in all: a fair share is 10 ns, the limit 12.5 ns (83.75 ns for d itself)
    alone = names_of(assign_units(made, hetero, together=False))
    assert [alone[name] for name in "abcd"] == ["dpu0", "dpu1", "dpu2", "dpu3"]
    linked = graph(
        op("a", ADD), op("b", ADD, values=8), op("c", ADD, values=4), *(op(f"d{i}", ADD) for i in range(13)),
        edges=[("a", "b")],
    )  # fmt: skip
    # sixteen operators of 4 ns on eight units: 8 ns each, so two fit together, three do not
    units = names_of(assign_units(linked, hetero, together=False))
    assert units["a"] == units["b"] == "dpu0"
    assert units["c"] == "dpu1"


def test_of_two_neighbours_the_one_with_more_values_wins(hetero):
    made = GraphBuilder("g")
    for name in ("a", "b", "c"):
        made.add(op(name, ADD))
    for i in range(13):
        made.add(op(f"d{i}", ADD))
    made.connect("a", "c", values=(0, 3))
    made.connect("b", "c", values=(3, 8))
    units = names_of(assign_units(made.build(), hetero, together=False))
    assert (units["a"], units["b"], units["c"]) == ("dpu0", "dpu1", "dpu1")


def test_loads_leave_out_memories_and_ends(hetero):
    made = graph(
        op("x", kind=OpKind.INPUT),
        op("m", kind=OpKind.MEMORY),
        op("a", ADD),
        op("b", ADD, tokens=3),
        op("h", {Function.EXP: 33}),
    )
    units = units_of({"x": "host memory", "m": "dpu0", "a": "dpu0", "b": "dpu0", "h": "host0"})
    # exp on the host: 33 values, 32 at a time, 16 cycles of 0.5 ns: 2 x 8 ns, four tokens
    assert unit_loads_ps(made, hetero, units) == {units["a"]: 7_000, units["h"]: 64_000}
    assert unit_loads_ps(made, hetero, {}) == {}


def memory(name, tokens, values=8, **more):
    return op(name, tokens=tokens, values=values, kind=OpKind.MEMORY, **more)


def test_a_memory_holds_a_sequence_or_two_states(hermes):
    assert sequence_bytes(memory("m", 100), hermes) == 100 * 8 * 2
    assert sequence_bytes(memory("m", 10, once_values=50), hermes) == 2 * 50 * 2
    assert sequence_bytes(memory("m", 10, once_values=40), hermes) == 2 * 40 * 2


def test_memories_go_to_the_first_unit_with_room_and_then_to_the_host(hermes):
    """64 KiB in a gdpu: 4,096 tokens of eight FP16 values."""
    made = graph(memory("a", 4096), memory("b", 4096), memory("c", 4097), memory("d", 4095), memory("e", 2))
    units = assign_units(made, hermes, together=True)
    assert names_of(units) == {"a": "gdpu0", "b": "gdpu1", "c": "host0", "d": "gdpu2", "e": "gdpu3"}
    small = assign_units(graph(memory("a", 4094), memory("e", 2)), hermes, together=True)
    assert names_of(small) == {"a": "gdpu0", "e": "gdpu0"}  # exactly full


def test_pinned_memories_take_their_room_first(hermes):
    made = graph(memory("a", 4096), memory("b", 4096))
    first, last = hermes.unit_place("gdpu", 0), hermes.unit_place("gdpu", 3)
    units = assign_units(made, hermes, together=True, pinned={"b": first})
    assert names_of(units) == {"a": "gdpu1", "b": "gdpu0"}
    with pytest.raises(MappingInfeasible) as refusal:
        assign_units(made, hermes, together=True, pinned={"a": last, "b": last})
    assert (refusal.value.demand, refusal.value.capacity, refusal.value.unit) == (65536, 0, "bytes")


def test_what_fits_nowhere_is_refused_with_what_would_help(hermes):
    large = graph(memory("m", 10**9))
    with pytest.raises(MappingInfeasible, match=r"raise sequence_memory\.capacity of a digital unit") as refusal:
        assign_units(large, hermes, together=True)
    assert (refusal.value.demand, refusal.value.capacity) == (16 * 10**9, 2**30)
    units = {kind: one.model_copy(update={"sequence_memory": None}) for kind, one in hermes.digital_units.items()}
    with pytest.raises(MappingInfeasible, match="describe a sequence_memory for a digital unit") as refusal:
        assign_units(large, hermes.model_copy(update={"digital_units": units}), together=True)
    assert refusal.value.capacity == 0
