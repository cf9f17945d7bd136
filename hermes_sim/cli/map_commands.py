"""`hermes-sim map`: show a mapping, import and export it, compare several by simulation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import console, one_step, print_json, progress_bar, table
from hermes_sim.cli.options import Arch, Json, Set
from hermes_sim.cli.overrides import both_with, chip_with
from hermes_sim.errors import MappingError
from hermes_sim.kit.formatting import si, time_of_ns
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Mapped
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.workload.graph import OpGraph


def map_(
    arch: Arch,
    workload: Annotated[
        str | None, typer.Argument(help="Workload name or file; may be left out with --import.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="packed, spread, balanced (default), local, or a mapping file (.json, .yaml).")
    ] = None,
    import_: Annotated[Path | None, typer.Option("--import", help="Mapping file instead of --strategy.")] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the mapping: .json as published, .yaml with replicas and units."),
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="Strategy or file to set beside it by simulation; repeatable.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of all cores (.svg).")] = None,
    inferences: Annotated[int, typer.Option(min=2, help="For --compare: one behind the other.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the strategies local and balanced.")] = 0,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Show where the weights of a workload lie."""
    if import_ is not None and strategy is not None:
        raise MappingError("--strategy", got=f"{strategy} beside --import {import_}", allowed="one of the two")
    with one_step("mapping"):
        mapped = _place(arch, workload, import_ or strategy or DEFAULT_MAPPING, seed, set_)
        graph, placed, spec = mapped.graph, mapped.mapping, mapped.chip
    from hermes_sim.flow import map_operators
    from hermes_sim.mapping.summary import mapping_document

    with one_step("summary and programming"):
        document = mapping_document(graph, placed, spec)
        document["programming"] = mapped.programming()
    if compare:
        with one_step("mapping"):
            others = [
                _place(arch, workload, other, seed, set_) if workload else map_operators(spec, graph, other, seed=seed)
                for other in compare
            ]
        document["comparison"] = _compare([mapped, *others], inferences)
    if export is not None:
        _export(export, graph, placed, spec)
    if picture is not None:
        _draw(picture, placed.called(graph), spec, f"{document['workload']} on {document['arch']}, {placed.strategy}")
    if json_:
        from hermes_sim.cli.documents.runs import MapDocument

        print_json(MapDocument.model_validate(document))
        return
    _print(document)


def _place(arch: str, workload: str | None, strategy: str | Path, seed: int, set_: list[str] | None) -> Mapped:
    from hermes_sim.chip.load import load_arch
    from hermes_sim.flow import Mapped, map_workload
    from hermes_sim.mapping.mapping import Mapping

    if workload is not None:
        chip, work = both_with(arch, workload, set_)
        return map_workload(chip, work, strategy, seed=seed)
    if not isinstance(strategy, Path):
        raise MappingError("WORKLOAD", got="nothing", allowed="a workload, or --import FILE for a file on its own")
    from hermes_sim.mapping.blocks import Origin, check_blocks
    from hermes_sim.mapping.published import read_published
    from hermes_sim.mapping.summary import blocks_of_layers, graph_of_layers

    spec, path = load_arch(chip_with(arch, set_)), strategy
    if path.suffix != ".json":
        raise MappingError(
            str(path),
            got="no workload beside it",
            allowed="a published mapping (.json)",
            hint="name its workload, too",
        )
    layers = read_published(path)
    graph = graph_of_layers(path.stem, layers)
    blocks = blocks_of_layers(layers, spec)
    check_blocks(blocks, graph, spec, origin=Origin(path))
    return Mapped(spec, graph, Mapping(path.stem, tuple(blocks), {op.name: (0,) for op in graph.operators}, {}))


def _compare(mapped: list[Mapped], inferences: int) -> list[dict[str, Any]]:
    rows = []
    with progress_bar() as progress:
        for one in mapped:
            stage = str(one.mapping.strategy)
            progress(stage, 0.0)
            rows.append(_figures(one, inferences, partial(progress, stage)))
            progress(stage, 1.0)
    return rows


def _figures(mapped: Mapped, inferences: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """What one mapping does: one inference alone, the steady state, and twice as many inferences as asked for."""
    from hermes_sim.mapping.traffic import bytes_hops

    figures = mapped.figures(2 * inferences, progress=progress)
    return {
        "mapping": mapped.mapping.strategy,
        "inferences": inferences,
        "cores_used": mapped.mapping.cores_used,
        "pieces": len(mapped.mapping.blocks),
        "latency_us": figures.latency_ns / 1e3,
        "throughput_per_s": figures.throughput_inferences_per_s,
        "energy_uj": figures.energy_pj / 1e6,
        "bytes_hops": bytes_hops(mapped.graph, mapped.mapping, mapped.chip),
        "bottleneck": figures.bottleneck.resource,
        "utilization": figures.bottleneck.utilization,
        "busiest": figures.busiest,
    }


def _export(path: Path, graph: OpGraph, placed: Mapping, spec: Chip) -> None:
    from hermes_sim.mapping.pins import write_pins
    from hermes_sim.mapping.published import mapping_layers, write_published

    if path.suffix == ".json":
        write_published(path, mapping_layers(placed, graph, spec))
    elif path.suffix in {".yaml", ".yml"}:
        write_pins(path, placed.called(graph))
    else:
        raise MappingError(str(path), got=f"suffix {path.suffix!r}", allowed=".json (as published) or .yaml")


def _draw(path: Path, placed: Mapping, spec: Chip, title: str) -> None:
    from hermes_sim.config.files import write_text
    from hermes_sim.mapping.picture import mapping_svg

    if path.suffix != ".svg":
        raise MappingError(str(path), got=f"suffix {path.suffix!r}", allowed=".svg")
    write_text(path, mapping_svg(placed.blocks, spec, title=title))


def _print(document: dict[str, Any]) -> None:
    rows = [
        (
            layer["layer"],
            f"{layer['rows']} x {layer['columns']}",
            f"{layer['products_per_inference']:,}",
            str(layer["replicas"]),
            _where(layer),
        )
        for layer in document["layers"]
    ]
    title = f"{document['workload']} on {document['arch']}, {document['mapping']}"
    columns = ("layer", "weight", "products/inf.", "replicas", "cluster.core [rows, columns]")
    console.print(table(title, columns, rows))
    cores = [
        (
            f"{core['cluster']}.{core['core']}",
            f"{core['weights']:,}",
            f"{core['occupancy']:.1%}",
            time_of_ns(core["load_ns"]),
            ", ".join(core["layers"]),
        )
        for core in document["cores"]
    ]
    console.print(table("Cores", ("core", "weights", "occupied", "busy/inf.", "layers"), cores))
    _print_memory(document["unit_memory"])
    totals = document["totals"]
    console.print(
        f"{totals['cores_used']} cores, {totals['pieces']} pieces, {totals['cells_used']:,} cells: "
        f"{totals['occupancy']:.1%} of these cores, {totals['chip_occupancy']:.1%} of the chip; "
        f"{totals['bytes_hops_per_inference']:,.0f} bytes x hops per inference",
        highlight=False,
    )
    programming = document["programming"]
    if programming is not None:
        console.print(
            f"Programming: {si(programming['time_ms'] * 1e-3, 's')}, {si(programming['energy_uj'] * 1e-6, 'J')}",
            highlight=False,
        )
    if document["note"]:
        console.print(document["note"], highlight=False)
    if "comparison" in document:
        _print_comparison(document["comparison"])


def _print_memory(uses: list[dict[str, Any]]) -> None:
    """What the memories of the digital units hold, one row per level in use."""
    if not uses:
        return
    rows = [
        (
            use["unit"],
            use["level"],
            "-" if use["capacity_bytes"] is None else si(use["capacity_bytes"], "B"),
            si(use["held_bytes"], "B"),
            si(use["moved_bytes"], "B"),
            use["holds"][0] + (f" and {len(use['holds']) - 1} more" if len(use["holds"]) > 1 else "")
            if use["holds"]
            else "",
        )
        for use in uses
    ]
    console.print(table("Memory of digital units", ("unit", "level", "capacity", "held", "moved/inf.", "holds"), rows))


def _where(layer: dict[str, Any]) -> str:
    if layer["shares_cells_of"]:
        return f"cells of {layer['shares_cells_of']}"
    words = [
        f"{r['cluster']}.{r['core']} [{r['core_rows'][0]}:{r['core_rows'][1]}, "
        f"{r['core_columns'][0]}:{r['core_columns'][1]}]"
        for r in layer["regions"]
    ]
    shown = 4
    return "; ".join(words[:shown]) + (f"; {len(words) - shown} more" if len(words) > shown else "")


def _print_comparison(points: list[dict[str, Any]]) -> None:
    quantities: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
        ("cores used", lambda p: str(p["cores_used"])),
        ("latency", lambda p: si(p["latency_us"] * 1e-6, "s")),
        ("inferences per second", lambda p: f"{p['throughput_per_s']:,.1f}"),
        ("energy per inference", lambda p: si(p["energy_uj"] * 1e-6, "J")),
        ("bytes x hops per inference", lambda p: f"{p['bytes_hops']:,.0f}"),
        ("busiest resource", lambda p: f"{p['bottleneck']} {p['utilization']:.0%}"),
    )
    rows = [(name, *(show(point) for point in points)) for name, show in quantities]
    console.print(table("Side by side", ("", *(point["mapping"] for point in points)), rows))
