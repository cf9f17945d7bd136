"""Chips x workloads x baselines in one table: energy, time, energy-delay, power, area, accuracy, and their ratios."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from hermes_sim.api import simulate
from hermes_sim.baselines.evaluate import precisions_of
from hermes_sim.baselines.load import load_baselines
from hermes_sim.baselines.schema import SystolicArray
from hermes_sim.chip.load import load_arch
from hermes_sim.comparison.chips import ChipRow, accuracy_columns, chip_row
from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import ArchConfigError, WorkloadError, nearest
from hermes_sim.kit.formatting import crosses_one
from hermes_sim.kit.ratios import CASES, RATIOS, RatioKey
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.uncertainty.propagate import uncertainty_of
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hermes_sim.api import Result
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import Source
    from hermes_sim.metrics.figures import ChipPoint


@dataclass(frozen=True)
class ComparisonRow:
    """One chip, workload and number of inferences against one baseline, precision and case.

    Times and energies are per inference. Ratios are the baseline's over the chip's: above 1 the chip wins. `_low`
    and `_high` are the 5 and 95 % ends of a ratio, None where they were not asked for. `edp` is energy times time.

    Parameters
    ----------
    inferences : run one behind the other by the chip, as one batch by the baseline
    timing : of one inference ``response``, alone on an otherwise empty chip and waited for, or ``back_to_back``, one of
        a stream; of several always the latter
    chip_on_chip_pj, chip_link_pj, chip_host_pj : parts of the chip's energy
    baseline_device_pj, baseline_link_pj, baseline_host_pj : parts of the baseline's; None where measured
    baseline_area_mm2 : None where no area is known
    accuracy, accuracy_fp32 : on the simulated crossbars and in FP32; None where not simulated. A baseline is
        credited with the accuracy of FP32 at every precision
    accuracy_metric : what these two are; of an error the lower one is better, and there is no drop
    kernel_error, kernel_error_fp32, kernel_error_constant : of the chip, of FP32, and of the best constant kernel
    accuracy_missing : why there is no accuracy; empty where there is one
    """

    chip: str
    mapping: str
    workload: str
    inferences: int
    baseline: str
    precision: str
    case: str
    chip_latency_ns: float
    chip_energy_pj: float
    chip_edp_pj_ns: float
    chip_power_w: float
    chip_area_mm2: float
    baseline_latency_ns: float
    baseline_energy_pj: float | None
    baseline_edp_pj_ns: float | None
    baseline_power_w: float | None
    baseline_area_mm2: float | None
    energy_ratio: float | None
    energy_ratio_low: float | None
    energy_ratio_high: float | None
    latency_ratio: float
    latency_ratio_low: float | None
    latency_ratio_high: float | None
    edp_ratio: float | None
    accuracy: float | None
    accuracy_fp32: float | None
    accuracy_drop_pp: float | None
    accuracy_metric: str | None = None
    kernel_error: float | None = None
    kernel_error_fp32: float | None = None
    kernel_error_constant: float | None = None
    accuracy_missing: str = ""
    timing: str = str(Timing.BACK_TO_BACK)
    chip_on_chip_pj: float | None = None
    chip_link_pj: float | None = None
    chip_host_pj: float | None = None
    baseline_device_pj: float | None = None
    baseline_link_pj: float | None = None
    baseline_host_pj: float | None = None

    def winner(self, quantity: str = "energy_ratio") -> str:
        """``chip``, ``digital``, or ``open`` where ratio and interval do not lie on one side of 1, or are not known."""
        ratio = getattr(self, quantity)
        if ratio is None or crosses_one(ratio, self.ends(quantity)):
            return "open"
        return "chip" if ratio > 1 else "digital"

    def ends(self, quantity: str) -> tuple[float, float] | None:
        """Interval of a ratio, None where it was not asked for."""
        low, high = getattr(self, f"{quantity}_low", None), getattr(self, f"{quantity}_high", None)
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class ComparedRows:
    """Rows of a comparison: chips beside baselines, and chips beside each other."""

    rows: list[ComparisonRow]
    chips: list[ChipRow]


def compare(
    archs: Sequence[Source],
    workloads: Sequence[Source],
    baselines: Sequence[Source],
    *,
    inferences: Sequence[int] = (),
    mapping: str = DEFAULT_MAPPING,
    precisions: Sequence[str] = (),
    samples: int = 0,
    accuracy: bool = False,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> ComparedRows:
    """Every chip and workload beside every baseline and beside the first chip.

    Parameters
    ----------
    archs, workloads, baselines : shipped names or paths; without baselines the chips stand beside each other alone
    inferences : numbers of inferences; default: one, and as many as the workload file says
    precisions : of the baselines, one of which at least must have each; default: all
    samples : for intervals of the ratios; 0 for none
    accuracy : simulate the crossbars on data where the workload has some

    Raises
    ------
    HermesSimError
        for any input that cannot be used
    """
    for what, names in (("chips", archs), ("workloads", workloads)):
        if not names:
            raise WorkloadError(f"compare: {what}", got="none", allowed="at least one name or path")
    devices = load_baselines(baselines)
    has = {precision for device in devices for precision in precisions_of(device)}
    for precision in precisions:
        if precision not in has:
            raise ArchConfigError(
                "compare: precision",
                got=repr(precision),
                allowed=f"one that a baseline has: {', '.join(sorted(has))}",
                hint=nearest(precision, has),
            )
    found = ComparedRows([], [])
    points = [
        (chip, workload, n, batches)
        for chip in _chips_of(archs)
        for workload in workloads
        for n, batches in _runs_for(inferences or (1, load_workload(workload).inferences)).items()
    ]
    for i, (chip, workload, n, batches) in enumerate(points):
        result = simulate(
            chip,
            workload,
            mapping=mapping,
            inferences=n,
            baselines=tuple(baselines),
            accuracy=None if accuracy else False,
            seed=seed,
            data_dir=data_dir,
        )
        intervals = _intervals(result, samples, seed) if samples else {}
        ours = result.figures.points()
        for batch in batches:
            found.rows.extend(_rows(result, batch, ours, intervals, precisions))
            for at, point in ours.items():
                if at[0] == batch:
                    found.chips.append(chip_row(result, at, point, found.chips))
        if progress:
            progress("chips and workloads", (i + 1) / len(points))
    return found


def frame_of(rows: Sequence[ComparisonRow]) -> pd.DataFrame:
    """Rows as a data frame, one column per field."""
    return pd.DataFrame([asdict(row) for row in rows], columns=[field.name for field in fields(ComparisonRow)])


def _chips_of(archs: Sequence[Source]) -> list[Chip]:
    """All chips, with names of their own, by which rows tell them apart."""
    chips = [load_arch(arch) for arch in archs]
    names = [chip.name for chip in chips]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ArchConfigError(f"chip {archs[i]}", got=f"name: {name}", allowed="a name that no other chip has")
    return chips


def _runs_for(inferences: Sequence[int]) -> dict[int, list[int]]:
    """Inferences of each run and the batches that it answers; every run knows what one inference alone needs."""
    runs = {n: [n] for n in inferences if n > 1}
    if not runs:
        return {1: [1]}
    if 1 in inferences:
        next(iter(runs.values())).insert(0, 1)
    return runs


def _intervals(result: Result, samples: int, seed: int) -> Mapping[str, Any]:
    found = uncertainty_of(result, samples=samples, seed=seed, tornado=False)
    quantities: Mapping[str, Any] = found["quantities"]
    return quantities


def _rows(
    result: Result,
    n: int,
    points: Mapping[tuple[int, Timing], ChipPoint],
    intervals: Mapping[str, Mapping[str, float]],
    precisions: Sequence[str],
) -> list[ComparisonRow]:
    metrics = result.metrics
    area = {device.name: device.area_mm2 for device in result.devices if isinstance(device, SystolicArray)}
    rows = []
    for row in result.document["baselines"]:
        if row["batch"] != n or (precisions and row["precision"] not in precisions):
            continue
        ours = points[n, Timing(row["timing"])]
        for case in CASES:
            if case not in row:
                continue
            theirs_ns, theirs_pj = row[case]["latency_ns"], row[case]["energy_pj"]
            energy_ratio = row["energy_ratio"][case]
            ends: dict[str, Any] = {
                f"{ratio}_{end}": intervals.get(str(RatioKey.of(row, ratio, case)), {}).get(end)
                for ratio in RATIOS
                for end in ("low", "high")
            }
            rows.append(
                ComparisonRow(
                    chip=metrics.inputs.arch,
                    mapping=metrics.inputs.mapping,
                    workload=metrics.inputs.workload,
                    inferences=n,
                    baseline=row["name"],
                    precision=row["precision"],
                    case=case,
                    chip_latency_ns=ours.time_ns,
                    chip_energy_pj=ours.energy_pj,
                    chip_edp_pj_ns=ours.energy_pj * ours.time_ns,
                    chip_power_w=ours.power_w,
                    chip_area_mm2=result.chip.area_mm2,
                    baseline_latency_ns=theirs_ns,
                    baseline_energy_pj=theirs_pj,
                    baseline_edp_pj_ns=theirs_pj * theirs_ns if theirs_pj is not None else None,
                    baseline_power_w=1e-3 * theirs_pj / theirs_ns if theirs_pj is not None else None,
                    baseline_area_mm2=area.get(row["name"]),
                    energy_ratio=energy_ratio,
                    latency_ratio=row["latency_ratio"][case],
                    edp_ratio=energy_ratio * row["latency_ratio"][case] if energy_ratio is not None else None,
                    timing=row["timing"],
                    **_parts(ours, row[case]),
                    **accuracy_columns(metrics),
                    **ends,
                )
            )
    return rows


def _parts(ours: ChipPoint, theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of what either side spends where."""
    places = zip(("on_chip", "link", "host"), ours.by_place_pj.values(), strict=True)
    parts = theirs.get("energy_by_part_pj", {})
    return {
        **{f"chip_{name}_pj": pj for name, pj in places},
        **{f"baseline_{name}_pj": pj for name, pj in parts.items()},
    }
