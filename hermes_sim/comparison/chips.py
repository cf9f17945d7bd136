"""Chips beside each other: what each needs for the same work, and how many times that of the first one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.config.vocabulary import Timing
from hermes_sim.kit.formatting import times
from hermes_sim.kit.tables import Table, number
from hermes_sim.kit.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.api import Result
    from hermes_sim.metrics.figures import ChipPoint
    from hermes_sim.result import Metrics


@dataclass(frozen=True)
class ChipRow:
    """One chip, workload and number of inferences; times and energies are per inference.

    Parameters
    ----------
    inferences : run one behind the other
    timing : of one inference ``response``, alone on an otherwise empty chip and waited for, or ``back_to_back``, one of
        a stream; of several always the latter
    energy_pj : of the chip, the off-chip channel and the host
    tops_per_w : operations per energy, 1e12 per joule; a multiply-accumulate is two
    ratios : latency_ns, energy_pj, power_w, tops_per_w and area_mm2 over those of the first chip with the same mapping,
        workload, inferences and timing; without those of which the first chip has nothing
    accuracy, accuracy_fp32 : on the simulated crossbars and in FP32; None where not simulated
    accuracy_metric : what these two are; of an error the lower one is better, and there is no drop
    kernel_error, kernel_error_fp32, kernel_error_constant : of the chip, of FP32, and of the best constant kernel
    accuracy_missing : why there is no accuracy; empty where there is one
    """

    chip: str
    mapping: str
    workload: str
    inferences: int
    timing: str
    latency_ns: float
    energy_pj: float
    power_w: float
    tops_per_w: float
    area_mm2: float
    ratios: dict[str, float]
    accuracy: float | None
    accuracy_fp32: float | None
    accuracy_drop_pp: float | None
    accuracy_metric: str | None = None
    kernel_error: float | None = None
    kernel_error_fp32: float | None = None
    kernel_error_constant: float | None = None
    accuracy_missing: str = ""

    def values(self) -> dict[str, float]:
        """What is held against the first chip."""
        return {name: getattr(self, name) for name in (*_OF_WORK, "area_mm2")}

    def work(self) -> tuple[str, str, int, str]:
        """What it does, and how."""
        return self.workload, self.mapping, self.inferences, self.timing


_OF_WORK = {
    "latency_ns": "time",
    "energy_pj": "  energy, with channel and host",
    "power_w": "  power",
    "tops_per_w": "  efficiency",
}


def chip_row(result: Result, at: tuple[int, Timing], point: ChipPoint, earlier: Sequence[ChipRow]) -> ChipRow:
    """One chip at a number of inferences and timing, beside the first of the rows before that did the same work."""
    metrics, (inferences, timing) = result.metrics, at
    row = ChipRow(
        chip=metrics.inputs.arch,
        mapping=metrics.inputs.mapping,
        workload=metrics.inputs.workload,
        inferences=inferences,
        timing=str(timing),
        latency_ns=point.time_ns,
        energy_pj=point.energy_pj,
        power_w=point.power_w,
        tops_per_w=metrics.ops / point.energy_pj if point.energy_pj else 0.0,
        area_mm2=result.chip.area_mm2,
        ratios={},
        **accuracy_columns(metrics),
    )
    first = next((one for one in earlier if one.work() == row.work()), row).values()
    row.ratios.update({name: value / first[name] for name, value in row.values().items() if first[name]})
    return row


def accuracy_columns(metrics: Metrics) -> dict[str, Any]:
    """Columns of the accuracy; empty without one."""
    found = metrics.accuracy
    if found is None:
        nothing: dict[str, Any] = dict.fromkeys(("accuracy", "accuracy_fp32", "accuracy_drop_pp"))
        return {**nothing, "accuracy_missing": metrics.accuracy_missing or ""}
    return {
        "accuracy": found.simulated,
        "accuracy_fp32": found.digital_fp32,
        "accuracy_drop_pp": found.drop_pp,
        "accuracy_metric": found.metric,
        "kernel_error": found.kernel_error,
        "kernel_error_fp32": found.digital_kernel_error,
        "kernel_error_constant": found.constant_kernel_error,
    }


def chip_tables(rows: Sequence[ChipRow]) -> list[Table]:
    """A table per workload and mapping with a column per chip; in brackets how many times the first one's value."""
    groups: defaultdict[tuple[str, str], defaultdict[str, list[ChipRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.workload, row.mapping][row.chip].append(row)
    return [_table(", ".join(work), list(chips.values())) for work, chips in groups.items()]


def _table(what: str, chips: Sequence[Sequence[ChipRow]]) -> Table:
    """Columns are chips; each has the same numbers of inferences, in the same order."""
    is_alone = len(chips) == 1

    def beside(row: ChipRow, name: str) -> str:
        value, ratio = shown(name, getattr(row, name)), row.ratios.get(name)
        return value if ratio is None or is_alone else f"{value} ({times(ratio)})"

    lines: list[list[str]] = []
    for same in zip(*chips, strict=True):
        for name, label in _OF_WORK.items():
            said = f"{label}, {_said(same[0])}" if name == "latency_ns" else label
            lines.append([said, *(beside(row, name) for row in same)])
    firsts = [mine[0] for mine in chips]
    lines.append(["area", *(beside(row, "area_mm2") for row in firsts)])
    for name in ("accuracy", "accuracy_fp32", "kernel_error", "kernel_error_fp32"):
        values = [getattr(row, name) for row in firsts]
        if any(value is not None for value in values):
            lines.append([_label(name, firsts), *("none" if value is None else f"{value:.4f}" for value in values)])
    bracket = "" if is_alone else f"; in brackets how many times the value of {firsts[0].chip}"
    return Table("chips", f"{what}{bracket}", ["per inference", *(number(row.chip) for row in firsts)], lines)


def _said(row: ChipRow) -> str:
    if row.inferences > 1:
        return f"{row.inferences:,} inferences"
    return f"one inference, {Timing(row.timing).words}"


def _label(name: str, rows: Sequence[ChipRow]) -> str:
    metric = next((row.accuracy_metric for row in rows if row.accuracy_metric), "accuracy")
    return name.replace("accuracy", metric).replace("_fp32", ", FP32").replace("_", " ")
