"""The published claim of superior energy efficiency and lower power, looked at boundary by boundary.

What was published is a ratio of peaks: 9.76 and 2.48 TOPS/W of the chip's crossbars (one- and four-phase) over the
1.56 TOPS/W of an A100 at its INT8 peak, 6.26x and 1.59x. Here whole workloads run on both, and what counts widens step
by step, on both sides alike:

    boundary               chip                                   accelerator
    crossbars              reads of the cores                     the same matrix products, device alone
    whole chip             all that is on the chip                the operators that the chip runs itself, device alone
    chip + link            and its off-chip channel               and its link to the host, and idling meanwhile
    chip + link + host     and its host, work and idling          all operators, and its host's idling

Each row says that the accelerator needs at least as much; it misses where it needs less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.sizing import beside, share_boundary
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.places import Role
from hermes_sim.errors import EngineError
from hermes_sim.flow import map_workload
from hermes_sim.kit.formatting import times
from hermes_sim.kit.ratios import MODELLED, REALISTIC
from hermes_sim.uncertainty.assumptions import baseline_assumptions, chip_assumptions
from hermes_sim.uncertainty.propagate import by_path, drawn_values
from hermes_sim.uncertainty.substitute import with_values
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.reproduce_plots import intervals
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.baselines.result import Estimate
    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Mapped
    from hermes_sim.metrics.figures import Figures

_WORKS = {
    "projection": "kernel_projection",
    "attention": "performer_imdb_attention",
    "full Performer": "performer_imdb_full",
}
_A100, _LIKE = "a100", ("h100", "t4", "jetson_agx_orin", "tpu_v4", "server_cpu")
_MAPPING, _PRECISION, _SAMPLES = "balanced", "int8", 24
_BOUNDARIES = ("crossbars", "whole chip", "chip + link", "chip + link + host")
_SOURCE = "BU24, doi 10.1038/s42256-024-00943-2: superior energy efficiency and lower power than digital accelerators"
Ratios = dict[tuple[str, str, str], float]  # accelerator, case, boundary -> energy of theirs over ours


@dataclass(frozen=True)
class Claim:
    """Ratios of one workload with their intervals.

    Parameters
    ----------
    ratios : (accelerator, case, boundary) -> energy of the accelerator over that of the chip; ``power`` as a boundary
        is the ratio of the powers within the widest one
    drawn : 5 and 95 % of each
    """

    work: str
    inferences: int
    ratios: Ratios
    drawn: dict[tuple[str, str, str], tuple[float, float]]


def energy_claim(sources: Sources) -> Outcome:
    """Rows, plot and sentences: under which boundary the claim holds in the model, for three workloads."""
    chip = load_arch(sources.arch)
    claims = [look(chip, label, name, seed=sources.seed) for label, name in _WORKS.items()]
    rows = [_row(claim, key) for claim in claims for key in claim.ratios if _is_shown(key)]
    panels = {
        f"{claim.work}, {claim.inferences:,} in flight": [
            (boundary, case, claim.ratios[_A100, case, boundary], claim.drawn[_A100, case, boundary])
            for boundary in _BOUNDARIES
            for case in MODELLED
        ]
        for claim in claims
    }
    svg = intervals(f"Energy of an A100 at INT8 over that of {chip.name}", panels, x="above 1: the chip needs less")
    return Outcome(tuple(rows), svg, words=tuple(map(_words, claims)))


def look(chip: Chip, label: str, workload: str, *, seed: int, samples: int = _SAMPLES) -> Claim:
    """Ratios of one workload on a chip, at the values of the files and over draws of all that have ranges."""
    work = load_workload(workload)
    mapped = map_workload(chip, work, _MAPPING, seed=seed)
    devices = beside(map(load_baseline, (_A100, *_LIKE)), chip)
    figures = mapped.figures(work.inferences, throughput=False)
    assumptions = chip_assumptions(chip, figures.lowered)
    assumptions += [one for device in devices for one in baseline_assumptions(device)]
    drawn = []
    for values in drawn_values(assumptions, samples, seed):
        variant = with_values(chip, by_path("", values))
        try:
            found = mapped.on(variant).figures(work.inferences, throughput=False)
        except EngineError:
            continue  # buffers that small lead to a deadlock
        those = [with_values(share_boundary(d, variant), by_path(d.name, values), check=False) for d in devices]
        drawn.append(_ratios(mapped, found, those))
    ratios = _ratios(mapped, figures, devices)
    ends = {key: np.percentile([one[key] for one in drawn], [5.0, 95.0]).tolist() for key in ratios}
    return Claim(label, work.inferences, ratios, {key: (low, high) for key, (low, high) in ends.items()})


def _ratios(mapped: Mapped, figures: Figures, devices: Sequence[Baseline]) -> Ratios:
    """Theirs over ours, per inference."""
    n = figures.inferences
    crossbars_pj = sum(row.energy_pj for row in figures.rows if row.component.startswith("crossbar")) / n
    on_chip_pj, link_pj, host_pj = (pj / n for pj in figures.by_place.values())
    steps = (crossbars_pj, on_chip_pj, on_chip_pj + link_pj, on_chip_pj + link_pj + host_pj)
    ours, power_w = dict(zip(_BOUNDARIES, steps, strict=True)), figures.power_w
    found: Ratios = {}
    for device in devices:
        result = evaluate_baseline(device, mapped.graph, precision=_PRECISION, batch=n)
        for case in MODELLED:
            estimate: Estimate = getattr(result, case)
            for boundary, theirs_pj in _theirs(mapped, estimate).items():
                found[device.name, case, boundary] = theirs_pj / ours[boundary]
            found[device.name, case, "power"] = 1e-3 * estimate.energy_pj / estimate.latency_ns / power_w
    return found


def _theirs(mapped: Mapped, estimate: Estimate) -> dict[str, float]:
    """Energy of an accelerator within each boundary, per inference."""
    graph, units = mapped.graph, mapped.mapping.units
    crossing = {op.name for op in graph.operators if op.on_crossbar}
    here = crossing | {name for name, place in units.items() if place.role is Role.UNIT}
    by_operator = {row.operator: row.energy_pj for row in estimate.operators}
    crossbars_pj, chip_pj = (sum(pj for name, pj in by_operator.items() if name in some) for some in (crossing, here))
    parts = estimate.energy_by_part_pj
    idle_pj = parts["device"] - sum(by_operator.values())
    steps = (crossbars_pj, chip_pj, chip_pj + idle_pj + parts["link"], estimate.energy_pj)
    return dict(zip(_BOUNDARIES, steps, strict=True))


def _is_shown(key: tuple[str, str, str]) -> bool:
    """Every boundary against the A100; against the others and for power the widest, realistic."""
    name, case, boundary = key
    if name == _A100 and boundary != "power":
        return True
    return case == REALISTIC and boundary == ("power" if name == _A100 else _BOUNDARIES[-1])


def _row(claim: Claim, key: tuple[str, str, str]) -> ValidationRow:
    name, case, boundary = key
    what = "power" if boundary == "power" else "energy"
    within = _BOUNDARIES[-1] if boundary == "power" else boundary
    return ValidationRow(
        f"{name} over chip, {what}: {claim.work}, {within}, {case}",
        1.0,
        claim.ratios[key],
        0.0,
        RowKind.PREDICTED,
        _SOURCE,
        "at least 1 is what the claim says; INT8, a batch of as many as are in flight, back to back",
        at_least=True,
        interval=claim.drawn[key],
    )


def _words(claim: Claim) -> str:
    """What holds, what does not, and what the assumed values decide, against the A100 in the realistic case."""
    groups: dict[str, list[str]] = {"holds": [], "does not hold": [], "depends on assumed values": []}
    for boundary in (*_BOUNDARIES, "power"):
        key = (_A100, REALISTIC, boundary)
        ratio, (low, high) = claim.ratios[key], claim.drawn[key]
        verdict = "holds" if min(ratio, low) > 1 else "does not hold" if max(ratio, high) < 1 else list(groups)[2]
        what = "for power" if boundary == "power" else f"within {boundary}"
        groups[verdict].append(f"{what} ({times(ratio)}, {times(low)} to {times(high)})")
    told = "; ".join(f"it {verdict} {', '.join(some)}" for verdict, some in groups.items() if some)
    work = f"{claim.work[:1].upper()}{claim.work[1:]}"
    return f"{work}, against an A100 at INT8, realistic, {claim.inferences:,} in flight: {told}."
