"""One composition of the steps from a chip and a workload to figures, and one memory of what was run."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hermes_sim
from hermes_sim import flow
from hermes_sim.api import simulate
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.explore.point import DesignPoint, evaluate
from hermes_sim.flow import map_operators, map_workload
from hermes_sim.metrics import cache
from hermes_sim.metrics.cache import RunCache, program_digest
from hermes_sim.uncertainty.substitute import with_values
from hermes_sim.workload.load import load_workload

PACKAGE = Path(flow.__file__).parent
STEPS = {"map_graph", "lower", "lower_programming", "run_all"}


def imported(path):
    """Names that a file imports from modules, wherever in the file."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in nodes for alias in node.names if node.module.startswith("hermes_sim")}


def test_no_other_module_composes_the_steps():
    """A second composition is where a seed or a setting gets lost."""
    users = {path.relative_to(PACKAGE).as_posix(): imported(path) & STEPS for path in PACKAGE.rglob("*.py")}
    assert {name: steps for name, steps in users.items() if steps} == {"flow.py": STEPS}


@pytest.fixture
def mapped(hetero):
    return map_workload(hetero, "kernel_ridge_skin", "spread")


@pytest.fixture
def ran(monkeypatch):
    """Programs that were run, for a memory that is empty at first."""
    programs = []

    class Counting(CompiledEngine):
        def run(self, program, **options):
            programs.append(program)
            return super().run(program, **options)

    monkeypatch.setattr(cache, "CompiledEngine", Counting)
    monkeypatch.setattr(flow, "RUNS", RunCache())
    return programs


def test_a_program_is_run_once_whatever_the_chip_costs(mapped, ran):
    dearer = with_values(mapped.chip, {"off_chip.energy": mapped.chip.off_chip.energy.value * 2})
    one, other = mapped.figures(3), mapped.on(dearer).figures(3)
    assert len(ran) == 2  # three inferences and one
    assert other.record is one.record
    assert other.throughput_inferences_per_s == one.throughput_inferences_per_s
    assert other.total_pj > one.total_pj


def test_another_number_of_inferences_is_another_run_of_the_same_steady_state(mapped, ran, monkeypatch):
    looked = []
    real = cache.steady_state
    monkeypatch.setattr(cache, "steady_state", lambda *args, **kw: looked.append(1) or real(*args, **kw))
    three, four = mapped.figures(3), mapped.figures(4)
    assert len(ran) == 3
    assert len(looked) == 1
    assert four.makespan_ns > three.makespan_ns
    assert four.throughput_inferences_per_s == three.throughput_inferences_per_s


def test_a_slower_chip_is_another_run(mapped, ran):
    slower = with_values(mapped.chip, {"off_chip.latency": mapped.chip.off_chip.latency.value + 1e6})
    one, other = mapped.figures(1, throughput=False), mapped.on(slower).figures(1, throughput=False)
    assert len(ran) == 2
    assert other.latency_ns > one.latency_ns


def changed(program):
    """The same program with one thing changed, by what that is."""
    firings, space = program.firings.copy(), program.is_space.copy()
    firings[0] += 1
    space[0] = not space[0]
    return {
        "firings": replace(program, firings=firings),
        "space": replace(program, is_space=space),
        "releases": replace(program, releases_ps={0: np.arange(program.firings[0])}),
        "later releases": replace(program, releases_ps={0: np.arange(program.firings[0]) + 1}),
        "releases of another": replace(program, releases_ps={1: np.arange(program.firings[0])}),
        "a name": replace(program, resource_names=("other", *program.resource_names[1:])),
        "an actor's name": replace(program, actor_names=("other", *program.actor_names[1:])),
    }


def test_a_digest_is_of_all_that_a_record_depends_on(mapped):
    program = mapped.program(2).program
    digests = {program_digest(one) for one in (program, *changed(program).values())}
    assert len(digests) == 1 + len(changed(program))
    assert program_digest(mapped.program(2).program) == program_digest(program)


@pytest.mark.parametrize("what", ["firings", "space", "releases"])
def test_a_program_that_differs_is_another_run(mapped, ran, what):
    every = mapped.program(2)
    runs = RunCache()
    runs.record(every)
    runs.record(mapped.program(2))
    assert len(ran) == 1
    other = replace(every, program=changed(every.program)[what])
    if what != "firings":  # a firing more than there are inputs cannot be run
        runs.record(other)
        assert len(ran) == 2
    assert program_digest(other.program) != program_digest(every.program)


def test_no_more_than_so_many_runs_are_kept_and_the_last_used_stay(mapped, ran):
    runs = RunCache(most=2)
    one, two, three = (mapped.program(n) for n in (1, 2, 3))
    for program in (one, two, one, three, one):
        runs.record(program)
    assert len(runs) == 2
    assert len(ran) == 3  # `one` stayed
    runs.record(two)
    assert len(ran) == 4


def test_in_flight_is_part_of_the_program(mapped, ran):
    free, single = mapped.figures(4), mapped.figures(4, in_flight=1)
    assert single.throughput_inferences_per_s < free.throughput_inferences_per_s
    assert single.makespan_ns > free.makespan_ns
    assert single.latency_ns == free.latency_ns


def test_figures_are_those_of_the_whole_simulation(mapped):
    result = simulate(mapped.chip, "kernel_ridge_skin", mapping="spread", inferences=3, accuracy=False, baselines=())
    figures = mapped.figures(3, bound=True)
    metrics = result.metrics
    assert (figures.latency_ns, figures.makespan_ns) == (metrics.latency_ns, metrics.makespan_ns)
    assert figures.throughput_inferences_per_s == metrics.throughput_inferences_per_s
    assert (figures.total_pj, figures.energy_alone_pj) == (metrics.energy_pj.total, metrics.energy_alone_pj)
    assert figures.lower_bound_ps / 1e3 == metrics.lower_bound_ns
    assert figures.points() == result.figures.points()


def test_answers_come_after_their_arrivals(mapped):
    arrivals_ps = np.array([0, 10_000_000, 50_000_000])
    finish_ps = mapped.finish_ps(arrivals_ps)
    alone_ps = mapped.figures(1, throughput=False).record.makespan_ps
    assert (finish_ps - arrivals_ps).tolist() == [alone_ps] * 3


def test_equal_workloads_share_a_graph(hetero):
    one, other = (map_workload(hetero, load_workload("kernel_ridge_skin"), "packed") for _ in range(2))
    assert one.graph is other.graph
    assert map_operators(hetero, one.graph, "spread").graph is one.graph


def test_a_design_point_with_accuracy_is_mapped_once_by_its_seed(monkeypatch):
    seeds = []
    real = flow.map_graph
    monkeypatch.setattr(flow, "map_graph", lambda *args, seed=0: seeds.append(seed) or real(*args, seed=seed))
    point = DesignPoint(
        "hermes_64",
        "kernel_ridge_breast_cancer",
        workload_fields={"accuracy_seeds": 1, "log2_ratio": 1},
        mapping="local",
        inferences=1,
        seed=5,
        accuracy=True,
    )
    record = evaluate(point, key="k")
    assert record["status"] == "done", record["error"]
    assert 0.5 < record["accuracy_simulated"] <= 1
    assert seeds == [5]


def test_every_name_of_the_package_is_there():
    assert all(getattr(hermes_sim, name) is not None for name in hermes_sim.__all__)
    assert hermes_sim.simulate is simulate
