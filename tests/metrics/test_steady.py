"""Steady state: exact where the state recurs, and never more than the hardware gives."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.engine.period import Sample
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.errors import EngineError
from hermes_sim.mapping.place import map_graph
from hermes_sim.metrics import steady
from hermes_sim.metrics.steady import Basis, SteadyState, check_rate, steady_state
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import LifeCycle
from hermes_sim.workload.load import build_graph, load_workload

FAST_LDPU = {"core.ldpu.group_time": 5}  # so that reads of 520 ns are what limits a core
# digital units and a host whose memory and arithmetic never limit, so that the cores do
ROOMY = {
    "digital_units.dpu.clock": 2,
    "digital_units.dpu.memory.sram.capacity": "16 Mibyte",
    "digital_units.dpu.memory.sram.width": 8192,
}
FAST_HOST = {f"digital_units.host.memory.{level}.width": 4096 for level in ("l2", "l3")} | {
    f"digital_units.host.functions.{function}.lanes": 512 for function in ("mac", "exp")
}


def lowered_for(
    chip, workload, changes=None, *, mapping="packed", inferences=4, in_flight=None, life_cycle=None, chip_changes=None
):
    chip = load_arch(chip, FAST_LDPU | (chip_changes or {}))
    graph = replace(build_graph(load_workload(workload, changes or {})), life_cycle=life_cycle)
    placed = map_graph(graph, chip, mapping)
    return lower(graph, placed, chip, inferences=inferences, in_flight=in_flight)


@pytest.mark.parametrize(("layers", "reads_per_token"), [(4, 23), (16, 32)])
def test_deep_networks_give_what_their_busiest_core_does(layers, reads_per_token):
    """4,000 tokens, some reads of 520 ns for each on the busiest core: 20.90 and 15.02 per second."""
    lowered = lowered_for("hermes_64_hetero", "performer_imdb_full", {"layers": layers}, chip_changes=ROOMY)
    state = steady_state(lowered, latency_ps=layers * 8_320_000_000)
    assert state.throughput_per_s == pytest.approx(1 / (4000 * reads_per_token * 520e-9), rel=1e-12)
    assert max(state.load_ps) <= state.period_ps


@pytest.mark.parametrize("inferences", [1, 4, 20])
def test_a_shared_crossbar_gives_no_more_reads_than_it_has_time_for(inferences):
    """32,000 reads of 520 ns on one core: 60.1 sequences per second, however many are asked for."""
    chip = load_arch("hermes_64_hetero", FAST_LDPU | ROOMY)
    result = simulate(
        chip, "performer_imdb_attention", mapping="packed", inferences=inferences, accuracy=False, baselines=()
    )
    assert result.document["throughput_inferences_per_s"] == pytest.approx(1 / (32_000 * 520e-9), rel=1e-12)
    assert result.document["throughput_basis"] == "period"


def test_the_period_is_what_every_firing_shows():
    """SimPy, which knows of no periods: far from both ends, results come exactly one period apart."""
    lowered = lowered_for("hermes_64_hetero", "lstm_ptb", {"steps": 3}, inferences=24)
    state = steady_state(lowered, latency_ps=10**8)
    assert state.basis is Basis.PERIOD
    finish_ps = ReferenceEngine().run(lowered.program, watch=[lowered.done]).finish_ps[lowered.done]
    apart_ps = finish_ps[10 + state.inferences : 18] - finish_ps[10 : 18 - state.inferences]
    assert set(apart_ps.tolist()) == {int(state.period_ps)}


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_both_engines_give_the_same_throughput(engine):
    result = simulate(
        load_arch("hermes_64", FAST_LDPU),
        "kernel_ridge_digits",
        mapping="packed",
        engine=engine,
        inferences=3,
        accuracy=False,
        baselines=(),
    )  # 4 reads of 520 ns on one core
    assert result.document["throughput_inferences_per_s"] == pytest.approx(1 / 2080e-9, rel=1e-12)


def test_a_period_may_hold_several_inferences_and_every_actor_fires_in_proportion():
    lowered = lowered_for("hermes_64", "kernel_ridge_digits", mapping="spread", chip_changes=FAST_HOST)
    state = steady_state(lowered, latency_ps=10**10)
    assert (state.basis, state.inferences) == (Basis.PERIOD, 2)
    np.testing.assert_array_equal(state.fired, 2 * lowered.for_inferences(1).program.firings)


def test_fewer_in_flight_give_less():
    """With one in flight the next begins when the last has ended: one over the latency."""
    lowered = lowered_for("hermes_64", "kernel_ridge_digits", in_flight=1)
    alone_ps = ReferenceEngine().run(lowered.for_inferences(1).program).makespan_ps
    state = steady_state(lowered, latency_ps=alone_ps)
    assert state.throughput_per_s == pytest.approx(1e12 / alone_ps)


def test_what_cannot_be_simulated_to_a_steady_state_gets_its_bound(monkeypatch):
    lowered = lowered_for("hermes_64_hetero", "performer_imdb_full", {"layers": 8}, chip_changes=ROOMY)
    monkeypatch.setattr(steady, "SEARCH_FIRINGS", 1000)
    state = steady_state(lowered, latency_ps=66_594_713_500)
    assert state.basis is Basis.BOUND
    assert state.throughput_per_s == pytest.approx(1 / (92_000 * 520e-9))


def test_without_a_period_the_busiest_resource_is_measured(monkeypatch):
    """A search that ends before the state recurs, and after some inferences."""
    monkeypatch.setattr(steady, "SEARCH_FIRINGS", 4_000_000)
    lowered = lowered_for("hermes_64_hetero", "performer_imdb_full", {"layers": 8}, chip_changes=ROOMY)
    state = steady_state(lowered, latency_ps=8 * 8_320_000_000)
    assert state.basis is Basis.MEASURED
    bound_ps = steady._fastest_turn_ps(lowered)
    assert 1 <= state.period_ps / bound_ps < 1.001


@pytest.mark.parametrize(("filling", "searched"), [(0.01, 1_000_000), (0.5, 4_000_000), (3, 12_000_000)])
def test_the_search_is_as_long_as_the_pipeline_takes_to_fill(monkeypatch, filling, searched):
    """Eight times the firings that fill it, between one and twelve million; `filling` is in millions of firings."""
    lowered = lowered_for("hermes_64", "kernel_ridge_digits")
    asked = []

    def find_nothing(_program, _accept, *, max_firings, progress):
        asked.append((max_firings, progress))
        return None, []

    monkeypatch.setattr(steady, "find_period", find_nothing)
    inferences = filling * 1e6 / int(lowered.turn_firings.sum())
    state = steady_state(lowered, latency_ps=round(inferences * steady._fastest_turn_ps(lowered)))
    assert state.basis is Basis.BOUND
    assert asked[0][0] == pytest.approx(searched, rel=1e-3)


def test_the_busiest_resource_is_measured_late_in_the_run():
    """Results every 10 us while the pipeline fills, then four in 12 us: the second half of what was seen counts."""
    lowered = lowered_for("hermes_64", "kernel_ridge_digits")
    bound = SteadyState(lowered, Fraction(2_080_000), 1, lowered.turn_firings, Basis.BOUND)
    seen_us = {0: 0, 2: 10, 3: 20, 4: 30, 6: 34, 8: 42}  # inferences done: when
    samples = [Sample(us * 10**6, lowered.turn_firings * n) for n, us in seen_us.items()]
    state = steady._measured(bound, samples)
    assert (state.basis, state.period_ps, state.inferences) == (Basis.MEASURED, 3_000_000, 1)
    assert steady._measured(bound, samples[:2]) is None  # one sample after the first result says nothing


def test_a_search_never_comes_to_the_end_of_its_inferences(monkeypatch):
    """2^20 inferences in whole turns, or as many as a quarter of the clock holds if all firings came one by one."""
    plain = lowered_for("hermes_64", "kernel_ridge_digits")
    turns_of_two = lowered_for("hermes_64", "kernel_ridge_digits", life_cycle=LifeCycle(compensate_every=2))
    assert steady._endless(plain).inferences == 2**20
    assert steady._endless(turns_of_two).inferences == 2**20
    longest_ps = np.maximum(plain.program.interval_ps, plain.program.latency_ps)
    one_ps = int((plain.turn_firings * longest_ps).sum())
    monkeypatch.setattr(steady, "CLOCK_LIMIT_PS", 4 * 7 * one_ps)
    assert steady._endless(plain).inferences == 7
    monkeypatch.setattr(steady, "CLOCK_LIMIT_PS", 4)
    assert steady._endless(plain).inferences == 1
    assert steady._endless(turns_of_two).inferences == 2


def test_no_measured_rate_is_above_the_bound():
    lowered = lowered_for("hermes_64", "kernel_ridge_digits")
    bound = SteadyState(lowered, Fraction(2_080_000), 1, lowered.turn_firings, Basis.BOUND)
    samples = [Sample(n * 10**6, lowered.turn_firings * n) for n in range(1, 5)]
    assert steady._measured(bound, samples).period_ps == 2_080_000


def test_regular_events_belong_to_the_period():
    """A core is compensated every second inference: two of them are a turn, with one compensation of every core."""
    lowered = lowered_for("hermes_64", "kernel_ridge_digits", life_cycle=LifeCycle(compensate_every=2))
    assert lowered.whole_turn == 2
    plain = lowered_for("hermes_64", "kernel_ridge_digits")
    state, before = (steady_state(x, latency_ps=5 * 10**6) for x in (lowered, plain))
    assert state.period_ps / state.inferences > before.period_ps / before.inferences
    events = [i for i, info in enumerate(lowered.actors) if info.stage == "compensate"]
    assert events
    assert all(2 * state.fired[i] == state.inferences for i in events)


@pytest.mark.parametrize(("gap_ps", "per_s"), [(10_000_000, 100_000), (1000, 1 / 2080e-9), (0, 1 / 2080e-9)])
def test_arrivals_limit_the_throughput_only_if_they_are_slower_than_the_chip(gap_ps, per_s):
    """The chip needs 2,080 ns for each; ends of a run with few inferences say nothing of that."""
    result = simulate(
        load_arch("hermes_64", FAST_LDPU),
        "kernel_ridge_digits",
        mapping="packed",
        inferences=6,
        arrivals_ps=np.arange(6) * gap_ps,
        accuracy=False,
        baselines=(),
    )
    assert result.document["throughput_inferences_per_s"] == pytest.approx(per_s, rel=1e-12)


def test_a_rate_above_what_a_resource_can_do_is_refused():
    lowered = lowered_for("hermes_64", "kernel_ridge_digits")
    too_fast = SteadyState(lowered, Fraction(2_079_999), 1, lowered.turn_firings, Basis.PERIOD)
    with pytest.raises(EngineError, match=r"at least 2080000\.0 ps, the work of core0\.crossbar"):
        check_rate(too_fast)
    check_rate(SteadyState(lowered, Fraction(2_080_000), 1, lowered.turn_firings, Basis.PERIOD))


def test_the_rate_of_a_small_program_without_a_period_is_measured(tmp_path):
    """A bus with no short period: one slice of the search would leave nothing but the bound, half as much again."""
    layers = "".join(
        f"  - {{name: {name}, op: {rest}}}\n"
        for name, rest in (
            ("c1", "conv, channels: 16, kernel: 3, padding: 1"),
            ("p1", "max_pool, kernel: 2, stride: 2"),
            ("c2", "conv, channels: 16, kernel: 3, padding: 1"),
            ("ad", "add, other: p1"),
            ("gp", "global_max_pool"),
            ("fc", "linear, channels: 10"),
        )
    )
    head = "schema_version: 1\nname: conv\ndescription: small\nsource: none\nkind: conv_net\ninferences: 4\n"
    path = tmp_path / "conv.yaml"
    path.write_text(f"{head}image: {{height: 8, width: 8, channels: 3}}\nlayers:\n{layers}")
    chip = load_arch("hermes_64_hetero", {"network.topology": "bus"})
    few, many = (simulate(chip, path, inferences=n, accuracy=False, baselines=()).document for n in (4, 400))
    assert few["throughput_basis"] in {"measured", "period"}
    assert few["throughput_inferences_per_s"] == pytest.approx(400e9 / many["makespan_ns"], rel=0.03)
