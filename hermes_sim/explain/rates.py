"""Throughput, time of a run, power, operations per time and energy, area."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hermes_sim.errors import EngineError
from hermes_sim.explain.energy import energy_node
from hermes_sim.explain.tree import Rule, TreeNode, count, product, total

if TYPE_CHECKING:
    from hermes_sim.chip.area import AreaPart
    from hermes_sim.chip.schema import Chip
    from hermes_sim.explain.config import Config
    from hermes_sim.metrics.runs import Runs
    from hermes_sim.program.lowered import LoweredProgram

    F64 = npt.NDArray[np.float64]

_ROUNDING = 1e-9  # relative, of sums of a few thousand floats


def throughput_node(runs: Runs) -> TreeNode:
    """Results per second: one over the time between two of them, in which the busiest resource does its work."""
    rate, steady = runs.throughput_per_s, runs.steady
    busy_ps = steady.fired * steady.lowered.program.interval_ps / steady.inferences
    between = _around_busiest("time between two results", steady.lowered, busy_ps, 1e12 / rate)
    parts = [count("ps per s", 1e12), replace(between, power=-1)]
    return product("throughput", "1/s", parts, value=rate, note="steady state")


def makespan_node(runs: Runs) -> TreeNode:
    """Time of the whole run: work of the busiest resource, and the time it has none."""
    record = runs.all.record
    return _around_busiest("time of the run", runs.all.lowered, record.busy_ps.astype(float), float(record.makespan_ps))


def _around_busiest(name: str, lowered: LoweredProgram, busy_ps: F64, whole_ps: float) -> TreeNode:
    """A time as the work of the busiest resource, from the (n_actors,) ps that firings take, and the rest."""
    program = lowered.program
    n_resources = len(program.resource_names)
    load_ps = np.bincount(program.resource, weights=busy_ps, minlength=n_resources) / program.capacity
    as_busy = np.flatnonzero(np.isclose(load_ps, load_ps.max(), rtol=1e-12))
    busiest = min(as_busy.tolist(), key=program.resource_names.__getitem__)  # as in the table of resources
    stages: defaultdict[str, float] = defaultdict(float)
    for i in np.flatnonzero((program.resource == busiest) & (busy_ps > 0)):
        info = lowered.actors[i]
        stages[f"{info.operator}, {info.stage}"] += float(busy_ps[i]) / int(program.capacity[busiest])
    resource = program.resource_names[busiest]
    work = total(f"work of {resource}", "ps", [count(stage, value, unit="ps") for stage, value in stages.items()])
    rest_ps = _time_left_ps(resource, whole_ps, work.value)
    rest = count(f"{resource} without work", rest_ps, unit="ps", note="filling, draining, waiting")
    return TreeNode(name, whole_ps, "ps", Rule.SUM, (work, rest))


def _time_left_ps(resource: str, whole_ps: float, work_ps: float) -> float:
    """Time that a resource has no work; the work is a sum of rounded parts, so that it may seem to be a hair longer.

    Raises
    ------
    EngineError
        if a resource works for longer than there is time, which would be a defect of the simulator
    """
    rest_ps = whole_ps - work_ps
    if rest_ps < -_ROUNDING * whole_ps:
        raise EngineError(
            f"explain: {resource}",
            got=f"{work_ps} ps of work in {whole_ps} ps",
            allowed="at most the time there is",
            hint="this is a defect of the simulator: please report the inputs of the run",
        )
    return max(0.0, rest_ps)


def power_node(runs: Runs, config: Config) -> TreeNode:
    """Energy of the run over its time; pJ per ps is W."""
    energy = energy_node(runs.all, config, per_inference=False)
    time = count("time of the run", runs.all.record.makespan_ps, unit="ps", power=-1)
    return product("power", "W", [energy, time])


def tops_node(runs: Runs) -> TreeNode:
    """Operations of the run over its time; operations per ps are TOPS."""
    lowered = runs.all.lowered
    return product(
        "rate",
        "TOPS",
        [
            count("operations of one inference", lowered.ops, unit="op"),
            count("inferences", lowered.inferences),
            count("time of the run", runs.all.record.makespan_ps, unit="ps", power=-1),
        ],
    )


def efficiency_node(runs: Runs, config: Config) -> TreeNode:
    """Operations of an inference over its energy; operations per pJ are TOPS/W."""
    energy = energy_node(runs.all, config)
    ops = count("operations of one inference", runs.all.lowered.ops, unit="op")
    return product("efficiency", "TOPS/W", [ops, replace(energy, power=-1)])


def area_node(chip: Chip, config: Config) -> TreeNode:
    """Cores and on-chip digital units with their memories, from the parts that the chip's own area is the sum of."""
    parts = [_area_part(part, config) for part in chip.core.area_parts()]
    core = parts[0] if len(parts) == 1 else total("area of a core", "mm2", parts)
    n_cores = [config.leaf(path) for path in ("cores.clusters", "cores.per_cluster")]
    units = [_area_part(part, config) for part in chip.unit_area_parts()]
    return total("area", "mm2", [product("cores", "mm2", [*n_cores, core]), *units])


def _area_part(part: AreaPart, config: Config) -> TreeNode:
    leaves = [config.leaf(quantity.path) for quantity in part.factors]
    leaves += [config.leaf(quantity.path, power=-1) for quantity in part.divisors]
    if part.rest_of:
        shares = tuple(config.leaf(quantity.path) for quantity in part.rest_of)
        leaves.append(TreeNode("the rest", part.rest, "", Rule.FROM, shares, note="1 - all of these"))
    return leaves[0] if len(leaves) == 1 else product(part.name, "mm2", leaves, value=part.mm2)
