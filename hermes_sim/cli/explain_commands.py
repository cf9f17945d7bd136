"""`hermes-sim explain`: how a number came about, down to the lines of the config files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from hermes_sim.cli.console import console, print_json, progress_bar
from hermes_sim.cli.options import Arch, Baselines, Inferences, Json, Mapping, Seed, Set, Workload
from hermes_sim.cli.overrides import both_with
from hermes_sim.kit.words import in_base_unit
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from hermes_sim.explain.tree import TreeNode

_PREFIXED = frozenset({"ps", "pJ", "mW", "W"})  # other units, pJ/byte too, stay those of the files
_LIST = "hermes-sim explain QUANTITY CHIP WORKLOAD --list"
_SIGNS = {"sum": "sum of", "product": "product of", "from": "from"}


def explain(
    quantity: Annotated[
        str,
        typer.Argument(
            show_default=False,
            help="latency, energy, energy.COMPONENT, throughput, ratio.a100.int8, ...; see --list.",
        ),
    ] = "",
    arch: Arch = "hermes_64",
    workload: Workload = "kernel_ridge_digits",
    mapping: Mapping = DEFAULT_MAPPING,
    inferences: Inferences = None,
    seed: Seed = 0,
    baseline: Baselines = None,
    set_: Set = None,
    depth: Annotated[int, typer.Option(min=1, help="Levels of the tree to print.")] = 5,
    width: Annotated[int, typer.Option(min=1, help="Parts of a sum to print; the rest is one line.")] = 8,
    list_: Annotated[bool, typer.Option("--list", help="Print the names of all quantities and stop.")] = False,
    json_: Json = False,
) -> None:
    """Show the sum or product behind a number, each factor with unit, kind, source and config line."""
    from hermes_sim.api import simulate
    from hermes_sim.explain.quantities import UnknownQuantity, quantity_names
    from hermes_sim.explain.quantities import explain as explain_quantity

    if not quantity and not list_:
        raise typer.BadParameter("Missing argument 'quantity': one of those that --list prints")
    chip, work = both_with(arch, workload, set_)
    baselines = baseline or ["a100"]
    with progress_bar() as progress:
        result = simulate(
            chip,
            work,
            mapping=mapping,
            inferences=inferences,
            seed=seed,
            baselines=baselines,
            accuracy=False,
            progress=progress,
        )
    if list_:
        names = quantity_names(result)
        if quantity and quantity not in names:
            allowed = f"{_LIST}: QUANTITY comes first, {names[0]} for example"
            raise UnknownQuantity("explain --list", got=f"{quantity!r} where a quantity stands", allowed=allowed)
        if json_:
            from hermes_sim.cli.documents.runs import QuantitiesDocument

            print_json(QuantitiesDocument(quantities=names))
        else:
            console.print("\n".join(names), highlight=False)
        return
    files = {device.name: file for device, file in zip(result.devices, baselines, strict=True)}
    node = explain_quantity(result, quantity, arch=chip, baselines=files)
    if json_:
        from hermes_sim.cli.documents.runs import ExplainDocument

        told = {"inputs": result.metrics.inputs, "quantity": quantity}
        print_json(ExplainDocument.model_validate({**told, **node.record()}))
        return
    inputs = result.metrics.inputs
    console.print(f"{inputs.workload} on {inputs.arch} ({inputs.mapping})", style="bold", highlight=False)
    console.print(_tree(node, depth=depth, width=width))


def _tree(node: TreeNode, *, depth: int, width: int, into: Tree | None = None) -> Tree:
    tree = Tree(_line(node)) if into is None else into.add(_line(node))
    if depth <= 1 and node.parts:
        tree.add(Text(f"... {sum(1 for _ in node.walk()) - 1} more below (--depth)", style="dim"))
        return tree
    shown = node.parts[:width] if node.rule == "sum" else node.parts
    for part in shown:
        _tree(part, depth=depth - 1, width=width, into=tree)
    if len(shown) < len(node.parts):
        rest = sum(part.value for part in node.parts[width:])
        tree.add(Text(f"{len(node.parts) - width} more: {_value(rest, node.unit)} (--width)", style="dim"))
    return tree


def _line(node: TreeNode) -> Text:
    """One line: sign, name, value, and of a config value its kind, place and source."""
    text = Text("1 / " if node.power == -1 else "")
    text.append(node.name, style="bold" if node.parts else "")
    text.append(f" = {_value(node.value, node.unit)}", style="cyan")
    if node.rule in _SIGNS and node.parts:
        text.append(f"  {_SIGNS[node.rule]}", style="dim")
    if node.kind:
        text.append(f"  {node.kind}", style="red" if node.kind in ("assumed", "fitted") else "green")
        text.append(f"  {node.place}  [{node.source}]", style="dim")
    if node.note:
        text.append(f"  ({node.note})", style="dim italic")
    return text


def _value(value: float, unit: str) -> str:
    return in_base_unit(value, unit) if unit in _PREFIXED else f"{value:,.6g} {unit}".strip()
