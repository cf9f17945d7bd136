"""Both engines on every shipped workload: every firing must start at the same picosecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.config.files import shipped_names
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.flow import map_workload
from hermes_sim.validation.rows import RowKind, ValidationRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.config.files import Source
    from hermes_sim.program.dataflow import DataflowProgram


SHIPPED_CHIPS = ("hermes_64", "hermes_64_hetero")


def validate_engines(
    archs: Sequence[Source] = SHIPPED_CHIPS,
    workloads: Sequence[str] | None = None,
    *,
    max_firings: int = 60_000,
    progress: Callable[[str, float], None] | None = None,
) -> list[ValidationRow]:
    """One row per chip and workload: firings, and how many of them start at the same time in both engines.

    Workloads of more than `max_firings` firings are cut there by stopping both engines at the same instant.
    """
    names = list(workloads) if workloads is not None else shipped_names("workloads")
    rows = []
    for i, (arch, name) in enumerate([(arch, name) for arch in archs for name in names]):
        if progress:
            progress("engines", i / (len(archs) * len(names)))
        program = map_workload(arch, name, "packed").program(2).program
        same, total, cut = _equal_firings(program, max_firings)
        note = f"first {total:,} of {program.total_firings:,} firings" if cut else ""
        rows.append(
            ValidationRow(f"{name} on {arch}: firings with equal start", total, same, 0.0, RowKind.IDENTITY, note=note)
        )
    return rows


def _equal_firings(program: DataflowProgram, max_firings: int) -> tuple[int, int, bool]:
    until_ps = None
    if program.total_firings > max_firings:
        whole = CompiledEngine().run(program)
        until_ps = whole.makespan_ps * max_firings // program.total_firings
    compiled = CompiledEngine().run(program, trace=True, until_ps=until_ps)
    reference = ReferenceEngine().run(program, trace=True, until_ps=until_ps)
    if compiled.trace is None or reference.trace is None:
        return 0, 1, False
    same = total = 0
    for actor in range(program.n_actors):
        one, other = compiled.trace.starts(actor), reference.trace.starts(actor)
        total += max(len(one), len(other))
        n = min(len(one), len(other))
        same += int(np.sum(one[:n] == other[:n]))
    return same, max(total, 1), until_ps is not None
