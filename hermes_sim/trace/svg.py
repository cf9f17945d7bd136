"""Timelines as an image: one row per server, one bar per firing, for pages and printed reports."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.config.files import written_whole
from hermes_sim.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hermes_sim.trace.slices import Slices

SVG_LIMIT = 20_000  # bars; more are neither seen nor drawn in reasonable time
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#999999")
_ROW, _LEFT, _TOP, _WIDTH = 18, 190, 30, 1180  # pixels


def write_svg(slices: Slices, path: Path, *, title: str = "") -> None:
    """Draw the slices; the time axis spans them.

    Raises
    ------
    OutputError
        if there are too many, or the file cannot be written
    """
    if len(slices) > SVG_LIMIT:
        raise OutputError(
            str(path), got=f"{len(slices)} firings", allowed=f"at most {SVG_LIMIT}", hint="choose a shorter window"
        )
    with written_whole(path) as part:
        part.write_text("\n".join(_lines(slices, title)) + "\n", encoding="utf-8")


def _lines(slices: Slices, title: str) -> Iterator[str]:
    program = slices.trace.program
    resource = program.resource[slices.actor]
    servers = sorted(set(zip(resource.tolist(), slices.lane.tolist(), strict=True)))
    row_of = {server: i for i, server in enumerate(servers)}
    height = _TOP + _ROW * len(servers) + 36
    begin_ps = int(slices.start_ps.min()) if len(slices) else 0
    span_ps = max(int(slices.end_ps.max(initial=begin_ps + 1)) - begin_ps, 1)
    scale = (_WIDTH - _LEFT - 10) / span_ps
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="11">'
    )
    yield f'<rect width="{_WIDTH}" height="{height}" fill="white"/>'
    yield f'<text x="8" y="18" font-size="14">{escape(title)}</text>'
    for (r, lane), i in row_of.items():
        y = _TOP + _ROW * i
        suffix = f" [{lane}]" if program.capacity[r] > 1 else ""
        yield f'<rect x="{_LEFT}" y="{y}" width="{_WIDTH - _LEFT - 10}" height="{_ROW - 2}" fill="#f4f4f4"/>'
        yield f'<text x="8" y="{y + 12}">{escape(program.resource_names[r][:28] + suffix)}</text>'
    colour_of = {int(a): _COLOURS[i % len(_COLOURS)] for i, a in enumerate(np.unique(slices.actor))}
    columns = (resource, slices.lane, slices.actor, slices.firing, slices.start_ps, slices.end_ps)
    for r, lane, a, k, start_ps, end_ps in zip(*(x.tolist() for x in columns), strict=True):
        x = _LEFT + (start_ps - begin_ps) * scale
        width = max((end_ps - start_ps) * scale, 0.4)
        y = _TOP + _ROW * row_of[r, lane]
        label = escape(f"{program.actor_names[a]} #{k}: {start_ps} to {end_ps} ps")
        yield (
            f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_ROW - 2}" fill="{colour_of[a]}" '
            f'stroke="white" stroke-width="0.3"><title>{label}</title></rect>'
        )
    for tick in np.linspace(0, span_ps, 9):
        x = _LEFT + tick * scale
        yield f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle">{(begin_ps + tick) / 1e3:,.0f} ns</text>'
    yield "</svg>"
