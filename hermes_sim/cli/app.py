"""All commands of `hermes-sim`, one per function; what a command does lives below, in the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hermes_sim._version import __version__
from hermes_sim.cli.accuracy_commands import accuracy as accuracy_command
from hermes_sim.cli.analog_note import note_reads
from hermes_sim.cli.baseline_commands import baseline_app
from hermes_sim.cli.compare_commands import compare
from hermes_sim.cli.console import console, print_json, print_result, progress_bar
from hermes_sim.cli.data_commands import app as data_app
from hermes_sim.cli.drift_commands import drift
from hermes_sim.cli.explain_commands import explain
from hermes_sim.cli.fit_commands import fit
from hermes_sim.cli.list_commands import list_, show
from hermes_sim.cli.map_commands import map_
from hermes_sim.cli.new_commands import new
from hermes_sim.cli.options import Arch, ChipModelNames, DataDir, Force, Inferences, Json, Mapping, Seed, Set, Workload
from hermes_sim.cli.overrides import both_with
from hermes_sim.cli.partition_commands import partition
from hermes_sim.cli.reproduce_commands import reproduce
from hermes_sim.cli.schema_commands import schema
from hermes_sim.cli.serve_commands import app as serve_app
from hermes_sim.cli.sweep_commands import sweep_app
from hermes_sim.cli.times import seconds_of
from hermes_sim.cli.trace_commands import load
from hermes_sim.cli.trace_commands import trace as trace_command
from hermes_sim.cli.train_commands import train
from hermes_sim.cli.validate_commands import app as validate_app
from hermes_sim.config.files import check_report_folder
from hermes_sim.errors import OutputError
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

app = typer.Typer(
    help="Latency, energy and accuracy of analog in-memory-computing chips.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Latency, energy and accuracy of analog in-memory-computing chips."""
    if version:
        console.print(__version__)
        raise typer.Exit


@app.command()
def run(
    arch: Arch,
    workload: Workload,
    mapping: Mapping = DEFAULT_MAPPING,
    engine: Annotated[str, typer.Option(help="compiled or simpy; the result is the same.")] = "compiled",
    inferences: Inferences = None,
    seed: Seed = 0,
    baseline: Annotated[
        list[str] | None, typer.Option(help="Digital accelerator to stand beside; repeatable. Default a100.")
    ] = None,
    accuracy: Annotated[
        bool | None, typer.Option("--accuracy/--no-accuracy", help="Simulate the crossbars on real data.")
    ] = None,
    effects: Annotated[
        str,
        typer.Option(metavar="none|all|NAME,...", help="Imperfections of the crossbars that the accuracy sees."),
    ] = "all",
    data: Annotated[
        Path | None,
        typer.Option(help="Inputs and labels of a network: a .npz file with X, y. Default: the workload's."),
    ] = None,
    data_dir: DataDir = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of a network, .npz or safetensors. Default: the workload's own.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="accuracy, bits_per_character, mean_squared_error, agreement or output_error."),
    ] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Programmed chips to average over.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Rows to score, by seed. Default: all.")] = None,
    time: Annotated[
        list[str] | None,
        typer.Option(metavar="1h,1d,...", help="Accuracy of a network so long after programming; repeatable."),
    ] = None,
    calibration_overlap: Annotated[
        bool, typer.Option("--calibration-overlap", help="Let rows both calibrate the chip and be scored.")
    ] = False,
    set_: Set = None,
    chip_model: ChipModelNames = None,
    out: Annotated[Path | None, typer.Option(help="Write a report folder there.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Put trace.json (Perfetto, Chrome) into the report.")] = False,
    uncertainty: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Propagate the ranges of assumed and fitted values by N samples; 0: not at all. "
            "Default: a few samples of the chip's own figures, if the program is small.",
        ),
    ] = None,
    force: Force = False,
    json_: Json = False,
) -> None:
    """Simulate a workload on a chip and compare it with digital accelerators."""
    from hermes_sim.api import simulate
    from hermes_sim.cli.uncertainty_commands import print_uncertainty

    if out is not None:
        check_report_folder(out, replace=force)
    elif trace:
        raise OutputError("--trace", got="no --out", allowed="together with --out DIR, where trace.json goes")
    chip, work = both_with(arch, workload, set_)
    with progress_bar() as progress:
        result = simulate(
            chip,
            work,
            mapping=mapping,
            engine=engine,
            inferences=inferences,
            seed=seed,
            baselines=tuple(baseline) if baseline else ("a100",),
            accuracy=accuracy,
            effects=effects,
            data=data,
            data_dir=data_dir,
            weights=weights,
            metric=metric,
            draws=draws,
            samples=samples,
            times_s=seconds_of(time or [], "--time"),
            calibration_overlap=calibration_overlap,
            chip_models=chip_model or (),
            trace=trace,
            uncertainty=uncertainty,
            progress=progress,
        )
    folder = result.report(out, replace=force) if out is not None else None
    note_reads(result.chip, set_ or [], result.metrics)
    if json_:
        print_json(result.metrics)
        return
    print_result(result.document)
    if uncertainty:
        print_uncertainty(result.document)
    if folder is not None:
        console.print(f"Report: {folder / 'report.html'}", soft_wrap=True, highlight=False)


app.command(name="list")(list_)
app.command()(show)
app.command(name="map")(map_)
app.command()(trace_command)
app.command()(load)
app.command()(explain)
app.command()(compare)
app.command()(reproduce)
app.command()(accuracy_command)
app.command()(drift)
app.command()(fit)
app.command()(new)
app.command()(partition)
app.command()(schema)
app.command()(train)
app.add_typer(baseline_app, name="baseline")
app.add_typer(data_app, name="data")
app.add_typer(serve_app, name="serve")
app.add_typer(sweep_app, name="sweep")
app.add_typer(validate_app, name="validate")
