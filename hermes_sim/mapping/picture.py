"""Picture of a placement: every core a square, every block a rectangle coloured by its layer (SVG, no script)."""

from __future__ import annotations

import colorsys
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Block

_SIDE = 84  # pixels of a core
_GAP = 10
_MARGIN = 46
_LINE = 16
_GOLDEN = 0.61803


def placement_svg(blocks: Sequence[Block], chip: Chip, *, title: str) -> str:
    """SVG text: a row of squares per cluster, a legend below; hovering over a rectangle names it."""
    clusters, per_cluster = chip.cores.clusters.n, chip.cores.per_cluster.n
    layers = sorted({block.matrix for block in blocks})
    colours = {layer: _colour(i) for i, layer in enumerate(layers)}
    columns = max(1, per_cluster * (_SIDE + _GAP) // 260)
    width = _MARGIN + per_cluster * (_SIDE + _GAP) + _GAP
    legend = _MARGIN + clusters * (_SIDE + _GAP) + 8
    height = legend + (-(-len(layers) // columns) + 1) * _LINE
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="8" y="18" font-size="14">{escape(title)}</text>',
    ]
    for column in range(per_cluster):
        x = _MARGIN + column * (_SIDE + _GAP) + _SIDE // 2
        parts.append(f'<text x="{x}" y="{_MARGIN - 6}" text-anchor="middle">core {column}</text>')
    for cluster in range(clusters):
        y = _MARGIN + cluster * (_SIDE + _GAP) + _SIDE // 2
        parts.append(f'<text x="{_MARGIN - 8}" y="{y}" text-anchor="end">cl. {cluster}</text>')
    for core in range(chip.n_cores):
        x, y = _corner(core, per_cluster)
        parts.append(f'<rect x="{x}" y="{y}" width="{_SIDE}" height="{_SIDE}" fill="#f4f4f4" stroke="#999"/>')
    parts += [_rectangle(block, chip, colours[block.matrix]) for block in blocks]
    for i, layer in enumerate(layers):
        x, y = _MARGIN + i % columns * 260, legend + i // columns * _LINE
        parts.append(f'<rect x="{x}" y="{y}" width="11" height="11" fill="{colours[layer]}"/>')
        parts.append(f'<text x="{x + 16}" y="{y + 10}">{escape(layer)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _corner(core: int, per_cluster: int) -> tuple[int, int]:
    row, column = divmod(core, per_cluster)
    return _MARGIN + column * (_SIDE + _GAP), _MARGIN + row * (_SIDE + _GAP)


def _rectangle(block: Block, chip: Chip, colour: str) -> str:
    x, y = _corner(block.core, chip.cores.per_cluster.n)
    across, down = _SIDE / chip.core.columns.n, _SIDE / chip.core.rows.n
    words = (
        f"{block.matrix}, replica {block.replica}, weight rows {block.rows[0]}:{block.rows[1]}, "
        f"columns {block.columns[0]}:{block.columns[1]}"
    )
    return (
        f'<rect x="{x + block.core_column * across:.2f}" y="{y + block.core_row * down:.2f}" '
        f'width="{block.n_columns * across:.2f}" height="{block.n_rows * down:.2f}" '
        f'fill="{colour}" stroke="#333" stroke-width="0.5"><title>{escape(words)}</title></rect>'
    )


def _colour(i: int) -> str:
    """Colours far apart for neighbours in the list."""
    red, green, blue = colorsys.hls_to_rgb((i * _GOLDEN) % 1.0, 0.42 + 0.2 * (i % 3) / 2, 0.6)
    return f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"
