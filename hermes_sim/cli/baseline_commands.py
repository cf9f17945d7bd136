"""`hermes-sim baseline`: the digital accelerators that a chip is compared with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import console, one_step, print_json, table
from hermes_sim.cli.options import Json, SetWorkload, Workload
from hermes_sim.cli.overrides import workload_with
from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import BaselineError, nearest
from hermes_sim.kit.formatting import energy_of_pj, si, time_of_ns
from hermes_sim.kit.ratios import CASES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

baseline_app = typer.Typer(help="Digital accelerators that a chip is compared with.", no_args_is_help=True)

_MAX_SIZE = 2**31


@baseline_app.command("list")
def list_baselines(json_: Json = False) -> None:
    """List the shipped baselines with peak, power and precisions."""
    from hermes_sim.baselines.load import baseline_names, load_baseline
    from hermes_sim.baselines.schema import RooflineDevice

    rows: list[dict[str, Any]] = []
    for name in baseline_names():
        baseline = load_baseline(name)
        if isinstance(baseline, RooflineDevice):
            best = max(rate.tops for rate in baseline.matrix_peak.values())
            power_w = baseline.board_power.mw / 1e3
        else:
            best, power_w = baseline.peak_tops, baseline.peak_power_mw / 1e3
        rows.append(
            {
                "name": name,
                "kind": baseline.kind,
                "peak_tops": best,
                "power_w": power_w,
                "tops_per_w": best / power_w,
                "precisions": baseline.precisions,
                "description": baseline.description,
            }
        )
    if json_:
        from hermes_sim.cli.documents.comparisons import BaselineListDocument

        print_json(BaselineListDocument.model_validate({"baselines": rows}))
        return
    cells = [
        (
            row["name"],
            f"{row['peak_tops']:.4g}",
            f"{row['power_w']:.4g}",
            f"{row['tops_per_w']:.3g}",
            " ".join(row["precisions"]),
            row["description"],
        )
        for row in rows
    ]
    columns = ("baseline", "peak TOPS", "W at peak", "TOPS/W", "precisions", "description")
    console.print(table("Shipped baselines", columns, cells))


@baseline_app.command("run")
def run_baseline(
    baseline: Annotated[str, typer.Argument(help="Shipped baseline name, or path of a baseline file.")],
    workload: Workload,
    precision: Annotated[str | None, typer.Option(help="Default: the first that the baseline has.")] = None,
    batch: Annotated[int, typer.Option(help="Inferences at hand; figures are per inference.")] = 1,
    timing: Annotated[
        Timing | None, typer.Option(help="One request alone, or one of a stream. Default: response at batch 1.")
    ] = None,
    beside: Annotated[
        str | None, typer.Option(metavar="CHIP", help="Chip whose size it takes, if it is of a kind that does.")
    ] = None,
    set_: SetWorkload = None,
    json_: Json = False,
) -> None:
    """Time and energy of a workload on one baseline, operator by operator."""
    from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of
    from hermes_sim.baselines.load import load_baseline
    from hermes_sim.baselines.sizing import beside as sized_beside
    from hermes_sim.chip.load import load_arch
    from hermes_sim.workload.load import build_graph, load_workload

    device = load_baseline(baseline)
    if beside is not None:
        [device] = sized_beside([device], load_arch(beside))
    with one_step("operators"):
        graph = build_graph(load_workload(workload_with(workload, set_)))
        chosen = precision or precisions_of(device)[0]
        result = evaluate_baseline(device, graph, precision=chosen, batch=batch, timing=timing)
    operators = [cost.record() for cost in result.operators]
    if json_:
        from hermes_sim.cli.documents.comparisons import BaselineRunDocument

        told = {"workload": graph.name, **result.record(), "operators": operators}
        print_json(BaselineRunDocument.model_validate(told))
        return
    title = f"{graph.name} on {result.name} at {result.precision}, batch {batch}, {result.timing.words}, per inference"
    cases = [(label, result.record()[label]) for label in CASES if label in result.record()]
    parts = ("case", "time", "= device", "+ link", "+ wait", "energy", "= device", "+ link", "+ host")
    console.print(table(title, parts, [_case_cells(label, case) for label, case in cases], keep_first=True))
    columns = ("operator (realistic)", "op", "op/byte", "compute", "memory", "launch", "bound by", "energy")
    cells_of = [
        (
            row["operator"],
            si(row["ops"], ""),
            f"{row['intensity']:.3g}" if row["intensity"] is not None else "-",
            *(time_of_ns(row[part]) for part in ("compute_ns", "memory_ns", "launch_ns")),
            row["bound"],
            energy_of_pj(row["energy_pj"]),
        )
        for row in operators
    ]
    console.print(table("Operators", columns, cells_of))


def _case_cells(label: str, case: Mapping[str, Any]) -> tuple[str, ...]:
    """Time and energy of a case with their parts, which a measurement has none of."""

    def cells(total: float | None, parts: Mapping[str, float] | None, words: Callable[[float], str]) -> list[str]:
        told = [words(part) for part in parts.values()] if parts else ["-"] * 3
        return ["-" if total is None else words(total), *told]

    times = cells(case["latency_ns"], case.get("time_by_part_ns"), time_of_ns)
    return (label, *times, *cells(case["energy_pj"], case.get("energy_by_part_pj"), energy_of_pj))


@baseline_app.command()
def systolic(
    array: Annotated[str, typer.Option(help="Rows and columns of the array, e.g. 128x128.")],
    gemm: Annotated[str, typer.Option(help="Inputs (M x K) times weights (K x N), e.g. 4000x32x128.")],
    dataflow: Annotated[str, typer.Option(help="ws, os or is: what stays in the array; or best.")] = "ws",
    energies: Annotated[
        str, typer.Option(help="Systolic baseline whose energies, SRAM and memory are used.")
    ] = "systolic_same_area",
    json_: Json = False,
) -> None:
    """Cycles, traffic and energy of one matrix product on one systolic array."""
    from hermes_sim.baselines.gemm import Gemm
    from hermes_sim.baselines.load import load_baseline
    from hermes_sim.baselines.schema import Dataflow, SystolicArray
    from hermes_sim.baselines.systolic import run_gemm

    rows, columns = _sizes("--array", array, "ROWSxCOLS", 2)
    m, k, n = _sizes("--gemm", gemm, "MxKxN", 3)
    if dataflow not in list(Dataflow):
        hint = nearest(dataflow, map(str, Dataflow))
        raise BaselineError("--dataflow", got=dataflow, allowed=", ".join(Dataflow), hint=hint)
    device = load_baseline(energies)
    if not isinstance(device, SystolicArray):
        raise BaselineError("--energies", got=f"{energies}, a {device.kind}", allowed="a systolic baseline")
    run = run_gemm(device, Gemm(m, k, n), rows=rows, columns=columns, dataflow=Dataflow(dataflow))
    record = {"array": f"{rows}x{columns}", "gemm": f"{m}x{k}x{n}", "energies": device.name, **run.record()}
    if json_:
        from hermes_sim.cli.documents.comparisons import SystolicDocument

        print_json(SystolicDocument.model_validate(record))
        return
    cells = [(name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in record.items()]
    console.print(table("One matrix product on one systolic array", ("quantity", "value"), cells))


def _sizes(option: str, text: str, form: str, count: int) -> list[int]:
    """Whole numbers of ``8x16x32``.

    Raises
    ------
    BaselineError
        if there are not `count` of them, or one is zero or absurdly large
    """
    parts = re.split("[xX]", text.strip())
    sizes = [int(part) for part in parts if part.strip().isdecimal()]
    if len(parts) != count or len(sizes) != count or not all(0 < size <= _MAX_SIZE for size in sizes):
        raise BaselineError(option, got=repr(text), allowed=f"{form}, each a whole number from 1 to 2^31")
    return sizes
