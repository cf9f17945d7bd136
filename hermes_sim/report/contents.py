"""The tables that both the page and the Markdown file print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.config.vocabulary import Timing
from hermes_sim.kit.formatting import count, crosses_one, energy_of_pj, percent, time_of_ns, times_within
from hermes_sim.kit.ratios import CASES, REALISTIC, RatioKey
from hermes_sim.kit.tables import Cell, Table, number
from hermes_sim.kit.words import PLACES
from hermes_sim.report.breakdowns import EnergyPart, largest_parts
from hermes_sim.report.summary import interval_of
from hermes_sim.report.verdict import batch_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.flow import Simulated


def energy_table(source: Simulated, key: str, limit: int = 1000) -> Table:
    """Energy per inference by ``component`` or ``operator``, adding up to the total."""
    energy, n = source.metrics.energy_pj, source.metrics.inputs.inferences
    parts = largest_parts(getattr(energy, f"by_{key}"), limit)
    total_pj = energy.total

    def row(part: EnergyPart) -> list[Any]:
        share = part.value / total_pj if total_pj else 0.0
        return [part.name, part.value / n, *([part.value] if n > 1 else []), share]

    every = [number(f"All {n:,} inferences", energy_of_pj)] if n > 1 else []
    return Table(
        f"energy-by-{key}",
        f"Energy by {key}; the rows add up to the total",
        (key.capitalize(), number("Per inference", energy_of_pj), *every, number("Share", percent)),
        [row(part) for part in parts],
        row(EnergyPart("Total", total_pj)),
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
        (
            *("Baseline", "Precision", number("Batch", count), "Timing", "Case"),
            *(number("Time", time_of_ns), number("Energy", energy_of_pj), number("Time ratio"), number("Energy ratio")),
        ),
        rows,
    )


def _baseline_row(document: Mapping[str, Any], row: Mapping[str, Any], case: str) -> list[Any]:
    costs = row[case]

    def ratio(key: str) -> Cell | None:
        value = row[key].get(case)
        if value is None:
            return None
        found = interval_of(document, str(RatioKey.of(row, key, case)))
        css = "" if crosses_one(value, found) else "chip-wins" if value >= 1 else "digital-wins"
        return Cell(times_within(value, found), value, css)

    figures = costs["latency_ns"], costs.get("energy_pj"), ratio("latency_ratio"), ratio("energy_ratio")
    return [row["name"], row["precision"], row["batch"], Timing(row["timing"]).words, case, *figures]


def boundary_table(source: Simulated) -> Table:
    """Energy per inference of both sides by where it is spent: the device, what links it to its host, the host.

    Of the accelerators the realistic case at their first precision; waiting and idling are in the device's energy.
    """
    rows: list[list[Any]] = []
    for (batch, timing), point in source.figures.points().items():
        rows.append([source.chip.name, batch_words(batch, timing), *point.by_place_pj.values(), point.energy_pj])
        seen = set()
        for row in source.document["baselines"]:
            if (row["batch"], row["timing"]) != (batch, timing) or row["name"] in seen:
                continue
            seen.add(row["name"])
            parts = row[REALISTIC]["energy_by_part_pj"]
            label = f"{row['name']} {row['precision']}"
            rows.append([label, batch_words(batch, timing), *parts.values(), row[REALISTIC]["energy_pj"]])
    heads = [number(head, energy_of_pj) for head in ("Device", "Link to the host", "Host", "All")]
    return Table(
        "boundary",
        "The same boundary on both sides: energy per inference by where it is spent (accelerators realistic). Over its "
        "link the chip moves values in numbers.digital, an accelerator in the precision compared",
        ("Side", "Batch", *heads),
        rows,
    )


def chip_words(source: Simulated) -> list[str]:
    """The chip's own times and energy that the ratios of each batch are taken against."""
    of_one = {
        Timing.RESPONSE: "for one inference on an otherwise empty chip",
        Timing.BACK_TO_BACK: "per inference in the long run",
    }
    return [
        f"{batch_words(batch, timing)}, {time_of_ns(point.time_ns)} and {energy_of_pj(point.energy_pj)} "
        + (of_one[timing] if batch == 1 else "per inference")
        for (batch, timing), point in source.figures.points().items()
    ]
