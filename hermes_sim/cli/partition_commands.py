"""`hermes-sim partition`: which products of a network stay on crossbars; the app registers it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hermes_sim.cli.console import console, print_json, progress_bar, table
from hermes_sim.cli.options import Arch, ChipModelName, DataDir, Json, Seed, Set, Workload
from hermes_sim.cli.overrides import both_with
from hermes_sim.config.files import check_output_file
from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.kit.formatting import energy_of_pj, time_of_ns
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.cli.documents.studies import PartitionDocument
    from hermes_sim.explore.partition import EvaluatedSplit, Partition
    from hermes_sim.flow import Mapped

_PLOT = ".svg"


def partition(
    arch: Arch,
    workload: Workload,
    max_drop: Annotated[
        float, typer.Option(help="Points of accuracy that the chip may lose against FP32 (metric's unit for errors).")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Inputs and labels: a .npz file with X, y. Default: the workload's.")
    ] = None,
    data_dir: DataDir = None,
    weights: Annotated[Path | None, typer.Option(help="Weights, .npz or safetensors. Default: the network's.")] = None,
    metric: Annotated[str | None, typer.Option(help="As for run.")] = None,
    objective: Annotated[str, typer.Option(help="energy or latency: what the split is to keep small.")] = "energy",
    mapping: Annotated[str, typer.Option(help="Strategy that places what stays on crossbars.")] = DEFAULT_MAPPING,
    draws: Annotated[int, typer.Option(min=1, help="Programmed chips to average over.")] = 3,
    samples: Annotated[int | None, typer.Option(min=1, help="Rows to score, by seed. Default: all.")] = None,
    inferences: Annotated[int, typer.Option(min=1, help="Of the run that gives latency and energy.")] = 8,
    seed: Seed = 0,
    set_: Set = None,
    chip_model: ChipModelName = None,
    calibration_overlap: Annotated[
        bool, typer.Option("--calibration-overlap", help="Let rows both calibrate the chip and be scored.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the chosen split there, as a mapping file (.yaml).")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the splits there.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them there, as .svg.")] = None,
    json_: Json = False,
) -> None:
    """Analog or digital, product by product: the cheapest split whose accuracy drops by no more than --max-drop."""
    from hermes_sim.chip.load import load_arch
    from hermes_sim.explore.partition import OBJECTIVES, Splits
    from hermes_sim.explore.partition import partition as search
    from hermes_sim.flow import graph_of
    from hermes_sim.numerics.question import Question
    from hermes_sim.numerics.workloads import network_inputs
    from hermes_sim.workload.load import load_workload

    chosen("--objective", objective, OBJECTIVES, error=WorkloadError)
    for path, suffix in ((out, ".yaml"), (csv, ".csv"), (plot, _PLOT)):
        if path is not None:
            check_output_file(path, suffix)
    chip_source, work_source = both_with(arch, workload, set_, chip_model)
    chip, work = load_arch(chip_source), load_workload(work_source)
    asked = Question(data, weights, metric, draws, samples, calibration_overlap=calibration_overlap)
    inputs = network_inputs(work, graph_of(work), asked, seed=seed, data_dir=data_dir)
    with progress_bar() as progress:
        splits = Splits(
            chip,
            work,
            inputs.data,
            inputs.weights,
            metric,
            mapping,
            draws,
            seed,
            inferences,
            progress,
        )
        found = search(splits, max_drop=max_drop, objective=objective)
    if out is not None:
        _write_mapping(out, splits.mapped(frozenset(found.chosen.digital)), found.chosen)
    if csv is not None:
        _write_csv(found, csv)
    if plot is not None:
        _plot(found, plot, max_drop)
    if json_:
        print_json(_document(found, max_drop, objective))
        return
    _print(found, max_drop)
    if out is not None:
        console.print(f"Mapping: {out}", soft_wrap=True, highlight=False)


def _document(found: Partition, max_drop: float, objective: str) -> PartitionDocument:
    from hermes_sim.cli.documents.studies import PartitionDocument

    return PartitionDocument(
        metric=found.metric,
        digital_fp32=found.digital_fp32,
        max_drop=max_drop,
        objective=objective,
        sensitivity=dict(found.sensitivity),
        steps=[step._asdict() for step in found.steps],
        chosen=found.chosen._asdict(),
        again=found.again._asdict(),
    )


def _print(found: Partition, max_drop: float) -> None:
    ranked = sorted(found.sensitivity.items(), key=lambda pair: -pair[1])
    rows = [(name, f"{drop:+.3f}") for name, drop in ranked]
    console.print(table("Drop with one matrix alone on crossbars", ("matrix", "drop"), rows))
    cells = [(*_cells(step), "chosen" if step == found.chosen else "") for step in found.steps]
    cells.append((*_cells(found.again), "chosen, other chips"))
    columns = ("on digital units", found.metric, "drop", "latency", "energy, on chip", "")
    title = f"Splits with their whole network (FP32 {found.digital_fp32:.4f}, a drop of {max_drop:g} allowed)"
    console.print(table(title, columns, cells))
    if found.again.drop > max_drop:
        told = f"On other chips the chosen split drops by {found.again.drop:.3g}, more than {max_drop:g}"
        console.print(f"{told}: a smaller --max-drop or more --draws leave a margin.", highlight=False)


def _cells(step: EvaluatedSplit) -> tuple[str, ...]:
    spread = "" if step.std is None else f" +- {step.std:.4f}"
    names = ", ".join(step.digital) or "none"
    return (
        names,
        f"{step.accuracy:.4f}{spread}",
        f"{step.drop:+.3f}",
        time_of_ns(step.latency_ns),
        energy_of_pj(step.energy_pj),
    )


def _write_mapping(path: Path, mapped: Mapped, split: EvaluatedSplit) -> None:
    from hermes_sim.mapping.pins import write_pins

    write_pins(path, replace(mapped.mapping.called(mapped.graph), digital=frozenset(split.digital)))


def _write_csv(found: Partition, path: Path) -> None:
    import pandas as pd

    from hermes_sim.config.files import written_whole

    rows = [
        step._asdict() | {"digital": " ".join(step.digital), "chosen": step == found.chosen} for step in found.steps
    ]
    with written_whole(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")


def _plot(found: Partition, path: Path, max_drop: float) -> None:
    """Drop over energy of every split that was evaluated."""
    from hermes_sim.config.files import write_text
    from hermes_sim.kit.colours import BLUE, INK, VERMILLION
    from hermes_sim.kit.plots import LegendItem, Panel, Style, axis_of, picture

    points: Sequence[tuple[float, float]] = [(step.energy_pj / 1e3, step.drop) for step in found.steps]
    x = axis_of("energy per inference on the chip, nJ", [energy for energy, _ in points], log=True)
    y = axis_of(f"drop of {found.metric.replace('_', ' ')}", [0.0, max_drop, *(drop for _, drop in points)])
    panel = Panel("", x, y, width=480, height=360)
    panel.line([(x.low, max_drop), (x.high, max_drop)], INK, dash="4 3")
    panel.series(points, Style(BLUE))
    panel.dot(found.chosen.energy_pj / 1e3, found.chosen.drop, Style(VERMILLION), radius=5)
    legend = [LegendItem("a split", Style(BLUE)), LegendItem("chosen", Style(VERMILLION))]
    write_text(path, picture(f"Splits; the dashed line is the bound of {max_drop:g}", [panel], legend))
