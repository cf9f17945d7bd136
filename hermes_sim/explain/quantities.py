"""Explanation of a quantity by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import HermesSimError, nearest
from hermes_sim.explain.config import Config, baseline_places, chip_places
from hermes_sim.explain.energy import energy_node
from hermes_sim.explain.latency import latency_node
from hermes_sim.explain.rates import (
    area_node,
    efficiency_node,
    makespan_node,
    power_node,
    throughput_node,
    tops_node,
)
from hermes_sim.explain.ratio import STEPS, baseline_steps, chip_steps_beside, factors_of, run_beside
from hermes_sim.explain.tree import Rule, TreeNode, product
from hermes_sim.kit.ratios import MODELLED, RatioKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.config.files import Source
    from hermes_sim.flow import Simulated

_RATIOS = ("ratio", "latency_ratio")
_MEANING = {
    "peak": "energy per operation at peak: the device's best precision over a full core",
    "precision": "the precision compared, over the device's best",
    "utilisation": "matrix products below peak rate; cores filled in part",
    "other work": "what is no matrix product: exponentials, LDPUs, digital units, host",
    "data movement": "device memory, link to the host; ports, links, off-chip channel, memories of units",
    "static power": "idling while kernels start and results are waited for, host; static power, host included",
}


class UnknownQuantity(HermesSimError):  # noqa: N818 - named for what the user sees
    """A quantity that there is no explanation of."""

    code = "unknown_quantity"


def quantity_names(result: Simulated) -> list[str]:
    """Names that `explain` takes for a result."""
    energy = result.metrics.energy_pj
    names = ["latency", "makespan", "throughput", "energy", "power", "tops", "tops_per_w", "area"]
    names += ["energy.alone", "energy.static", "energy.dynamic"]
    names += [f"energy.{name}" for part in (energy.by_component, energy.by_operator) for name, pj in part.items() if pj]
    for row in result.document["baselines"]:
        head = f"{row['name']}.{row['precision']}.batch{row['batch']}{_timing_part(row)}"
        names += [f"{ratio}.{head}.{case}" for ratio in _RATIOS for case in MODELLED]
    return names


def explain(
    result: Simulated,
    quantity: str,
    *,
    arch: Source = "",
    overrides: Mapping[str, Any] | None = None,
    baselines: Mapping[str, str] | None = None,
) -> TreeNode:
    """How a number of a result came about.

    Parameters
    ----------
    quantity : one of `quantity_names`; of a ratio the case (default realistic) and the batch (default the largest)
        may be left out: ``ratio.a100.int8``; ``ratio.a100.int8.batch1`` is that of the response, and
        ``ratio.a100.int8.batch1.back_to_back`` that of one of a stream
    arch, overrides : file that the chip was loaded from (default: the shipped one of its name) and changes to it,
        for the lines of config values
    baselines : name of an accelerator -> file that it was loaded from; default: the shipped one of its name

    Raises
    ------
    UnknownQuantity
        no such quantity, with the nearest there is
    """
    config = Config(result.chip, chip_places(arch or result.chip.name, overrides))
    runs = result.runs
    makers: dict[str, Callable[[], TreeNode]] = {
        "latency": lambda: latency_node(runs, config),
        "makespan": lambda: makespan_node(runs),
        "throughput": lambda: throughput_node(runs),
        "energy": lambda: energy_node(runs.all, config),
        "power": lambda: power_node(runs, config),
        "tops": lambda: tops_node(runs),
        "tops_per_w": lambda: efficiency_node(runs, config),
        "area": lambda: area_node(result.chip, config),
        "energy.alone": lambda: energy_node(runs.one, config, name="energy of one inference alone on the chip"),
        "energy.static": lambda: energy_node(runs.all, config, keep=lambda row: row.is_static, name="static energy"),
        "energy.dynamic": lambda: energy_node(
            runs.all, config, keep=lambda row: not row.is_static, name="dynamic energy"
        ),
    }
    if quantity in makers:
        return makers[quantity]()
    head, _, tail = quantity.partition(".")
    if head == "energy" and tail in result.metrics.energy_pj.by_component:
        return energy_node(runs.all, config, keep=lambda row: row.component == tail, name=tail)
    if head == "energy" and tail in result.metrics.energy_pj.by_operator:
        return energy_node(runs.all, config, keep=lambda row: row.operator == tail, name=tail)
    if head in _RATIOS and (row := _row(result, tail)) is not None:
        maker = _energy_ratio if head == "ratio" else _latency_ratio
        return maker(result, config, *row, (baselines or {}).get(row[0]["name"], row[0]["name"]))
    names = quantity_names(result)
    ending = "BASELINE.PRECISION[.batchN[.back_to_back]][.optimistic|.realistic]"
    allowed = [name for name in names if not name.endswith(MODELLED)]
    allowed += [f"{ratio}.{ending}" for ratio in _RATIOS if len(allowed) < len(names)]
    raise UnknownQuantity("quantity", got=repr(quantity), allowed=", ".join(allowed), hint=nearest(quantity, names))


def _timing_part(row: Mapping[str, Any]) -> str:
    """Part of a name that only a row of unusual timing has."""
    return "" if row["timing"] == Timing.usual(row["batch"]) else f".{row['timing']}"


def _row(result: Simulated, text: str) -> tuple[Mapping[str, Any], str] | None:
    """Row of the document and case that ``a100.int8.batch1.realistic`` names."""
    parts = text.split(".")
    case = parts.pop() if parts[-1] in MODELLED else "realistic"
    timing = f".{parts.pop()}" if parts[-1] == Timing.BACK_TO_BACK else ""
    batch = parts.pop() if parts[-1].startswith("batch") else ""
    rows = [
        row
        for row in result.document["baselines"]
        if [row["name"], row["precision"]] == parts
        and batch in ("", f"batch{row['batch']}")
        and timing == _timing_part(row)
    ]
    return (max(rows, key=lambda row: row["batch"]), case) if rows else None


def _device(result: Simulated, name: str) -> Baseline:
    return next(device for device in result.devices if device.name == name)


def _energy_ratio(result: Simulated, config: Config, row: Mapping[str, Any], case: str, file: str) -> TreeNode:
    """Product of the factors; each with the energies of both sides after its step."""
    device = _device(result, row["name"])
    key = RatioKey.of(row, "energy_ratio", case)
    theirs = baseline_steps(device, result.graph, row)[case]
    run = run_beside(result.runs, key.batch)
    ours = chip_steps_beside(result.graph, result.chip, result.runs, key.batch, key.timing)
    parts = []
    for i, (step, factor) in enumerate(factors_of(theirs, ours).items()):
        sides = (
            TreeNode(f"{row['name']}, up to {step}", theirs.energies_pj[i], "pJ"),
            TreeNode(f"chip, up to {step}", ours.energies_pj[i], "pJ"),
        )
        parts.append(TreeNode(step, factor, "x", Rule.FROM, sides, note=_MEANING[step]))
    parts[-1] = replace(
        parts[-1], parts=(*parts[-1].parts, _device_values(device, row, case, file), energy_node(run, config))
    )
    name = f"energy of {key.row}, {case}, over the chip's"
    return product(name, "x", parts, value=row["energy_ratio"][case], note=f"{len(STEPS)} factors")


def _latency_ratio(result: Simulated, config: Config, row: Mapping[str, Any], case: str, file: str) -> TreeNode:
    """Time of the baseline over the chip's."""
    key = RatioKey.of(row, "latency_ratio", case)
    time_ps = row[case]["latency_ns"] * 1e3
    values = _device_values(_device(result, row["name"]), row, case, file)
    theirs = TreeNode(f"time of {row['name']} per inference", time_ps, "ps", Rule.FROM, (values,),
                  note="operators, link, waiting; see hermes-sim baseline run")  # fmt: skip
    ours = _time_of_chip(result, config, key)
    return product(
        f"time of {key.row}, {case}, over the chip's", "x", [theirs, *ours], value=row["latency_ratio"][case]
    )


def _time_of_chip(result: Simulated, config: Config, key: RatioKey) -> list[TreeNode]:
    """Factors of one over the chip's time per inference: of one alone, of one in the long run, of the whole run."""
    if key.timing is not Timing.usual(key.batch):
        return [throughput_node(result.runs), TreeNode("ps per s", 1e12, "", power=-1)]
    if key.batch == 1:
        return [replace(latency_node(result.runs, config), power=-1)]
    whole = makespan_node(result.runs)
    parts = (whole, TreeNode("inferences", float(key.batch), "", power=-1))
    value = whole.value / key.batch
    return [TreeNode("time of the run per inference", value, "ps", Rule.PRODUCT, parts, power=-1)]


def _device_values(device: Baseline, row: Mapping[str, Any], case: str, file: str) -> TreeNode:
    """The values of a baseline file that stand behind a row."""
    config = Config(device, baseline_places(file), row["name"])
    other_case = MODELLED[1 - MODELLED.index(case)]
    peaks = [path for path in config.paths() if path.startswith("matrix_peak.")]
    hidden = {path for path in peaks if path != f"matrix_peak.{row['precision']}"}
    leaves = tuple(
        config.leaf(path) for path in config.paths() if path not in hidden and not path.startswith(f"{other_case}.")
    )
    return TreeNode(
        f"values of {row['name']}", float(len(leaves)), "values", Rule.FROM, leaves, note="docs/baselines.md"
    )
