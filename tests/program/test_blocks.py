"""Operators that handle tokens in blocks, and what is fetched from outside: needs, times, energies, both engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes_sim.chip import costs
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.places import HOST_MEMORY, Place
from hermes_sim.config.vocabulary import Function
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.mapping.place import map_graph
from hermes_sim.metrics.energy import energy_rows, total_by
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.build import Terminal
from hermes_sim.program.lower import lower
from hermes_sim.program.transfer import _pace, _Turn
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern

DPU = "digital_units.dpu"
LEVELS = {"registers": 512, "sram": 4096, "shared": 8192}  # bytes
SIZES = {f"{DPU}.memory.{name}.capacity": f"{n} byte" for name, n in LEVELS.items()}
NEAR, FAR, OUTSIDE = 8, 500, 10_000  # weights in registers, SRAM, and nowhere on the chip


def chip_of(block=4, *, buffers=8, **changes):
    """DPUs that collect so many tokens; `changes` by path, with dots written as double underscores."""
    more = {path.replace("__", "."): value for path, value in changes.items()}
    return load_arch(
        "hermes_64_hetero",
        SIZES | {f"{DPU}.token_block": block, f"{DPU}.buffers": buffers, "numbers.state": 2} | more,
    )


def op(name, tokens, *, values=(4, 4), kind=OpKind.ELEMENTWISE, **more):
    return Operator(name, kind, tokens, *values, {Function.ADD: 64}, **more)


def placed(graph, chip, units, strategy="packed"):
    """A mapping with the units of these names."""
    known = {str(place): place for place in (*chip.unit_places(), HOST_MEMORY)}
    mapping = map_graph(graph, chip, strategy)
    return replace(mapping, units=mapping.units | {name: known[unit] for name, unit in units.items()})


def run(lowered, engine=None):
    return (engine or CompiledEngine()).run(lowered.program, watch=range(lowered.program.n_actors), trace=True)


def index(lowered, name):
    return lowered.program.actor_names.index(name)


def chain(n_weights, tokens=12, *, source=NEAR):
    """a makes tokens one by one, b has weights."""
    made = GraphBuilder("g")
    made.add(op("a", tokens, weight_values=source))
    made.add(op("b", tokens, weight_values=n_weights))
    made.connect("a", "b")
    return made.build()


def chained(chip, n_weights=FAR, *, units=("dpu0", "dpu1"), tokens=12, inferences=1, source=NEAR):
    built = chain(n_weights, tokens, source=source)
    return lower(built, placed(built, chip, dict(zip("ab", units, strict=True))), chip, inferences=inferences)


@st.composite
def ends(draw):
    """An end and the turn of its transfers: with blocks there are no replicas."""
    n_replicas = draw(st.integers(1, 4))
    block = draw(st.integers(1, 5)) if n_replicas == 1 else 1
    others = draw(st.integers(1, 4))
    n_classes = n_replicas * others
    c = draw(st.integers(0, n_classes - 1))
    end = Terminal((0,), Place.core(0), (0, 1), 8, replica=c % n_replicas, n_replicas=n_replicas, block=block)
    return end, _Turn(c, n_classes, 0), draw(st.integers(0, 12))


@given(ends())
def test_paces_are_what_counting_gives(case):
    """Transfer j carries token c + L j; the end handles its tokens r, r + R, ... in blocks; `held` are there before."""
    end, turn, held = case
    pace = _pace(end, turn, held=held)
    n = 40
    tokens = [turn.c + turn.n_classes * j for j in range(n)]
    vectors = [(token - end.replica) // end.n_replicas for token in tokens]  # of this replica, from 0
    for j in range(n):
        vector = vectors[j] - held
        firings = vector // end.block + 1 if vector >= 0 else 0
        need = pace.of_transfers
        assert max(0, (j * need.num + need.off) // need.den) == firings
    for i in range(n // 5):
        last = end.block * (i + 1) - 1 - held  # vector that firing i cannot do without
        need = pace.of_firings
        assert max(0, (i * need.num + need.off) // need.den) == sum(vector <= last for vector in vectors)


@pytest.mark.parametrize(("tokens", "block", "actual"), [(12, 4, 4), (12, 1, 1), (10, 4, 2), (7, 4, 1), (3, 4, 3)])
@pytest.mark.parametrize("inferences", [1, 3])
def test_an_actor_fires_once_per_block(tokens, block, actual, inferences):
    lowered = chained(chip_of(block), tokens=tokens, inferences=inferences)
    firings = dict(zip(lowered.program.actor_names, lowered.program.firings.tolist(), strict=True))
    assert firings["a"] == inferences * tokens
    assert firings["b"] == inferences * tokens // actual


@pytest.mark.parametrize("units", [("dpu0", "dpu1"), ("dpu0", "dpu0")])
@pytest.mark.parametrize("block", [1, 2, 4])
def test_a_block_begins_when_all_its_tokens_are_there(units, block):
    """Firing i needs tokens up to block (i + 1) - 1, and is held for `block` times the arithmetic of a token."""
    chip = chip_of(block)
    lowered = chained(chip, units=units)
    record = run(lowered)
    a, b = index(lowered, "a"), index(lowered, "b")
    made_ps = record.trace.starts(a) + lowered.program.latency_ps[a]
    begun_ps = record.trace.starts(b)
    assert len(begun_ps) == 12 // block
    for i, start_ps in enumerate(begun_ps):
        assert start_ps >= made_ps[block * (i + 1) - 1]
    unit = chip.digital_units["dpu"]
    arithmetic_ps = block * 64 // unit.functions[Function.ADD].lanes.n * 1000
    memory_ps = -(-2 * FAR // unit.memory["sram"].width.n_bytes) * 1000  # the weights, once
    assert lowered.program.interval_ps[b] == max(arithmetic_ps, memory_ps)


def test_results_of_a_block_leave_together():
    lowered = chained(chip_of(4), NEAR, source=FAR)
    record = run(lowered)
    a, b = index(lowered, "a"), index(lowered, "b")
    done_ps = record.trace.starts(a) + lowered.program.latency_ps[a]
    assert (len(done_ps), len(record.trace.starts(b))) == (3, 12)
    for k, start_ps in enumerate(record.trace.starts(b)):
        assert start_ps >= done_ps[k // 4]


def test_no_more_tokens_wait_than_the_unit_has_buffers():
    """b never ends its first block: 8 vectors are there and 4 more in use, of which the source has delivered all."""
    lowered = chained(chip_of(4, buffers=8), tokens=40)
    program = lowered.program
    b = index(lowered, "b")
    interval, latency = program.interval_ps.copy(), program.latency_ps.copy()
    interval[b] = latency[b] = 10**12
    slow = replace(program, interval_ps=interval, latency_ps=latency)
    record = CompiledEngine().run(slow, until_ps=10**12 - 1)
    (arrived,) = (i for i, info in enumerate(lowered.actors) if info.stage == "last link")
    assert record.started[arrived] == 8
    assert record.started[b] == 1


def test_a_state_in_blocks_counts_when_all_are_done_and_is_read_in_blocks():
    made = GraphBuilder("g")
    made.add(op("keys", 12))
    made.add(op("state", 12, values=(4, 0), kind=OpKind.POOLING, once_values=FAR))
    made.add(op("read", 12, weight_values=FAR))
    made.connect("keys", "state")
    made.connect("state", "read", pattern=Pattern.SEQUENCE, values=(0, FAR), into=4)
    built = made.build()
    chip = chip_of(4)
    for unit in ("dpu0", "dpu1"):
        lowered = lower(built, placed(built, chip, {"keys": "dpu0", "state": "dpu0", "read": unit}), chip, inferences=3)
        fast, slow = run(lowered), run(lowered, ReferenceEngine())
        np.testing.assert_array_equal(fast.last_finish_ps, slow.last_finish_ps)
        state, read = index(lowered, "state"), index(lowered, "read")
        assert (lowered.program.firings[state], lowered.program.firings[read]) == (9, 9)
        done_ps = fast.trace.starts(state) + lowered.program.latency_ps[state]
        for i, start_ps in enumerate(fast.trace.starts(read)):
            assert start_ps >= done_ps[3 * (i // 3) + 2]  # all three blocks of its inference


@pytest.mark.parametrize("block", [1, 2, 4, 6])
def test_weights_and_state_cost_once_per_block_operands_with_every_token(block):
    chip = chip_of(block, buffers=12)
    sram = chip.digital_units["dpu"].memory["sram"].energy.pj_per_byte
    registers = chip.digital_units["dpu"].memory["registers"].energy.pj_per_byte
    built = chain(FAR, source=0)
    lowered = lower(built, placed(built, chip, {"a": "dpu0", "b": "dpu1"}), chip)
    found = total_by(energy_rows(lowered, run(lowered)), "component")
    assert found["dpu weights"] == pytest.approx(12 / block * 2 * FAR * sram)
    assert found["dpu operands"] == pytest.approx(2 * 12 * 8 * 2 * registers)
    made = GraphBuilder("g")
    made.add(op("s", 12, values=(4, 0), kind=OpKind.POOLING, once_values=FAR))
    pool = made.build()
    lowered = lower(pool, placed(pool, chip, {"s": "dpu0"}), chip)
    found = total_by(energy_rows(lowered, run(lowered)), "component")
    assert found["dpu state"] == pytest.approx(12 / block * 2 * 2 * FAR * sram)  # read and written


@pytest.mark.parametrize(("width", "slower"), [(128, 1.0), (64, 2.0), (32, 4.0)])
def test_memory_that_takes_longer_than_the_arithmetic_holds_the_unit(width, slower):
    """2,000 bytes of weights with every token: 16 cycles of 128 bytes, where the additions take one."""
    times = {}
    for bytes_per_cycle in (128, width):
        chip = chip_of(1, **{f"{DPU}.memory.sram.width".replace(".", "__"): bytes_per_cycle})
        lowered = chained(chip, 1000, tokens=200)
        b = index(lowered, "b")
        assert lowered.program.interval_ps[b] == -(-2000 // bytes_per_cycle) * 1000
        times[bytes_per_cycle] = run(lowered).makespan_ps
    assert times[width] / times[128] == pytest.approx(slower, rel=0.03)


@pytest.mark.parametrize("block", [1, 2, 4])
def test_weights_that_fit_nowhere_cross_the_channel_once_per_block(block):
    """20,000 bytes for each of 12 / block blocks, over the channel and the two links to the unit."""
    chip = chip_of(block)
    lowered = chained(chip, OUTSIDE, inferences=2)
    fast, slow = run(lowered), run(lowered, ReferenceEngine())
    np.testing.assert_array_equal(fast.started, slow.started)
    np.testing.assert_array_equal(fast.last_finish_ps, slow.last_finish_ps)
    fetch = [i for i, name in enumerate(lowered.program.actor_names) if name.startswith("b/fetch/")]
    n_fetches = 2 * 12 // block
    assert [int(lowered.program.firings[i]) for i in fetch] == [n_fetches] * 3
    n_bytes, rows = 2 * OUTSIDE, energy_rows(lowered, fast)
    found = total_by([row for row in rows if row.operator == "b"], "component")
    assert found["off-chip"] == pytest.approx(n_fetches * n_bytes * chip.off_chip.energy.pj_per_byte)
    on_a_link = n_bytes + chip.network.header.n_bytes + chip.network.credit.n_bytes
    assert found["network"] == pytest.approx(n_fetches * on_a_link * 2 * chip.network.energy.pj_per_byte)
    assert "dpu weights" not in found
    channel = fetch[0]
    assert lowered.program.interval_ps[channel] == costs.off_chip_cost(chip, n_bytes).interval_ps
    busy_ps = int(lowered.program.interval_ps[channel]) * n_fetches
    assert busy_ps / fast.makespan_ps > 0.8  # the channel is what all waits for
    fetched_ps = fast.trace.starts(fetch[-1]) + lowered.program.latency_ps[fetch[-1]]
    assert (fast.trace.starts(index(lowered, "b")) >= fetched_ps).all()


def test_at_most_two_fetched_blocks_wait():
    """The unit never ends its first block: that one, and the next, have been fetched."""
    lowered = chained(chip_of(4), OUTSIDE, tokens=40)
    program, b = lowered.program, index(lowered, "b")
    interval, latency = program.interval_ps.copy(), program.latency_ps.copy()
    interval[b] = latency[b] = 10**12
    record = CompiledEngine().run(replace(program, interval_ps=interval, latency_ps=latency), until_ps=10**12 - 1)
    (last,) = (i for i, name in enumerate(program.actor_names) if name.startswith("b/fetch/last"))
    (first,) = (i for i, name in enumerate(program.actor_names) if name.startswith("b/fetch/off-chip"))
    assert record.started[first] == 2
    assert record.started[last] <= 2


def test_a_state_that_fits_nowhere_is_put_back_before_it_is_fetched_again():
    made = GraphBuilder("g")
    made.add(op("s", 12, values=(4, 0), kind=OpKind.POOLING, once_values=OUTSIDE))
    built, chip = made.build(), chip_of(4)
    lowered = lower(built, placed(built, chip, {"s": "dpu0"}), chip, inferences=2)
    fast, slow = run(lowered), run(lowered, ReferenceEngine())
    np.testing.assert_array_equal(fast.last_finish_ps, slow.last_finish_ps)
    names = lowered.program.actor_names
    (fetch,) = (i for i, name in enumerate(names) if name.startswith("s/fetch/off-chip"))
    (back,) = (i for i, name in enumerate(names) if name.startswith("s/put back/off-chip"))
    put_ps = fast.trace.starts(back) + lowered.program.latency_ps[back]
    assert (fast.trace.starts(fetch)[1:] >= put_ps[:-1]).all()
    found = total_by(energy_rows(lowered, fast), "component")
    both = 2 * 3 * 2 * 2 * OUTSIDE  # inferences, blocks, ways, bytes
    assert found["off-chip"] == pytest.approx(both * chip.off_chip.energy.pj_per_byte)


@st.composite
def networks(draw):
    """Products, operators with weights at every level, and states with their readers, at random."""
    tokens = draw(st.sampled_from([4, 6, 7, 12, 16]))
    made = GraphBuilder("g")
    made.add(Operator("x", OpKind.INPUT, tokens, 0, 8))
    after = {"x": 0}  # operator -> states that its tokens have waited for; a branch beside one would need a memory
    for i in range(draw(st.integers(2, 5))):
        source, name = draw(st.sampled_from(list(after))), f"n{i}"
        kind = draw(st.sampled_from(["product", "weights", "state"]))
        if kind == "product":
            made.product(name, Matrix(f"W{i}", 8, 8), tokens=tokens, on_crossbar=True)
            made.connect(source, name)
        elif kind == "weights":
            second = draw(st.sampled_from([other for other in after if after[other] == after[source]]))
            n_weights = draw(st.sampled_from([NEAR, FAR, OUTSIDE]))
            made.add(op(name, tokens, values=(16, 8), weight_values=n_weights))
            made.connect(source, name)
            made.connect(second, name, into=8)
        else:
            size = draw(st.sampled_from([16, FAR, OUTSIDE]))
            made.add(op(f"{name}s", tokens, values=(8, 0), kind=OpKind.POOLING, once_values=size))
            made.connect(source, f"{name}s")
            made.add(Operator(f"{name}m", OpKind.MEMORY, tokens, 8, 8))  # the readers' inputs wait for the state
            made.connect(source, f"{name}m")
            made.add(op(name, tokens, values=(8, 8), weight_values=size))
            made.connect(f"{name}m", name)
            made.connect(f"{name}s", name, pattern=Pattern.SEQUENCE, values=(0, size), into=8)
        after[name] = i + 1 if kind == "state" else after[source]
    made.add(Operator("y", OpKind.OUTPUT, tokens, 8, 0))
    made.connect(list(after)[-1], "y")
    return made.build()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    networks(),
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from(["packed", "spread", "balanced"]),
    st.integers(1, 3),
)
def test_engines_agree_on_networks_with_blocks_and_none_stops(graph, block, strategy, inferences):
    chip = chip_of(block)
    lowered = lower(graph, map_graph(graph, chip, strategy), chip, inferences=inferences)
    fast, slow = run(lowered), run(lowered, ReferenceEngine())
    assert fast.is_complete
    assert slow.is_complete
    np.testing.assert_array_equal(fast.started, slow.started)
    np.testing.assert_array_equal(fast.last_finish_ps, slow.last_finish_ps)
    assert lower_bounds(lowered.program).makespan_ps <= fast.makespan_ps


def copies(chip, n_source, n_target, *, tokens=12, inferences=2):
    """A product with copies, an operator that takes and gives blocks, another product with copies."""
    made = GraphBuilder("g")
    made.product("p", Matrix("V", 16, 8), tokens=tokens, on_crossbar=True)
    made.add(op("b", tokens, values=(8, 8), weight_values=FAR))
    made.product("q", Matrix("W", 8, 4), tokens=tokens, on_crossbar=True)
    made.connect("p", "b")
    made.connect("b", "q")
    built = made.build()
    mapping = placed(built, chip, {"b": "dpu0"}, "spread")
    one = {block.matrix: block for block in mapping.blocks}
    blocks = [replace(one["V"], replica=r, core=r) for r in range(n_source)]
    blocks += [replace(one["W"], replica=r, core=8 + r) for r in range(n_target)]
    replicas = {"p": tuple(range(n_source)), "q": tuple(range(n_target))}
    return lower(built, replace(mapping, blocks=tuple(blocks), replicas=replicas), chip, inferences=inferences)


@pytest.mark.parametrize(("n_source", "n_target"), [(1, 1), (3, 1), (1, 3), (2, 3), (5, 4)])
@pytest.mark.parametrize("block", [1, 3, 4])
def test_blocks_between_replicas(n_source, n_target, block):
    """Tokens come and go in turn; no block begins before the reads of its tokens, no read before its block."""
    lowered = copies(chip_of(block), n_source, n_target)
    fast, slow = run(lowered), run(lowered, ReferenceEngine())
    np.testing.assert_array_equal(fast.last_finish_ps, slow.last_finish_ps)
    assert fast.is_complete
    names, b = lowered.program.actor_names, index(lowered, "b")
    actual = 24 // int(lowered.program.firings[b])
    assert actual == block
    starts = fast.trace.starts(b)
    ends = {stage: [i for i, name in enumerate(names) if name.startswith(f"{stage}[") and name.endswith("/read")]
            for stage in "pq"}  # fmt: skip
    for r, read in enumerate(ends["p"]):
        done_ps = fast.trace.starts(read) + lowered.program.latency_ps[read]
        for i, at_ps in enumerate(done_ps):
            assert starts[token(i, r, n_source) // block] >= at_ps
    for r, read in enumerate(ends["q"]):
        for i, at_ps in enumerate(fast.trace.starts(read)):
            assert at_ps >= starts[token(i, r, n_target) // block] + lowered.program.latency_ps[b]


def token(firing, replica, n_replicas):
    """The token, counted over all inferences, that a firing of a replica takes."""
    return firing * n_replicas + replica
