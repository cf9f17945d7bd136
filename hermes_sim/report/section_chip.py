"""Section: the chip as a map of how busy its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.places import Place, Resource, ResourcePart
from hermes_sim.chip.schema import OFF_CHIP_LEVEL
from hermes_sim.errors import listed
from hermes_sim.kit.figures import Figure, axis, layout, safe
from hermes_sim.kit.formatting import count, percent, si
from hermes_sim.kit.markup import PageSection, link, paragraph
from hermes_sim.kit.tables import Column, Table, number
from hermes_sim.mapping.memory import level_uses
from hermes_sim.metrics.timing import resource_use
from hermes_sim.report.chip_map import Spot, chip_spots, clusters_of, utilizations

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.flow import Simulated

_PARTS = {
    ResourcePart.CROSSBAR: "crossbar",
    ResourcePart.LDPU: "LDPU",
    ResourcePart.IN: "input port",
    ResourcePart.OUT: "output port",
}
_VIEWS = ("busiest part", *_PARTS.values(), "cells holding weights")
_LISTED, _HELD = 15, 3
_SCALE = [[0, "#eef2f6"], [0.25, "#b5d0e8"], [0.5, "#5fa2d0"], [0.75, "#1f6cb0"], [1, "#08305f"]]


@dataclass(frozen=True)
class ChipTile:
    """A place on the map: where, and its values by view (None: the view says nothing about it)."""

    spot: Spot
    values: dict[str, float | None]
    detail: str

    def words(self, view: str) -> str:
        """What stands on the tile: its label, and its value where it is not idle."""
        value = self.values[view]
        return safe(self.spot.label) + (f"<br>{percent(value)}" if value else "")


def chip_section(source: Simulated) -> PageSection:
    """Map and table of resources."""
    mapping, chip = source.mapping, source.chip
    cells = sum(block.n_cells for block in mapping.blocks)
    all_cells = chip.n_cores * chip.core.rows.n * chip.core.weight_columns
    text = (
        f"{mapping.cores_used} of {chip.n_cores} cores hold weights, in {count(cells)} of {count(all_cells)} unit "
        f"cells ({percent(cells / all_cells)}). The map is a scheme: cores in their clusters, digital units beside the "
        "cluster they are joined to, off-chip channel on the left; where they lie on the die is not public."
    )
    body = [
        paragraph(text),
        _floorplan(source).html(),
        _resource_table(source).html(),
        f"<p>All resources: {link('resources.csv', 'resources.csv')}.</p>",
        *_memory_parts(source),
    ]
    return PageSection("chip", "Chip", "\n".join(body))


def _memory_parts(source: Simulated) -> list[str]:
    """What the memories of the digital units hold, and what of it had to go off the chip."""
    uses = level_uses(source.graph, source.chip, source.mapping.units)
    if not uses:
        return []
    far = [f"{what} ({use.unit})" for use in uses if use.level == OFF_CHIP_LEVEL for what in use.holds]
    text = "What an operator keeps lies in the nearest level of its unit's memory with room for it; bytes are those of "
    text += "one inference, read and written."
    if far:
        text += f" Off the chip for want of room: {listed(far, 6)}."
    rows = [
        (
            use.unit,
            use.level,
            use.capacity_bytes,
            use.held_bytes,
            use.moved_bytes,
            "; ".join(use.holds[:_HELD]) + (f" and {len(use.holds) - _HELD} more" if len(use.holds) > _HELD else ""),
        )
        for use in uses
    ]
    columns: list[Column | str] = ["Unit", "Level"]
    columns += [number(head, _bytes) for head in ("Capacity", "Held", "Moved")]
    columns.append("Holds")
    return [paragraph(text), Table("unit-memory", "Memory of the digital units", columns, rows).html()]


def _bytes(value: float) -> str:
    return si(value, "B")


def _tiles(source: Simulated) -> list[ChipTile]:
    used = utilizations(source)
    return [
        _single(spot, used.get(spot.resource, 0.0)) if spot.resource else _core_tile(source, used, spot)
        for spot in chip_spots(source.chip)
    ]


def _single(spot: Spot, value: float) -> ChipTile:
    """A digital unit, the host, or the off-chip channel: one resource."""
    values: dict[str, float | None] = dict.fromkeys(_VIEWS)
    values["busiest part"] = value
    return ChipTile(spot, values, f"{safe(spot.resource)}<br>busy {percent(value)}")


def _core_tile(source: Simulated, used: dict[Resource, float], spot: Spot) -> ChipTile:
    chip, core = source.chip, spot.core or 0
    blocks = [block for block in source.mapping.called(source.graph).blocks if block.core == core]
    filled = sum(block.n_cells for block in blocks) / (chip.core.rows.n * chip.core.weight_columns)
    parts = {label: used.get(Resource(Place.core(core), part), 0.0) for part, label in _PARTS.items()}
    values: dict[str, float | None] = {
        "busiest part": max(parts.values()),
        **parts,
        "cells holding weights": filled,
    }
    lines = [f"<b>core {core}</b> (cluster {core // chip.cores.per_cluster.n})"]
    lines += [f"{label} busy {percent(value)}" for label, value in parts.items()]
    lines.append(f"cells holding weights {percent(filled)}")
    lines += [
        safe(f"{block.matrix} replica {block.replica}: rows {block.rows[0]} to {block.rows[1]}, ")
        + safe(f"columns {block.columns[0]} to {block.columns[1]}")
        for block in blocks[:6]
    ]
    if len(blocks) > 6:
        lines.append(f"and {len(blocks) - 6} more blocks")
    return ChipTile(spot, values, "<br>".join(lines))


def _grid(tiles: list[ChipTile], value: Callable[[ChipTile], Any], empty: str | None = None) -> list[list[Any]]:
    """Values of all tiles as rows from the top; `empty` where there is no tile."""
    n_columns, n_rows = (max(place) + 1 for place in zip(*(tile.spot[:2] for tile in tiles), strict=True))
    rows: list[list[Any]] = [[empty] * n_columns for _ in range(n_rows)]
    for tile in tiles:
        rows[tile.spot.row][tile.spot.column] = value(tile)
    return rows


def _view(tiles: list[ChipTile], view: str) -> dict[str, Any]:
    """What changes from view to view."""
    return {
        "z": _grid(tiles, lambda tile: tile.values[view]),
        "text": _grid(tiles, lambda tile: tile.words(view), ""),
    }


def _floorplan(source: Simulated) -> Figure:
    tiles = _tiles(source)
    clusters = clusters_of([tile.spot for tile in tiles], source.chip)
    views = {view: _view(tiles, view) for view in _VIEWS}
    n_rows, n_columns = len(views[_VIEWS[0]]["z"]), len(views[_VIEWS[0]]["z"][0])
    heat = {
        "type": "heatmap",
        **views[_VIEWS[0]],
        "customdata": _grid(tiles, lambda tile: tile.detail, ""),
        "texttemplate": "%{text}",
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": False,
        "zmin": 0,
        "zmax": 1,
        "xgap": 3,
        "ygap": 3,
        "colorscale": _SCALE,
        "colorbar": {"title": {"text": "busy", "side": "top"}, "tickformat": ".0%", "len": 0.9, "thickness": 14},
    }
    buttons = [
        {"label": view, "method": "restyle", "args": [{key: [rows] for key, rows in shown.items()}]}
        for view, shown in views.items()
    ]
    plain = {"visible": False, "showgrid": False}
    return Figure(
        "floorplan",
        "How busy every part of the chip is",
        "Share of the time of the run that the busiest part of each core (crossbar, LDPU, input or output port) was "
        "busy; the buttons show one part at a time. Point at a tile for its weights and numbers.",
        [heat],
        layout(
            min(760, 110 + 46 * n_rows),
            xaxis=axis("", **plain, range=[-0.6, n_columns - 0.4]),
            yaxis=axis("", **plain, range=[n_rows - 0.4, -1.3]),
            annotations=_map_labels(clusters),
            shapes=_cluster_boxes(clusters),
            updatemenus=[_menu(buttons)],
            margin={"l": 10, "r": 20, "t": 46, "b": 10},
        ),
    )


def _menu(buttons: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "x": 0,
        "y": 1.01,
        "xanchor": "left",
        "yanchor": "bottom",
        "pad": {"b": 4},
        "showactive": True,
        "font": {"size": 11.5},
    }


def _map_labels(clusters: dict[int, list[Spot]]) -> list[dict[str, Any]]:
    """Names of clusters above their cores, and of the column on the left."""
    style = {"showarrow": False, "yanchor": "bottom", "font": {"size": 11.5}}
    labels = [
        {
            "text": f"cluster {cluster}",
            "x": sum(spot.column for spot in found) / len(found),
            "y": min(spot.row for spot in found) - 0.52,
            **style,
        }
        for cluster, found in clusters.items()
    ]
    return [*labels, {"text": "off chip", "x": 0, "y": -0.52, **style}]


def _cluster_boxes(clusters: dict[int, list[Spot]]) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "x0": min(spot.column for spot in found) - 0.54,
            "x1": max(spot.column for spot in found) + 0.54,
            "y0": min(spot.row for spot in found) - 0.54,
            "y1": max(spot.row for spot in found) + 0.54,
            "line": {"color": "#57606a", "width": 1},
        }
        for found in clusters.values()
    ]


def _few(number: float) -> str:
    return "< 0.001" if 0 < number < 1e-3 else f"{number:.3g}"


def _resource_table(source: Simulated) -> Table:
    uses = resource_use(source.runs.all.record)
    rows = [(use.resource, use.utilization, use.firings, use.mean_queue, use.max_queue) for use in uses[:_LISTED]]
    more = len(uses) - len(rows)
    caption = "Resources, busiest first; the first one is the bottleneck of the headline"
    return Table(
        "resources",
        caption + (f"; {more} more are in resources.csv" if more > 0 else ""),
        (
            *("Resource", number("Busy", percent), number("Firings", count)),
            *(number("Firings waiting, mean", _few), number("most", count)),
        ),
        rows,
    )
