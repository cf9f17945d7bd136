"""Every shipped workload: fast-forward equals running every firing, and SimPy where it is short enough."""

from __future__ import annotations

import pytest
from engine_comparison import assert_same_record
from engines import COMPILED, ENGINES

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_names
from hermes_sim.errors import HermesSimError
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.lower import lower
from hermes_sim.trace.critical_path import critical_path
from hermes_sim.workload.load import build_graph, load_workload

SIMPY_FIRINGS = 3_000
pytestmark = pytest.mark.skipif(not COMPILED, reason="too slow without compilation")


@pytest.mark.parametrize("workload", shipped_names("workloads"))
def test_shipped_workloads(workload):
    chip = load_arch("hermes_64_hetero")
    graph = build_graph(load_workload(workload))
    try:
        mapping = map_graph(graph, chip, "packed")
    except HermesSimError as error:
        pytest.skip(f"{workload} has no default mapping on this chip: {error.where}")
    lowered = lower(graph, mapping, chip, inferences=3)
    program = lowered.program
    watch = [lowered.done]
    every = ENGINES["compiled"].run(program, watch=watch, trace=program.total_firings < 3_000_000)
    fast = ENGINES["fast_forward"].run(program, watch=watch, trace=True)
    assert_same_record(every, fast)
    assert lower_bounds(program).makespan_ps <= fast.makespan_ps
    path = critical_path(program, fast.trace)
    assert int(path.total_ps.sum()) + path.gap_ps == fast.makespan_ps
    until_ps = None
    if program.total_firings > SIMPY_FIRINGS:
        until_ps = fast.makespan_ps * SIMPY_FIRINGS // program.total_firings
    reference = ENGINES["simpy"].run(program, watch=watch, trace=True, until_ps=until_ps)
    assert_same_record(reference, ENGINES["fast_forward"].run(program, watch=watch, trace=True, until_ps=until_ps))
