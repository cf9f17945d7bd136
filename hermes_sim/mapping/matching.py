"""Layers of a mapping file -> matrices of a workload, by name; who shares weights with whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError, nearest
from hermes_sim.mapping.published import layer_blocks, published_name

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block
    from hermes_sim.mapping.published import Layer
    from hermes_sim.workload.graph import OpGraph

# parts of module paths that do not tell layers apart
_NOISE = frozenset({"encoder", "self_attn", "attention", "projection_layer", "model", "module", "weight"})


def canonical(name: str) -> str:
    """Layer name without the parts that every layer has."""
    parts = [part for part in published_name(name).split(".") if part not in _NOISE]
    return re.sub(r"^W(?=_|$)", "feature_map", ".".join(parts))


def match_layers(
    path: Path, layers: tuple[Layer, ...], graph: OpGraph, chip: Chip
) -> tuple[list[Block], dict[str, tuple[int, ...]], dict[str, str]]:
    """Blocks, replicas by operator, and matrices that share the cells of another.

    A layer holds the matrix of the same name, or of the same name but for parts that all have. Where the file
    knows one projection and the workload two (queries and keys, two layers), `n_shared` must say that they share
    it; where the file knows two and the workload one, each is a replica for its own operators.

    Raises
    ------
    MappingError
        a layer that the workload does not have; matrices that the file does not place
    """
    matrices = {canonical(graph.called(matrix.name)): matrix.name for matrix in graph.matrices}
    by_tensor = {canonical(matrix.name): canonical(graph.called(matrix.name)) for matrix in graph.matrices}
    if len(matrices) == 1 and len(layers) == 1:  # one layer on its own needs no number
        matrices = {canonical(layers[0].name): next(iter(matrices.values()))}
    blocks: list[Block] = []
    placed: dict[str, Layer] = {}
    roles: dict[str, dict[str, int]] = {}  # matrix -> role (k, q) -> replica
    for layer in layers:
        name = by_tensor.get(canonical(layer.name), canonical(layer.name))
        base, _, role = name.rpartition("_")
        if name in matrices:
            placed[matrices[name]] = layer
            blocks += layer_blocks(layer, chip, matrix=matrices[name])
        elif base in matrices and role in {"k", "q"}:
            matrix = matrices[base]
            replica = roles.setdefault(matrix, {}).setdefault(role, len(roles[matrix]))
            placed[matrix] = layer
            blocks += layer_blocks(layer, chip, matrix=matrix, replica=replica)
        elif not any(one.startswith((f"{name}_k", f"{name}_q")) for one in matrices):
            raise MappingError(
                f"{path}: {layer.name}",
                got="a layer that the workload does not have",
                allowed=", ".join(sorted(matrices)),
                hint=nearest(name, matrices),
            )
    by_name = {canonical(layer.name): layer for layer in layers}
    aliases: dict[str, str] = {}
    for name, matrix in matrices.items():
        if matrix not in placed:
            _share(path, name, matrix, by_name, (graph, chip), (blocks, placed, aliases))
    return blocks, _replicas(graph, roles), aliases


def _share(
    path: Path,
    name: str,
    matrix: str,
    by_name: dict[str, Layer],
    target: tuple[OpGraph, Chip],
    found: tuple[list[Block], dict[str, Layer], dict[str, str]],
) -> None:
    """Let a matrix that the file does not name share the cells of one it names, if `n_shared` says so."""
    graph, chip = target
    blocks, placed, aliases = found
    same_role = re.sub(r"_[kq]$", "", name)
    first_layer = re.sub(r"^layers\.\d+\.", "layers.0.", name)
    for candidate in (same_role, first_layer, re.sub(r"_[kq]$", "", first_layer)):
        layer = by_name.get(candidate)
        if layer is None or layer.n_shared < 2 or layer.shape != _shape(graph, matrix):
            continue
        owner = next((one for one, held in placed.items() if held is layer), None)
        if owner is None:
            placed[matrix] = layer
            blocks += layer_blocks(layer, chip, matrix=matrix)
        else:
            aliases[matrix] = owner
        return
    raise MappingError(
        f"{path}: {published_name(graph.called(matrix))}",
        got="not placed",
        allowed="every weight of the workload placed once",
        hint="a layer that shares weights with another says so with n_shared",
    )


def _shape(graph: OpGraph, matrix: str) -> tuple[int, int]:
    found = graph.matrix(matrix)
    return found.rows, found.columns


def _replicas(graph: OpGraph, roles: dict[str, dict[str, int]]) -> dict[str, tuple[int, ...]]:
    replicas: dict[str, tuple[int, ...]] = {}
    for op in graph.operators:
        if op.on_crossbar:
            by_role = roles.get(op.matrix or "", {})
            replicas[op.name] = (by_role.get(op.use.rpartition("_")[2], 0),)
    return replicas
