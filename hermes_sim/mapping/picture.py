"""Picture of a mapping: every core a square, every block a rectangle coloured by its layer (SVG, no script)."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

from hermes_sim.kit.colours import FAINT, GREY, INK
from hermes_sim.kit.svg import Canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block

_SIDE = 84  # pixels of a core
_GAP = 10
_PITCH = _SIDE + _GAP
_MARGIN = 46
_LINE = 16
_LEGEND = 260  # width of an entry of the legend
_GOLDEN = 0.61803


def mapping_svg(blocks: Sequence[Block], chip: Chip, *, title: str) -> str:
    """SVG text: a row of squares per cluster, a legend below; hovering over a rectangle names it."""
    clusters, per_cluster = chip.cores.clusters.n, chip.cores.per_cluster.n
    layers = sorted({block.matrix for block in blocks})
    colours = {layer: _colour(i) for i, layer in enumerate(layers)}
    columns = max(1, per_cluster * _PITCH // _LEGEND)
    legend = _MARGIN + clusters * _PITCH + 8
    out = Canvas(_MARGIN + per_cluster * _PITCH + _GAP, legend + (-(-len(layers) // columns) + 1) * _LINE)
    out.text((8, 18), title, size=14)
    for column in range(per_cluster):
        out.text((_MARGIN + column * _PITCH + _SIDE // 2, _MARGIN - 6), f"core {column}", anchor="middle")
    for cluster in range(clusters):
        out.text((_MARGIN - 8, _MARGIN + cluster * _PITCH + _SIDE // 2), f"cl. {cluster}", anchor="end")
    for core in range(chip.n_cores):
        out.rect(_corner(core, per_cluster), (_SIDE, _SIDE), FAINT, stroke=GREY)
    for block in blocks:
        _draw(out, block, chip, colours[block.matrix])
    for i, layer in enumerate(layers):
        x, y = _MARGIN + i % columns * _LEGEND, legend + i // columns * _LINE
        out.rect((x, y), (11, 11), colours[layer])
        out.text((x + 16, y + 10), layer)
    return out.svg()


def _corner(core: int, per_cluster: int) -> tuple[int, int]:
    row, column = divmod(core, per_cluster)
    return _MARGIN + column * _PITCH, _MARGIN + row * _PITCH


def _draw(out: Canvas, block: Block, chip: Chip, colour: str) -> None:
    x, y = _corner(block.core, chip.cores.per_cluster.n)
    across, down = _SIDE / chip.core.weight_columns, _SIDE / chip.core.rows.n
    words = (
        f"{block.matrix}, replica {block.replica}, weight rows {block.rows[0]}:{block.rows[1]}, "
        f"columns {block.columns[0]}:{block.columns[1]}"
    )
    at = (x + block.core_column * across, y + block.core_row * down)
    out.rect(at, (block.n_columns * across, block.n_rows * down), colour, stroke=INK, stroke_width=0.5, hint=words)


def _colour(i: int) -> str:
    """Colours far apart for neighbours in the list."""
    red, green, blue = colorsys.hls_to_rgb((i * _GOLDEN) % 1.0, 0.42 + 0.2 * (i % 3) / 2, 0.6)
    return f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"
