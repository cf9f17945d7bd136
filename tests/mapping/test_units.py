"""Which unit runs which operator, with loads worked out by hand."""

from __future__ import annotations

import re

import pytest

from hermes_sim.chip.costs import arithmetic_pj
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import MappingError, MappingInfeasible
from hermes_sim.mapping.memory import sequence_bytes, sequence_levels
from hermes_sim.mapping.units import assign_units, can_run, unit_for, unit_loads_ps
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind, Pattern

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


def kind_of(operator, chip):
    """Kind of unit that runs an operator which is alone."""
    return unit_for(graph(operator), operator, chip)


def with_function(chip, kind, function, **changes):
    """The chip with other costs of one function of a unit."""
    return load_arch(chip.name, {f"digital_units.{kind}.functions.{function}.{key}": v for key, v in changes.items()})


def test_of_units_with_equally_cheap_arithmetic_the_fastest_is_chosen(hetero, hermes):
    assert arithmetic_pj(hetero.digital_units["dpu"], op("a", ADD)) == arithmetic_pj(
        hetero.digital_units["gdpu"], op("a", ADD)
    )
    assert kind_of(op("a", ADD), hetero) == "dpu"
    assert kind_of(op("a", ADD), hermes) == "gdpu"
    assert kind_of(op("a", {Function.MAC: 1}), hermes) == "host"  # no unit on the chip can
    assert kind_of(op("a", {Function.ADD: 16}), hetero) == "dpu"  # equally fast: the first name
    reverse = hetero.model_copy(update={"digital_units": dict(reversed(hetero.digital_units.items()))})
    assert kind_of(op("a", {Function.ADD: 16}), reverse) == "dpu"  # whatever the order of the file


def test_the_cheapest_arithmetic_comes_before_speed(hetero):
    cheap = hetero.digital_units["dpu"].functions[Function.ADD].energy.pj * 0.99
    assert kind_of(op("a", ADD), with_function(hetero, "gdpu", "add", energy=cheap)) == "gdpu"  # four times as slow
    free = with_function(hetero, "host", "add", energy=0)
    assert kind_of(op("a", ADD), free) == "dpu"  # a host only where no unit on the chip can


def test_speed_is_that_of_the_memory_where_this_is_what_limits(hetero):
    """64 additions are one cycle of either unit; 32 bytes of operands are 32 cycles of one and 8 of the other."""
    width = "digital_units.{}.memory.registers.width"
    same = {"digital_units.gdpu.functions.add.lanes": 64, width.format("dpu"): 1, width.format("gdpu"): 4}
    assert kind_of(op("a", ADD), load_arch("hermes_64_hetero", same)) == "gdpu"


def test_what_a_published_total_leaves_unexplained_counts_as_energy_of_the_unit(hetero, hermes):
    """The tables of both cost the same, but those of the GDPU carry the remainder of the published LSTM step."""
    cell = op("a", {Function.TANH: 64}, kind=OpKind.LSTM_CELL)
    tanh = {kind: hetero.digital_units[kind].functions[Function.TANH] for kind in ("dpu", "gdpu")}
    assert tanh["dpu"].energy.pj == tanh["gdpu"].energy.pj
    assert arithmetic_pj(hetero.digital_units["gdpu"], cell) == pytest.approx(
        64 * (tanh["gdpu"].energy.pj + tanh["gdpu"].unexplained.pj)
    )
    assert kind_of(cell, hetero) == "dpu"
    assert kind_of(cell, hermes) == "gdpu"
    assert kind_of(cell, with_function(hetero, "dpu", "tanh", energy=10_000)) == "gdpu"


def test_embeddings_go_to_the_host(hetero):
    table = op("a", {Function.ADD: 1}, kind=OpKind.EMBEDDING)
    assert kind_of(table, hetero) == "host"
    assert [can_run(table, hetero.digital_units[kind]) for kind in ("dpu", "gdpu", "host")] == [False, False, True]


def test_units_run_what_they_know(hetero, hermes):
    mac, add, memory = op("a", {Function.MAC: 1, Function.ADD: 1}), op("a", ADD), op("a", kind=OpKind.MEMORY)
    assert [can_run(mac, hetero.digital_units[kind]) for kind in ("dpu", "gdpu", "host")] == [True, False, True]
    assert can_run(add, hetero.digital_units["gdpu"])
    assert can_run(op("a"), hetero.digital_units["gdpu"])
    assert can_run(memory, hermes.digital_units["gdpu"])


def test_a_function_nobody_offers_is_named(hermes):
    chip = hermes.model_copy(update={"digital_units": {"gdpu": hermes.digital_units["gdpu"]}})
    text = re.escape("operator a\n  got      functions mac, rsqrt, which no one digital unit offers")
    with pytest.raises(MappingError, match=text):
        kind_of(op("a", {Function.MAC: 1, Function.RSQRT: 1, Function.ADD: 1}), chip)
    table = op("a", {Function.ADD: 1, Function.TANH: 1}, kind=OpKind.EMBEDDING)
    with pytest.raises(MappingError, match="functions add, tanh, which no one"):  # all known, but not off the chip
        kind_of(table, chip)


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
    # exp on the host: 33 values, 32 at a time, 10 cycles of 0.5 ns: 2 x 5 ns, four tokens
    assert unit_loads_ps(made, hetero, units) == {units["a"]: 7_000, units["h"]: 40_000}
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
    with pytest.raises(MappingInfeasible, match="raise the capacity of a level in the memory of a digital") as refusal:
        assign_units(large, hermes, together=True)
    assert (refusal.value.demand, refusal.value.capacity) == (16 * 10**9, 2**30)


def test_sequences_lie_beyond_the_nearest_level_unless_it_is_the_only_one(hetero):
    dpu = hetero.digital_units["dpu"]
    assert sequence_levels(dpu) == ["sram", "shared"]
    assert sequence_levels(dpu.model_copy(update={"memory": {"all": dpu.memory["sram"]}})) == ["all"]


def test_apart_every_sequence_goes_where_most_is_left(hermes):
    """64 KiB in the SRAM of each of eight: the ninth sequence goes to the second unit, which has the smallest one."""
    sizes = (400, 100, 400, 400, 400, 400, 400, 400, 50)
    made = graph(*(memory(f"m{i}", n) for i, n in enumerate(sizes)))
    units = names_of(assign_units(made, hermes, together=False))
    assert units == {f"m{i}": f"gdpu{i}" for i in range(8)} | {"m8": "gdpu1"}
    assert set(names_of(assign_units(made, hermes, together=True)).values()) == {"gdpu0"}


def test_what_reads_a_whole_sequence_with_every_token_runs_where_it_is_held(hetero):
    made = GraphBuilder("g")
    for i in range(3):
        made.add(memory(f"keys{i}", 64, once_values=64 * 8))
        made.add(op(f"other{i}", ADD, tokens=500))
        made.add(op(f"scores{i}", {Function.MAC: 512}, weight_values=512))
        made.connect(f"keys{i}", f"scores{i}", pattern=Pattern.SEQUENCE, into=8)
    units = names_of(assign_units(made.build(), hetero, together=False))
    assert all(units[f"scores{i}"] == units[f"keys{i}"] for i in range(3))
    assert len({units[f"keys{i}"] for i in range(3)}) == 3
