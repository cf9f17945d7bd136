"""Energy of a run: counts of firings times energy terms, and static power times makespan, summed in one order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.chip.schema import Chip
    from hermes_sim.engine.base import RunRecord
    from hermes_sim.program.lowered import LoweredProgram

STATIC = "(static power)"
_PJ_PER_MW_PS = 1e-3  # 1 mW for 1 ps is 1e-15 J


@dataclass(frozen=True)
class EnergyRow:
    """One line of the energy breakdown: a term of one stage of one operator, over the whole run."""

    operator: str
    stage: str
    component: str
    energy_pj: float
    kind: str
    paths: tuple[str, ...]
    firings: int
    is_static: bool = False
    formula: str = ""


def energy_rows(lowered: LoweredProgram, record: RunRecord) -> list[EnergyRow]:
    """Every energy term of a run; their sum is the total energy."""
    rows = [
        EnergyRow(
            info.operator,
            info.stage,
            part.component,
            int(fired) * part.value,
            part.kind,
            part.paths,
            int(fired),
            formula=part.formula,
        )
        for info, fired in zip(lowered.actors, record.started, strict=True)
        for part in info.cost.energies
    ]
    rows += [
        EnergyRow(
            STATIC,
            "static",
            part.component,
            part.value * record.makespan_ps * _PJ_PER_MW_PS,
            part.kind,
            part.paths,
            1,
            is_static=True,
        )
        for part in lowered.static_powers
    ]
    return rows


def _place(row: EnergyRow, chip: Chip) -> str:
    """Where an energy is spent: ``on_chip``, ``off_chip`` (the channel to the host) or ``host``."""
    for path in row.paths:
        part, _, rest = path.partition(".")
        if part == "off_chip":
            return "off_chip"
        if part == "digital_units" and chip.digital_units[rest.partition(".")[0]].place == "host":
            return "host"
    return "on_chip"


def total_by(rows: list[EnergyRow], attribute: str) -> dict[str, float]:
    """Energy in pJ by an attribute of the rows (component, operator, kind), largest first."""
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        totals[str(getattr(row, attribute))] += row.energy_pj
    return dict(_largest_first(totals))


def total_by_place(rows: list[EnergyRow], chip: Chip) -> dict[str, float]:
    """Energy in pJ spent on the chip, in the channel off it, and in the host; the three add up to the total."""
    totals = dict.fromkeys(("on_chip", "off_chip", "host"), 0.0)
    for row in rows:
        totals[_place(row, chip)] += row.energy_pj
    return totals


def _largest_first(totals: dict[str, float]) -> Iterator[tuple[str, float]]:
    yield from sorted(totals.items(), key=lambda item: -item[1])
