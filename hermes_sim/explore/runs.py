"""Timing and energy of one design, without traces and with as little work as the numbers allow.

The numbers are those of `hermes_sim.api.simulate`. Points that differ only in energies or areas give the same
program, and a program is run once.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.traffic import bytes_hops
from hermes_sim.metrics.busiest import RESOURCE_KINDS, busiest_by_kind
from hermes_sim.metrics.energy import energy_rows, total_by
from hermes_sim.metrics.steady import steady_state
from hermes_sim.metrics.timing import resource_use
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.lower import lower
from hermes_sim.workload.load import build_graph, identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.schema import Chip
    from hermes_sim.engine.base import RunRecord
    from hermes_sim.program.dataflow import DataflowProgram
    from hermes_sim.program.lowered import LoweredProgram
    from hermes_sim.workload.graph import OpGraph
    from hermes_sim.workload.schema import Workload

T = TypeVar("T")
_MAX_RUNS = 128
_MAX_GRAPHS = 64


class _Latest(Generic[T]):
    """The latest results of this process, by program."""

    def __init__(self, make: Callable[[LoweredProgram], T]) -> None:
        self._make = make
        self._results: OrderedDict[bytes, T] = OrderedDict()

    def of(self, lowered: LoweredProgram) -> T:
        """Result for a program, worked out at most once while it is among the latest."""
        key = program_digest(lowered.program)
        if key in self._results:
            self._results.move_to_end(key)
        else:
            self._results[key] = self._make(lowered)
            if len(self._results) > _MAX_RUNS:
                self._results.popitem(last=False)
        return self._results[key]


def _run(lowered: LoweredProgram) -> RunRecord:
    return CompiledEngine().run(lowered.program)


def _throughput_per_s(lowered: LoweredProgram) -> float:
    latency_ps = _runs.of(lowered.for_inferences(1)).makespan_ps
    return steady_state(lowered, latency_ps=latency_ps).throughput_per_s


def _bound_ps(lowered: LoweredProgram) -> int:
    return lower_bounds(lowered.program).makespan_ps


_runs = _Latest(_run)
_bounds_ps = _Latest(_bound_ps)
_throughputs_per_s = _Latest(_throughput_per_s)  # by the program of two whole turns


def program_digest(program: DataflowProgram) -> bytes:
    """Hash of all that a run depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for column in (
        program.resource,
        program.firings,
        program.interval_ps,
        program.latency_ps,
        program.capacity,
        program.source,
        program.target,
        program.num,
        program.off,
        program.den,
        program.is_space,
    ):
        digest.update(len(column).to_bytes(8, "little"))
        digest.update(column.tobytes())
    digest.update("\0".join(program.resource_names).encode())
    return digest.digest()


_graphs: OrderedDict[str, OpGraph] = OrderedDict()


def graph_of(work: Workload) -> OpGraph:
    """Operator graph; equal workloads share it."""
    key = json.dumps(identity(work), sort_keys=True, default=str)
    if key not in _graphs:
        _graphs[key] = build_graph(work)
        if len(_graphs) > _MAX_GRAPHS:
            _graphs.popitem(last=False)
    return _graphs[key]


def timing_of(
    chip: Chip, work: Workload, *, mapping: str, inferences: int | None, in_flight: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Flat timing, energy and area results of one design.

    Parameters
    ----------
    mapping, inferences, seed : as for `hermes_sim.api.simulate`; the seed is that of the placement
    in_flight : as for `hermes_sim.program.lower.lower`

    Raises
    ------
    HermesSimError
        the workload does not fit, or asks for what the chip has not
    """
    graph = graph_of(work)
    placement = map_graph(graph, chip, mapping, seed=seed)
    count = work.inferences if inferences is None else inferences
    every = lower(graph, placement, chip, inferences=count, in_flight=in_flight)
    record, bound_ps = _runs.of(every), _bounds_ps.of(every)

    one = record if count == 1 else _runs.of(every.for_inferences(1))
    turns = every.for_inferences(2 * every.whole_turn)
    rows = energy_rows(every, record)
    total_pj = sum(row.energy_pj for row in rows)
    static_pj = sum(row.energy_pj for row in rows if row.is_static)
    makespan_ps = max(record.makespan_ps, 1)
    uses = resource_use(record)
    return {
        "arch": chip.name,
        "workload": work.name,
        "mapping": mapping,
        "inferences": count,
        "latency_ns": one.makespan_ps / 1e3,
        "makespan_ns": record.makespan_ps / 1e3,
        "throughput_inferences_per_s": _throughputs_per_s.of(turns),
        "energy_pj_total": total_pj,
        "energy_pj_per_inference": total_pj / count,
        "energy_pj_static": static_pj,
        "energy_pj_dynamic": total_pj - static_pj,
        "energy_pj_by_component": json.dumps(total_by(rows, "component")),
        "power_w": total_pj / makespan_ps,
        "ops": graph.ops,
        "tops": graph.ops * count / makespan_ps,
        "tops_per_w": graph.ops * count / total_pj if total_pj else 0.0,
        "lower_bound_ns": bound_ps / 1e3,
        "bottleneck_resource": uses[0].resource if uses else "none",
        "bottleneck_utilization": uses[0].utilization if uses else 0.0,
        "firings": record.n_firings,
        "area_mm2": chip.area_mm2,
        "cores_used": placement.cores_used,
        "pieces": len(placement.blocks),
        "bytes_hops": bytes_hops(graph, placement, chip),
        "mapping_note": placement.note,
        **{RESOURCE_KINDS[kind]: share for kind, share in busiest_by_kind(record).items()},
    }
