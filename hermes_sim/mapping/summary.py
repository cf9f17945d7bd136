"""A mapping in numbers: regions per layer, weights and load per core, totals."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.mapping.memory import level_uses
from hermes_sim.mapping.published import layer_blocks
from hermes_sim.mapping.shared import read_groups
from hermes_sim.mapping.strategies import core_loads_ps
from hermes_sim.mapping.traffic import bytes_hops
from hermes_sim.workload.graph import GraphBuilder, Operator, OpGraph, OpKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block, Mapping
    from hermes_sim.mapping.published import Layer
    from hermes_sim.mapping.shared import ReadGroup

SCHEMA_VERSION = 1


def mapping_document(graph: OpGraph, mapping: Mapping, chip: Chip) -> dict[str, Any]:
    """Plain, JSON-ready description of a mapping.

    `occupancy` is the share of the unit cells of the cores in use, `chip_occupancy` that of all cores.
    """
    graph = mapping.mapped(graph)
    groups = read_groups(graph, mapping, chip)
    loads_ps = core_loads_ps(graph, chip, mapping)
    cells = chip.core.rows.n * chip.core.weight_columns
    n_cells = sum(block.n_cells for block in mapping.blocks)
    return {
        "schema_version": SCHEMA_VERSION,
        "arch": chip.name,
        "workload": graph.name,
        "mapping": mapping.strategy,
        "note": mapping.note,
        "digital": sorted(mapping.digital),
        "layers": _layers(graph, mapping, chip),
        "cores": _cores(mapping.called(graph).blocks, groups, loads_ps, chip),
        "unit_memory": [use._asdict() for use in level_uses(graph, chip, mapping.units)],
        "totals": {
            "cores_used": mapping.cores_used,
            "cells_used": n_cells,
            "occupancy": n_cells / (mapping.cores_used * cells) if mapping.cores_used else 0.0,
            "chip_occupancy": n_cells / (chip.n_cores * cells),
            "pieces": len(mapping.blocks),
            "bytes_hops_per_inference": bytes_hops(graph, mapping, chip),
        },
    }


def graph_of_layers(name: str, layers: Sequence[Layer]) -> OpGraph:
    """Graph of matrix products only, one per layer of a mapping file, for a file without its workload."""
    graph = GraphBuilder(name)
    for layer in layers:
        rows, columns = layer.shape
        matrix = graph.matrix(layer.name, rows=rows, columns=columns)
        graph.add(
            Operator(
                layer.name,
                OpKind.STATIC_MATMUL,
                layer.n_shared,
                rows,
                columns,
                matrix=matrix,
                on_crossbar=True,
                use=layer.name,
            )
        )
    return graph.build()


def blocks_of_layers(layers: Sequence[Layer], chip: Chip) -> list[Block]:
    """All blocks of a mapping file, each layer its own matrix."""
    return [block for layer in layers for block in layer_blocks(layer, chip, matrix=layer.name)]


def _layers(graph: OpGraph, mapping: Mapping, chip: Chip) -> list[dict[str, Any]]:
    per_cluster = chip.cores.per_cluster.n
    held: defaultdict[str, list[Block]] = defaultdict(list)
    for block in sorted(mapping.blocks):
        held[block.matrix].append(block)
    used: defaultdict[str, list[Operator]] = defaultdict(list)
    for op in graph.operators:
        if op.on_crossbar and op.matrix:
            used[op.matrix].append(op)
    rows = []
    for matrix in graph.matrices:
        held_as = mapping.aliases.get(matrix.name, matrix.name)
        blocks, users = held[held_as], used[matrix.name]
        rows.append(
            {
                "layer": graph.called(matrix.name),
                "rows": matrix.rows,
                "columns": matrix.columns,
                "weights": matrix.n_weights,
                "shares_cells_of": None if held_as == matrix.name else graph.called(held_as),
                "uses_per_inference": len({op.use for op in users}),
                "products_per_inference": sum(op.tokens for op in users),
                "replicas": len({block.replica for block in blocks}),
                "regions": [
                    {
                        "cluster": block.core // per_cluster,
                        "core": block.core % per_cluster,
                        "replica": block.replica,
                        "core_rows": [block.core_row, block.core_row + block.n_rows],
                        "core_columns": [block.core_column, block.core_column + block.n_columns],
                        "weight_rows": list(block.rows),
                        "weight_columns": list(block.columns),
                    }
                    for block in blocks
                ],
            }
        )
    return rows


def _cores(
    blocks: Sequence[Block], groups: Sequence[ReadGroup], loads_ps: dict[int, int], chip: Chip
) -> list[dict[str, Any]]:
    held: defaultdict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        held[block.core].append(block)
    reads: defaultdict[int, float] = defaultdict(float)
    for group in groups:
        reads[group.first.block.core] += group.reads_per_inference
    per_cluster, cells = chip.cores.per_cluster.n, chip.core.rows.n * chip.core.weight_columns
    return [
        {
            "cluster": core // per_cluster,
            "core": core % per_cluster,
            "weights": sum(block.n_cells for block in held[core]),
            "occupancy": sum(block.n_cells for block in held[core]) / cells,
            "load_ns": loads_ps.get(core, 0) / 1e3,
            "reads_per_inference": reads[core],
            "layers": sorted({block.matrix for block in held[core]}),
        }
        for core in sorted(held)
    ]
