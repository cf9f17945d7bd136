"""The tables that both the page and the Markdown file print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.report.breakdowns import Part, largest_parts
from hermes_sim.report.formatting import crosses_one, energy_of_pj, percent, time_of_ns, times_within
from hermes_sim.report.summary import interval_of
from hermes_sim.report.tables import Cell, Table
from hermes_sim.report.verdict import batch_words
from hermes_sim.report.words import CASES, PLACES, RatioKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.flow import Simulated


def energy_table(source: Simulated, key: str, limit: int = 1000) -> Table:
    """Energy per inference by ``component`` or ``operator``, adding up to the total."""
    energy, n = source.metrics.energy_pj, source.metrics.inputs.inferences
    parts = largest_parts(getattr(energy, f"by_{key}"), limit)
    total_pj = energy.total

    def row(part: Part) -> list[Cell | str]:
        cells: list[Cell | str] = [part.name, Cell(energy_of_pj(part.value / n), part.value)]
        if n > 1:
            cells.append(Cell(energy_of_pj(part.value), part.value))
        return [*cells, Cell(percent(part.value / total_pj if total_pj else 0), part.value)]

    return Table(
        f"energy-by-{key}",
        f"Energy by {key}; the rows add up to the total",
        (key.capitalize(), "Per inference|", *([f"All {n:,} inferences|"] if n > 1 else []), "Share|"),
        [row(part) for part in parts],
        row(Part("Total", total_pj)),
    )


def places_words(source: Simulated) -> str:
    """Energy per inference by place, in words: on the chip, in the channel off it, in the host."""
    by_place, n = source.metrics.energy_pj.by_place, source.metrics.inputs.inferences
    return ", ".join(f"{energy_of_pj(pj / n)} {PLACES[name]}" for name, pj in by_place if pj)


def baseline_table(source: Simulated) -> Table:
    """Latency and energy of every baseline beside the chip's."""
    rows = [
        _baseline_row(source.document, row, case)
        for row in source.document["baselines"]
        for case in CASES
        if case in row
    ]
    return Table(
        "baselines",
        "Digital accelerators on the same operators, per inference; ratios above 1x favour the chip",
        ("Baseline", "Precision", "Batch|", "Case", "Time|", "Energy|", "Time ratio|", "Energy ratio|"),
        rows,
    )


def _baseline_row(document: Mapping[str, Any], row: Mapping[str, Any], case: str) -> list[Cell | str]:
    costs = row[case]
    joules = costs.get("energy_pj")

    def ratio(key: str) -> Cell:
        value = row[key].get(case)
        found = interval_of(document, str(RatioKey.of(row, key, case)))
        css = "" if value is None or crosses_one(value, found) else "chip-wins" if value >= 1 else "digital-wins"
        return Cell("-", -1) if value is None else Cell(times_within(value, found), value, css)

    return [
        row["name"],
        row["precision"],
        Cell(f"{row['batch']:,}", row["batch"]),
        case,
        Cell(time_of_ns(costs["latency_ns"]), costs["latency_ns"]),
        Cell("-" if joules is None else energy_of_pj(joules), -1 if joules is None else joules),
        ratio("latency_ratio"),
        ratio("energy_ratio"),
    ]


def chip_words(source: Simulated) -> list[str]:
    """The chip's own times and energy that the ratios of each batch are taken against."""
    return [
        f"{batch_words(batch)}, {time_of_ns(point.time_ns)} and {energy_of_pj(point.energy_pj)} "
        + ("for one inference on an otherwise empty chip" if batch == 1 else "per inference")
        for batch, point in source.figures.points().items()
    ]
