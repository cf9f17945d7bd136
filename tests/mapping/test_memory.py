"""What lies at which level of a unit's memory, by hand, on chips with levels of a few hundred bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.chip.costs import Content
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import MappingInfeasible
from hermes_sim.mapping.memory import UnitMemories, kept_bytes, level_uses, off_chip_bytes, sequence_bytes
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind, Pattern

from .conftest import units_of

OPERANDS, WEIGHTS, STATE, SEQUENCE = Content.OPERANDS, Content.WEIGHTS, Content.STATE, Content.SEQUENCE
ADD = {Function.ADD: 1}


def chip_of(registers=256, sram=1024, shared=4096, *, buffers=4, block=2):
    """DPUs with so many bytes at each level; FP16 values."""
    sizes = {"registers": registers, "sram": sram, "shared": shared}
    changes = {f"digital_units.dpu.memory.{name}.capacity": f"{n} byte" for name, n in sizes.items()}
    more = {"digital_units.dpu.buffers": buffers, "digital_units.dpu.token_block": block, "numbers.digital": 2}
    more["numbers.state"] = 2
    return load_arch("hermes_64_hetero", changes | more)


def op(name, *, values=(4, 4), tokens=8, kind=OpKind.ELEMENTWISE, **more):
    return Operator(name, kind, tokens, *values, ADD, **more)


def state(name, once_values, *, values=(4, 0), **more):
    return op(name, values=values, kind=OpKind.POOLING, once_values=once_values, **more)


def memory(name, values, tokens=8):
    return Operator(name, OpKind.MEMORY, tokens, values, values)


def graph(*operators, edges=()):
    made = GraphBuilder("g")
    for operator in operators:
        made.add(operator)
    for source, target in edges:
        beyond = next(operator.in_values for operator in operators if operator.name == target)
        made.connect(source, target, pattern=Pattern.SEQUENCE, into=beyond)
    return made.build()


def memories(chip, built, units="dpu0"):
    names = units if isinstance(units, dict) else {operator.name: units for operator in built.operators}
    return UnitMemories(built, chip, units_of(names))


def where(found, built):
    """(operator, content) -> level of all that is kept or read."""
    return {
        (operator.name, content): level
        for operator in built.operators
        for content, level in found.levels(operator).items()
    }


def test_what_an_operator_keeps_by_hand():
    chip = chip_of(buffers=4)
    plain = op("a", values=(5, 3), weight_values=7)
    cell = op("c", kind=OpKind.LSTM_CELL, values=(40, 10))
    pool = state("p", 30, values=(30, 0))
    built = graph(plain, cell, pool, op("r", weight_values=30), edges=[("p", "r")])
    assert kept_bytes(built, chip, plain, "dpu") == {OPERANDS: 4 * 8 * 2, WEIGHTS: 7 * 2}
    assert kept_bytes(built, chip, cell, "dpu") == {OPERANDS: 4 * 50 * 2, STATE: 10 * 2}  # the next step needs it
    assert kept_bytes(built, chip, pool, "dpu") == {OPERANDS: 4 * 30 * 2, STATE: 2 * 30 * 2}  # in use, being made
    assert kept_bytes(built, chip, built.operator("r"), "dpu") == {OPERANDS: 4 * 8 * 2, WEIGHTS: 2 * 30 * 2}
    assert sequence_bytes(memory("m", 6), chip) == 8 * 6 * 2
    assert kept_bytes(graph(memory("m", 6)), chip, memory("m", 6), "dpu") == {SEQUENCE: 96}


@pytest.mark.parametrize(
    ("n_weights", "operands", "weights"),
    [
        (96, "registers", "registers"), (97, "sram", "registers"), (128, "sram", "registers"),
        (129, "registers", "sram"), (512, "registers", "sram"), (513, "registers", "shared"),
        (2048, "registers", "shared"), (2049, "registers", "off_chip"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_level_goes_to_the_next(n_weights, operands, weights):
    """4 vectors of 8 values take 64 bytes, and the weights come first: 192 of 256 bytes leave room, 194 do not."""
    built = graph(op("a", weight_values=n_weights))
    found = memories(chip_of(), built)
    assert where(found, built) == {("a", OPERANDS): operands, ("a", WEIGHTS): weights}
    assert {held.content: held.n_bytes for held in found.held} == {OPERANDS: 64, WEIGHTS: 2 * n_weights}


def test_what_moves_most_per_byte_held_lies_nearest():
    """Weights are read whole with every token: 16 bytes moved per byte held against 8, and 200 of each.

    Operands of 8 tokens in 4 vectors are 2 bytes moved per byte held.
    """
    rare, often = op("rare", weight_values=100), op("often", weight_values=100, tokens=16)
    built = graph(rare, often)
    found = where(memories(chip_of(), built), built)
    assert (found["often", WEIGHTS], found["rare", WEIGHTS]) == ("registers", "sram")
    reverse = graph(often, rare)
    assert where(memories(chip_of(), reverse), reverse) == found


def test_equals_lie_in_the_order_of_the_graph():
    built = graph(*(op(name, weight_values=100) for name in "abc"))
    found = where(memories(chip_of(registers=256, sram=256), built), built)
    assert [found[name, WEIGHTS] for name in "abc"] == ["registers", "sram", "shared"]


def test_sequences_come_first_and_beyond_the_nearest_level():
    """16 bytes moved per byte of weights against 2 of the sequence, and yet the sequence has the SRAM."""
    built = graph(memory("m", 64), op("a", weight_values=100, tokens=16))  # 8 x 64 x 2 = 1,024 bytes
    found = where(memories(chip_of(registers=128, sram=1024), built), built)
    assert found == {("m", SEQUENCE): "sram", ("a", OPERANDS): "registers", ("a", WEIGHTS): "shared"}
    small = graph(memory("m", 1))
    assert where(memories(chip_of(), small), small) == {("m", SEQUENCE): "sram"}


def test_a_state_is_read_where_its_maker_keeps_it_if_both_are_on_one_unit():
    built = graph(state("s", 200), op("r", weight_values=200), edges=[("s", "r")])
    chip = chip_of()  # two states of 400 bytes are in the SRAM
    together = memories(chip, built)
    assert where(together, built)["s", STATE] == where(together, built)["r", WEIGHTS] == "sram"
    assert [held.operator for held in together.held if held.n_bytes == 800] == ["s"]
    assert {held.content for held in together.held if held.operator == "r"} == {OPERANDS}
    apart = memories(chip, built, {"s": "dpu0", "r": "dpu1"})
    assert {(held.operator, held.content, held.n_bytes) for held in apart.held if held.n_bytes > 100} == {
        ("s", STATE, 800), ("r", WEIGHTS, 800),
    }  # fmt: skip


def test_a_sequence_is_read_where_it_is_held_even_off_the_chip():
    keys = Operator("keys", OpKind.MEMORY, 8, 4, 0, once_values=300)
    built = graph(keys, op("r", weight_values=300), edges=[("keys", "r")])
    found = where(memories(chip_of(), built), built)
    assert (found["keys", SEQUENCE], found["r", WEIGHTS]) == ("shared", "shared")  # two of 600 bytes
    none = where(memories(chip_of(sram=512, shared=512), built), built)
    assert (none["keys", SEQUENCE], none["r", WEIGHTS]) == ("off_chip", "off_chip")


def test_weights_of_its_own_stay_with_an_operator_whose_input_is_a_state():
    """A classifier takes a pooled vector as its one token, and has a matrix."""
    made = GraphBuilder("g")
    made.add(state("pool", 20, values=(20, 0)))
    made.add(op("fc", values=(20, 4), tokens=1, kind=OpKind.STATIC_MATMUL, weight_values=300, use="W"))
    made.connect("pool", "fc", pattern=Pattern.SEQUENCE)
    built = made.build()
    found = memories(chip_of(), built)
    assert {(held.content, held.n_bytes) for held in found.held if held.operator == "fc"} >= {(WEIGHTS, 600)}
    assert where(found, built)["fc", WEIGHTS] == "sram"
    assert where(found, built)["pool", STATE] == "registers"


def test_shared_weights_are_kept_once_on_a_unit():
    """Two products with the weights of one matrix, 400 bytes: one copy fits the SRAM beside, two would not."""
    same = [op(name, kind=OpKind.STATIC_MATMUL, weight_values=200, use="W") for name in "ab"]
    built = graph(*same)
    chip = chip_of(registers=200, sram=500, shared=500)
    found = memories(chip, built)
    assert sum(held.n_bytes for held in found.held if held.content is WEIGHTS) == 400
    assert {where(found, built)[name, WEIGHTS] for name in "ab"} == {"sram"}
    apart = memories(chip, built, {"a": "dpu0", "b": "dpu1"})
    assert [held.n_bytes for held in apart.held if held.content is WEIGHTS] == [400, 400]
    others = graph(*(op(name, kind=OpKind.STATIC_MATMUL, weight_values=200, use=use) for name, use in ("aV", "bW")))
    assert {where(memories(chip, others), others)[name, WEIGHTS] for name in "ab"} == {"sram", "shared"}


def test_fewer_vectors_where_that_keeps_all_on_the_chip():
    """8 vectors of 32 values are 512 bytes: with the weights of 600 too many for 1,000, 4 vectors of 256 are not."""
    chip = chip_of(registers=100, sram=300, shared=600, buffers=8, block=4)
    built = graph(op("a", values=(16, 16), weight_values=300))
    found = memories(chip, built)
    assert found.vectors(built.operator("a")) == 4
    assert where(found, built) == {("a", OPERANDS): "sram", ("a", WEIGHTS): "shared"}
    assert [held.n_bytes for held in found.held if held.content is OPERANDS] == [4 * 32 * 2]
    assert found.token_block(built.operator("a")) == 2  # half of the vectors that are left


def test_vectors_stay_where_fewer_of_them_would_not_help():
    """Weights that fit nowhere are read once per block: fewer vectors would make blocks shorter for nothing."""
    chip = chip_of(buffers=8, block=4)
    built = graph(op("a", weight_values=5000))
    found = memories(chip, built)
    assert (found.vectors(built.operator("a")), found.token_block(built.operator("a"))) == (8, 4)
    assert where(found, built) == {("a", OPERANDS): "registers", ("a", WEIGHTS): "off_chip"}


def test_a_single_token_has_nothing_to_gain_from_longer_blocks():
    """8 vectors of 1,000 values fit nowhere, and 2 of them do: weights come once for the one token in either case."""
    chip = chip_of(registers=100, sram=300, shared=4096, buffers=8, block=4)
    built = graph(op("a", values=(500, 500), tokens=1, weight_values=5000))
    found = memories(chip, built)
    assert found.vectors(built.operator("a")) == 2
    assert where(found, built) == {("a", OPERANDS): "shared", ("a", WEIGHTS): "off_chip"}


@pytest.mark.parametrize(("tokens", "most", "block"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (12, 8, 6), (2, 4, 2)])
def test_a_block_is_the_largest_whole_share_of_an_inference(tokens, most, block):
    built = graph(op("a", tokens=tokens, weight_values=300))
    found = memories(chip_of(buffers=16, block=most), built)
    assert found.token_block(built.operator("a")) == block


def test_only_what_reads_beyond_the_nearest_level_waits_for_a_block():
    near, far = op("near", weight_values=50), op("far", weight_values=300)
    table = op("table", kind=OpKind.EMBEDDING, weight_values=300)
    built = graph(near, far, table, memory("m", 4))
    found = memories(chip_of(buffers=4, block=2), built)
    assert [found.token_block(built.operator(name)) for name in ("near", "far", "table", "m")] == [1, 2, 1, 1]


def test_what_is_fed_back_or_slides_a_window_takes_tokens_one_by_one():
    made = GraphBuilder("g")
    for name in ("a", "b", "c"):
        made.add(op(name, weight_values=300))
    made.connect("a", "b")
    made.connect("b", "a", pattern=Pattern.PREVIOUS)
    made.connect("b", "c")
    built = made.build()
    assert built.token_by_token == {"a", "b"}
    found = memories(chip_of(shared=8192), built)
    assert [found.token_block(built.operator(name)) for name in "abc"] == [1, 1, 2]


def test_bytes_over_the_channel_by_hand(hetero):
    plain = op("a", values=(5, 3), weight_values=7)
    assert off_chip_bytes(hetero, plain, {OPERANDS: "sram", WEIGHTS: "off_chip"}, 4) == (7 * 2, 0)
    assert off_chip_bytes(hetero, plain, {OPERANDS: "sram", WEIGHTS: "sram"}, 4) == (0, 0)
    both = 4 * 8 * 2  # put down when they come and fetched when they are used
    assert off_chip_bytes(hetero, plain, {OPERANDS: "off_chip", WEIGHTS: "off_chip"}, 4) == (both + 14, both)
    pool = state("p", 30, values=(30, 0))
    assert off_chip_bytes(hetero, pool, {OPERANDS: "sram", STATE: "off_chip"}, 4) == (120, 120)  # FP32
    sequence = Operator("m", OpKind.MEMORY, 8, 5, 3)
    assert off_chip_bytes(hetero, sequence, {SEQUENCE: "off_chip"}, 1) == (3 * 2, 5 * 2)


def test_a_host_that_is_too_small_is_named_with_what_it_should_hold():
    sizes = {"l1": 64, "l2": 128, "l3": 256, "dram": 512}
    changes = {f"digital_units.host.memory.{name}.capacity": f"{n} byte" for name, n in sizes.items()}
    chip = load_arch("hermes_64", changes)
    built = graph(op("fc", weight_values=300))
    with pytest.raises(MappingInfeasible, match=r"weights of operator fc in host0") as refusal:
        memories(chip, built, "host0")
    assert (refusal.value.demand, refusal.value.capacity, refusal.value.unit) == (600, 512, "bytes")
    assert "digital_units.host.memory" in str(refusal.value)


def test_level_uses_by_hand():
    """8 tokens in 4 blocks of 2: weights of 600 bytes are read 4 times, operands of 16 bytes 8 times."""
    chip = chip_of()
    built = graph(op("a", weight_values=300), op("b", weight_values=2500))
    uses = {(use.unit, use.level): use for use in level_uses(built, chip, units_of({"a": "dpu0", "b": "dpu0"}))}
    assert set(uses) == {("dpu0", "registers"), ("dpu0", "sram"), ("dpu0", "off_chip")}
    near, sram, far = uses.values()
    assert (near.capacity_bytes, near.held_bytes, near.moved_bytes) == (256, 2 * 64, 2 * 8 * 16)
    assert (sram.capacity_bytes, sram.held_bytes, sram.moved_bytes) == (1024, 600, 4 * 600)
    assert (far.capacity_bytes, far.held_bytes, far.moved_bytes) == (None, 5000, 4 * 5000)
    assert (sram.holds, far.holds) == (("weights of a",), ("weights of b",))


@st.composite
def operators(draw):
    n = draw(st.integers(1, 6))
    sizes = st.integers(0, 400)
    made = []
    for i in range(n):
        values, tokens = (draw(st.integers(1, 40)), draw(st.integers(0, 40))), draw(st.integers(1, 20))
        kind = draw(st.sampled_from(["weights", "state", "sequence"]))
        if kind == "weights":
            made.append(op(f"o{i}", values=values, tokens=tokens, weight_values=draw(sizes)))
        elif kind == "state":
            made.append(state(f"o{i}", draw(sizes), values=values, tokens=tokens))
        else:
            made.append(Operator(f"o{i}", OpKind.MEMORY, tokens, values[0], values[0]))
    return made


@settings(deadline=None, max_examples=60)
@given(operators(), st.integers(64, 600), st.integers(64, 3000), st.integers(64, 6000))
def test_no_level_holds_more_than_it_can_and_nothing_is_lost(made, registers, sram, shared):
    chip = chip_of(registers, sram, shared, buffers=4)
    built = graph(*made)
    found = memories(chip, built)
    capacity = {name: level.capacity.n_bytes for name, level in chip.digital_units["dpu"].memory.items()}
    for level, most in capacity.items():
        assert sum(held.n_bytes for held in found.held if held.level == level) <= most
    for held in found.held:
        if held.level == "off_chip":  # it is larger than what any level has left
            for level, most in capacity.items():
                if held.content is not SEQUENCE or level != "registers":
                    rest = most - sum(other.n_bytes for other in found.held if other.level == level)
                    assert held.n_bytes > rest
    for operator in made:
        share = found.vectors(operator) / 4
        expected = kept_bytes(built, chip, operator, "dpu")
        expected |= {OPERANDS: expected[OPERANDS] * share} if OPERANDS in expected else {}
        assert {held.content: held.n_bytes for held in found.held if held.operator == operator.name} == expected
