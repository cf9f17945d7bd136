"""Published mappings: read and write the format of the mappings that came with BU24.

A JSON object: layer name -> ``{type, weight, bias, tiles_map: {cluster: {core: [region, ...]}}, n_shared}``; a
region has ``tile_row_region, tile_col_region`` (where on the core) and ``weight_row_region, weight_col_region``
(which part of the weight), half open; rows are inputs. `n_shared` counts the uses of the same weights in one
inference: queries and keys, documents, layers that share weights; heads of one layer are not counted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import read_text, written_whole
from hermes_sim.errors import MappingError
from hermes_sim.mapping.mapping import FILE_WORDS, Block

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Mapping
    from hermes_sim.workload.graph import OpGraph

_LAYER_KEYS = ("type", "weight", "bias", "tiles_map", "n_shared")
_REGION_KEYS = ("tile_col_region", "tile_row_region", "weight_col_region", "weight_row_region")


@dataclass(frozen=True)
class Region:
    """One rectangle of a layer's weight on a core; ranges are half open."""

    cluster: int
    core: int
    tile_columns: tuple[int, int]
    tile_rows: tuple[int, int]
    weight_columns: tuple[int, int]
    weight_rows: tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer of a published mapping; `where` is its file and name, for refusals."""

    name: str
    type: str
    weight: str
    bias: str
    regions: tuple[Region, ...]
    n_shared: int
    where: str = field(default="", compare=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that the regions reach."""
        rows = max((region.weight_rows[1] for region in self.regions), default=0)
        columns = max((region.weight_columns[1] for region in self.regions), default=0)
        return rows, columns


def read_published(path: Path) -> tuple[Layer, ...]:
    """Layers of a published mapping, in the order of the file.

    Raises
    ------
    MappingError
        naming file, layer and field: no JSON, missing or unknown fields, ranges that are none, a region whose size
        on the core is not its size in the weight
    """
    text = read_text(path, error=MappingError, allowed=FILE_WORDS)
    try:
        document = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as cause:
        raise MappingError(str(path), got=str(cause), allowed="a JSON object of layers") from None
    if not isinstance(document, dict):
        raise MappingError(str(path), got=type(document).__name__, allowed="a JSON object of layers")
    return tuple(_layer(path, name, raw) for name, raw in document.items())


def write_published(path: Path, layers: tuple[Layer, ...]) -> None:
    """Write layers as a published mapping."""
    document = {layer.name: _layer_record(layer) for layer in layers}
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(document, indent=4), encoding="utf-8")


def layer_blocks(layer: Layer, chip: Chip, *, matrix: str, replica: int = 0) -> list[Block]:
    """Blocks of one layer.

    Raises
    ------
    MappingError
        a cluster or core that the chip does not have
    """
    n_clusters, per_cluster = chip.cores.clusters.n, chip.cores.per_cluster.n
    for region in layer.regions:
        if region.cluster >= n_clusters or region.core >= per_cluster:
            raise MappingError(
                f"{layer.where or layer.name}: tiles_map",
                got=f"cluster {region.cluster}, core {region.core}",
                allowed=f"clusters 0 to {n_clusters - 1}, cores 0 to {per_cluster - 1}",
            )
    return [
        Block(
            matrix,
            replica,
            region.weight_rows,
            region.weight_columns,
            region.cluster * per_cluster + region.core,
            region.tile_rows[0],
            region.tile_columns[0],
        )
        for region in layer.regions
    ]


def mapping_layers(mapping: Mapping, graph: OpGraph, chip: Chip) -> tuple[Layer, ...]:
    """Layers of a mapping, named as in the published mappings where the workload is one of them.

    Raises
    ------
    MappingError
        a matrix with several replicas: the format has no word for them
    """
    per_cluster = chip.cores.per_cluster.n
    layers = []
    for matrix in graph.matrices:
        if matrix.name in mapping.aliases:
            continue
        replicas = {block.replica for block in mapping.blocks if block.matrix == matrix.name}
        if len(replicas) > 1:
            raise MappingError(
                graph.called(matrix.name),
                got=f"{len(replicas)} replicas",
                allowed="one: a published mapping holds each weight once",
                hint="export to a .yaml file, which keeps replicas, or place with strategy packed, which makes none",
            )
        name = published_name(graph.called(matrix.name))
        regions = tuple(
            Region(
                block.core // per_cluster,
                block.core % per_cluster,
                (block.core_column, block.core_column + block.n_columns),
                (block.core_row, block.core_row + block.n_rows),
                block.columns,
                block.rows,
            )
            for block in sorted(mapping.blocks_of(matrix.name, min(replicas)), key=lambda b: (b.core, b))
        )
        shared = [matrix.name, *(one for one, other in mapping.aliases.items() if other == matrix.name)]
        uses = {op.use for op in graph.operators if op.on_crossbar and op.matrix in shared}
        layers.append(Layer(name, "Linear", f"{name}.weight", f"{name}.bias", regions, len(uses)))
    return tuple(layers)


def published_name(matrix: str) -> str:
    """Published layer name of a matrix of an encoder; other matrices keep their name."""
    match = re.fullmatch(r"layers\.(\d+)\.(W(?:_[a-z0-9]+)?|[kvq]_proj|out_proj|fc[12])", matrix)
    if match is None:
        return matrix
    prefix, role = f"encoder.encoder.layers.{match[1]}", match[2]
    if role.startswith("W"):
        return f"{prefix}.self_attn.attention.feature_map{role[1:]}.projection_layer"
    return f"{prefix}.{role}" if role.startswith("fc") else f"{prefix}.self_attn.{role}"


def _layer(path: Path, name: str, raw: Any) -> Layer:
    where = f"{path}: {name}"
    _check_keys(where, raw, _LAYER_KEYS)
    for key in ("type", "weight", "bias"):
        if not isinstance(raw[key], str):
            raise MappingError(f"{where}: {key}", got=repr(raw[key]), allowed="text")
    if type(raw["n_shared"]) is not int or raw["n_shared"] < 1:
        raise MappingError(f"{where}: n_shared", got=repr(raw["n_shared"]), allowed="a whole number from 1")
    regions = []
    for cluster, cores in _items(f"{where}: tiles_map", raw["tiles_map"]):
        for core, found in _items(f"{where}: tiles_map: {cluster}", cores):
            if not isinstance(found, list):
                raise MappingError(f"{where}: core {cluster}.{core}", got=repr(found)[:60], allowed="a list")
            regions += [_region(f"{where}: core {cluster}.{core}", cluster, core, one) for one in found]
    return Layer(name, raw["type"], raw["weight"], raw["bias"], tuple(regions), raw["n_shared"], where)


def _region(where: str, cluster: int, core: int, raw: Any) -> Region:
    _check_keys(where, raw, _REGION_KEYS)
    ranges = {}
    for key in _REGION_KEYS:
        value = raw[key]
        whole = isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)
        if not whole or not 0 <= value[0] < value[1]:
            raise MappingError(f"{where}: {key}", got=repr(value)[:60], allowed="[first, end], first < end")
        ranges[key] = (value[0], value[1])
    region = Region(cluster, core, *(ranges[key] for key in _REGION_KEYS))
    for what, on_core, in_weight in (
        ("rows", region.tile_rows, region.weight_rows),
        ("columns", region.tile_columns, region.weight_columns),
    ):
        if on_core[1] - on_core[0] != in_weight[1] - in_weight[0]:
            raise MappingError(
                where,
                got=f"{what} {on_core[0]}:{on_core[1]} of the core for {in_weight[0]}:{in_weight[1]} of the weight",
                allowed="regions of one size",
            )
    return region


def _layer_record(layer: Layer) -> dict[str, Any]:
    tiles: dict[str, dict[str, list[dict[str, list[int]]]]] = {}
    for region in layer.regions:
        record = {
            "tile_col_region": list(region.tile_columns),
            "tile_row_region": list(region.tile_rows),
            "weight_col_region": list(region.weight_columns),
            "weight_row_region": list(region.weight_rows),
        }
        tiles.setdefault(str(region.cluster), {}).setdefault(str(region.core), []).append(record)
    return {
        "type": layer.type,
        "weight": layer.weight,
        "bias": layer.bias,
        "tiles_map": tiles,
        "n_shared": layer.n_shared,
    }


def _items(where: str, raw: Any) -> list[tuple[int, Any]]:
    if not isinstance(raw, dict):
        raise MappingError(where, got=repr(raw)[:60], allowed="an object with whole numbers as keys")
    for key in raw:
        if not re.fullmatch(r"\d{1,6}", key):
            raise MappingError(where, got=f"key {key!r}", allowed="a whole number")
    return [(int(key), value) for key, value in raw.items()]


def _check_keys(where: str, raw: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(raw, dict):
        raise MappingError(where, got=repr(raw)[:60], allowed=f"an object with {', '.join(allowed)}")
    for key in allowed:
        if key not in raw:
            raise MappingError(where, got=f"no {key}", allowed=", ".join(allowed))
    unknown = [key for key in raw if key not in allowed]
    if unknown:
        raise MappingError(where, got=f"unknown field {unknown[0]!r}", allowed=", ".join(allowed))


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"{key!r} is there twice")
        result[key] = value
    return result
