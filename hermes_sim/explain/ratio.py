"""Why an energy ratio is what it is: factors for peak, precision, utilisation, other work, traffic and static power.

Both sides are built up in the same order, each step adding what the step before left out:

    step                 baseline                                    chip
    peak                 all operations at the peak rate and power   all operations at that of a full core
                         of its best precision
    precision            the same at the precision compared          (its one precision)
    utilisation          matrix products at the rate they reach      reads of cores that are filled in part
    other work           and everything that is no matrix product    and LDPUs, digital units, host, programming
    data movement        and waiting for and energy of memory        and ports, links, off-chip channel, memories
                         and of the link to the host
    static power         and idling while kernels start and while    and static power over the time of the run,
                         a result is waited for, and the host's      that of the host included

A factor is how much a step raises the baseline's energy, over how much it raises the chip's; above 1 it favours
the chip. The first is the ratio of the peak efficiencies. The product of all is the ratio, exactly, because the
last step of each side is its energy. The split depends on this order. Power that a device draws while it computes
(a GPU's idle power included) belongs to its peak; only power while nothing computes is a step of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.baselines.evaluate import evaluate_baseline
from hermes_sim.baselines.flow import flow_of
from hermes_sim.baselines.kernels import list_work
from hermes_sim.baselines.schema import Fusion, RooflineDevice
from hermes_sim.chip.read_cost import read_pj
from hermes_sim.config.quantity import Quantity
from hermes_sim.config.vocabulary import Timing
from hermes_sim.kit.ratios import MODELLED, OPTIMISTIC, REALISTIC, RatioKey
from hermes_sim.metrics.energy import energy_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.metrics.runs import Run, Runs
    from hermes_sim.workload.graph import OpGraph

STEPS = ("peak", "precision", "utilisation", "other work", "data movement", "static power")
_NONE = 1e-18  # as good as no time, no energy; zero is refused where something is divided by it
_PLENTY = 1e6


@dataclass(frozen=True)
class Steps:
    """Energy of one inference after each step of `STEPS`, in pJ."""

    energies_pj: tuple[float, ...]

    def raises(self) -> list[float]:
        """Energy after each step over that before it; of the first, the energy itself."""
        before = (1.0, *self.energies_pj[:-1])
        return [after / earlier for earlier, after in zip(before, self.energies_pj, strict=True)]


def factors_of(baseline: Steps, chip: Steps) -> dict[str, float]:
    """Factors by step; their product is the energy ratio."""
    pairs = zip(STEPS, baseline.raises(), chip.raises(), strict=True)
    return {step: theirs / ours for step, theirs, ours in pairs}


def ratio_factors(
    rows: Sequence[Mapping[str, Any]], devices: Sequence[Baseline], graph: OpGraph, chip: Chip, runs: Runs
) -> list[dict[str, Any]]:
    """The `ratio_factors` entry of a result document.

    Parameters
    ----------
    rows : the `baselines` entry; rows of baselines that are not in `devices`, and measured cases, are left out
    runs : one inference on the empty chip, which stands beside a response, and all of them

    Returns
    -------
    Records ``{baseline, quantity, ratio, factors, chip_pj, baseline_pj}``, one per row and case
    """
    points = dict.fromkeys((row["batch"], Timing(row["timing"])) for row in rows)
    steps = {point: chip_steps_beside(graph, chip, runs, *point) for point in points}
    by_name = {device.name: device for device in devices}
    found = []
    for row in rows:
        if row["name"] not in by_name:
            continue
        of_cases = baseline_steps(by_name[row["name"]], graph, row)
        for case in MODELLED:
            ratio = row["energy_ratio"][case]
            if not ratio:
                continue
            key = RatioKey.of(row, "energy_ratio", case)
            theirs, ours = of_cases[case], steps[key.batch, key.timing]
            found.append(
                {
                    "baseline": f"{key.row}, {case}",
                    "name": row["name"],
                    "precision": row["precision"],
                    "batch": row["batch"],
                    "timing": row["timing"],
                    "case": case,
                    "quantity": "energy_ratio",
                    "ratio": ratio,
                    "factors": factors_of(theirs, ours),
                    "chip_pj": dict(zip(STEPS, ours.energies_pj, strict=True)),
                    "baseline_pj": dict(zip(STEPS, theirs.energies_pj, strict=True)),
                }
            )
    return found


def run_beside(runs: Runs, batch: int) -> Run:
    """The run of the chip that stands beside a batch of a baseline."""
    return runs.one if batch == 1 else runs.all


def chip_steps_beside(graph: OpGraph, chip: Chip, runs: Runs, batch: int, timing: Timing) -> Steps:
    """The chip's energy of one inference, step by step, as it stands beside a row of a baseline."""
    run, idle = run_beside(runs, batch), 1.0
    if timing is not Timing.usual(batch):  # one of a stream: static power over the period instead of the latency
        idle = 1e12 / runs.throughput_per_s / max(run.record.makespan_ps, 1)
    return chip_steps(graph, chip, run, idle)


def chip_steps(graph: OpGraph, chip: Chip, run: Run, idle: float = 1.0) -> Steps:
    """The chip's energy of one inference, step by step; `idle` is the share of the run that static power counts for."""
    n = run.lowered.inferences
    core = chip.core
    peak_pj = graph.ops * read_pj(chip) / (2 * core.rows.n * core.weight_columns)
    products = sum(graph.ops_of(op) for op in graph.operators if op.on_crossbar)
    parts = {"crossbar": 0.0, "other work": 0.0, "data movement": 0.0, "static power": 0.0}
    for row in energy_rows(run.lowered, run.record):
        part, share = ("static power", idle) if row.is_static else (_part_of(row.component), 1.0)
        parts[part] += share * row.energy_pj / n
    used_pj = peak_pj
    if products and parts["crossbar"]:  # energy per operation of the products, counted for all operations
        used_pj = parts["crossbar"] * graph.ops / products
    work_pj = parts["crossbar"] + parts["other work"]
    moved_pj = work_pj + parts["data movement"]
    return _steps(peak_pj, peak_pj, used_pj, work_pj, moved_pj, moved_pj + parts["static power"])


_OTHER_WORK = ("programming", "drift compensation", "converter calibration", "range search")


def _part_of(component: str) -> str:
    if component.startswith("crossbar"):
        return "crossbar"
    is_work = component == "LDPU" or component.endswith(" arithmetic")
    is_work = is_work or component.startswith(_OTHER_WORK)
    return "other work" if is_work else "data movement"


def baseline_steps(device: Baseline, graph: OpGraph, row: Mapping[str, Any]) -> dict[str, Steps]:
    """A baseline's energy of one inference in either case, step by step: the device without what later steps add."""
    precision, batch, timing = row["precision"], row["batch"], Timing(row["timing"])

    def energies(variant: Baseline) -> dict[str, float]:
        result = evaluate_baseline(variant, graph, precision=precision, batch=batch, timing=timing)
        return {OPTIMISTIC: result.optimistic.energy_pj, REALISTIC: result.realistic.energy_pj}

    no_start = _without_starts(device)
    no_traffic = _without_traffic(no_start)
    only_products, work = energies(_without_other_work(no_traffic)), energies(no_traffic)
    moved, whole = energies(no_start), energies(device)
    peak_pj, here_pj = (graph.ops * _peak_pj_per_op(device, of) for of in (None, precision))
    products = sum(item.matrix_ops for item in list_work(graph, flow_of(graph), Fusion.NONE))
    found = {}
    for case in MODELLED:
        used_pj = only_products[case] * graph.ops / products if products else here_pj
        found[case] = _steps(peak_pj, here_pj, used_pj, work[case], moved[case], whole[case])
    return found


def _steps(*energies_pj: float) -> Steps:
    """Steps; one that is nothing on both of its sides is as good as the one before."""
    found: list[float] = []
    for energy_pj in energies_pj:
        found.append(energy_pj if energy_pj > 0 else (found[-1] if found else 1.0))
    return Steps(tuple(found))


def _peak_pj_per_op(device: Baseline, precision: str | None) -> float:
    """Energy of an operation at the device's peak, of its most efficient precision if none is given."""
    if not isinstance(device, RooflineDevice):
        return 1e-3 * device.peak_power_mw / device.peak_tops
    rates = {str(name): rate.tops for name, rate in device.matrix_peak.items()}
    tops = rates[precision] if precision is not None else max(rates.values())
    return 1e-3 * device.board_power.mw / tops


def _set(quantity: Quantity, value: float) -> Quantity:
    return Quantity(value, quantity.dimension, quantity.kind, quantity.source, quantity.given, path=quantity.path)


def _without_starts(device: Baseline) -> Baseline:
    """Without starts, waiting and all power that is drawn beside the device itself."""
    update: dict[str, object] = {"host": None}
    if device.link is not None:
        update["link"] = device.link.model_copy(update={"static_power": _set(device.link.static_power, 0.0)})
    if not isinstance(device, RooflineDevice):
        return device.model_copy(update={**update, "start_cycles": _set(device.start_cycles, 0)})
    for name in MODELLED:
        case = getattr(device, name)
        update[name] = case.model_copy(update={"launch": _set(case.launch, 0), "wait": None})
    return device.model_copy(update=update)


def _without_traffic(device: Baseline) -> Baseline:
    memory = device.memory
    fast: dict[str, object] = {"bandwidth": _set(memory.bandwidth, memory.bandwidth.value * _PLENTY)}
    fast["energy"] = _set(memory.energy, 0.0)
    if not isinstance(device, RooflineDevice):
        return device.model_copy(update={"link": None, "memory": memory.model_copy(update=fast)})
    on_chip = device.on_chip_memory
    near = {"bandwidth": _set(on_chip.bandwidth, on_chip.bandwidth.value * _PLENTY), "latency": None}
    update = {
        "link": None,
        "memory": memory.model_copy(update={**fast, "latency": None}),
        "on_chip_memory": on_chip.model_copy(update=near),
    }
    return device.model_copy(update=update)


def _without_other_work(device: Baseline) -> Baseline:
    if isinstance(device, RooflineDevice):
        fast = {name: _set(rate, rate.value * _PLENTY) for name, rate in device.vector_peak.items()}
        update = {
            "vector_peak": fast,
            "special_peak": _set(device.special_peak, device.special_peak.value * _PLENTY),
            "special_cost": _set(device.special_cost, 0.0),
        }
        return device.model_copy(update=update)
    unit = device.vector
    fast_unit = {
        "lanes": _set(unit.lanes, unit.lanes.value * _PLENTY),
        "special_lanes": _set(unit.special_lanes, unit.special_lanes.value * _PLENTY),
        "energy": _set(unit.energy, 0.0),
        "special_energy": _set(unit.special_energy, 0.0),
    }
    return device.model_copy(update={"vector": unit.model_copy(update=fast_unit)})
