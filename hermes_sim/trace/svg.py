"""Timelines as an image: one row per server, one bar per firing, for pages and printed reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.config.files import write_text
from hermes_sim.errors import OutputError
from hermes_sim.kit.colours import FAINT, SERIES
from hermes_sim.kit.figures import shortened
from hermes_sim.kit.svg import Canvas

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.trace.slices import Slices

SVG_LIMIT = 20_000  # bars; more are neither seen nor drawn in reasonable time
_ROW, _LEFT, _RIGHT, _TOP, _WIDTH = 18, 190, 30, 30, 1180  # pixels


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
    write_text(path, _picture(slices, title).svg())


def _picture(slices: Slices, title: str) -> Canvas:
    program = slices.trace.program
    resource = program.resource[slices.actor]
    servers = sorted(set(zip(resource.tolist(), slices.lane.tolist(), strict=True)))
    out = Canvas(_WIDTH, _TOP + _ROW * len(servers) + 36)
    begin_ps = int(slices.start_ps.min()) if len(slices) else 0
    span_ps = max(int(slices.end_ps.max(initial=begin_ps + 1)) - begin_ps, 1)
    scale = (_WIDTH - _LEFT - _RIGHT) / span_ps
    out.text((8, 18), title, size=14)
    top_of = {server: _TOP + _ROW * i for i, server in enumerate(servers)}
    for (r, lane), y in top_of.items():
        suffix = f" [{lane}]" if program.capacity[r] > 1 else ""
        out.rect((_LEFT, y), (_WIDTH - _LEFT - _RIGHT, _ROW - 2), FAINT)
        out.text((8, y + 12), shortened(program.resource_names[r], 28) + suffix)
    colour_of = {int(a): SERIES[i % len(SERIES)] for i, a in enumerate(np.unique(slices.actor))}
    columns = (resource, slices.lane, slices.actor, slices.firing, slices.start_ps, slices.end_ps)
    for r, lane, a, k, start_ps, end_ps in zip(*(x.tolist() for x in columns), strict=True):
        at = (_LEFT + (start_ps - begin_ps) * scale, top_of[r, lane])
        size = (max((end_ps - start_ps) * scale, 0.4), _ROW - 2)
        hint = f"{program.actor_names[a]} #{k}: {start_ps} to {end_ps} ps"
        out.rect(at, size, colour_of[a], stroke="white", stroke_width=0.3, hint=hint)
    for tick in np.linspace(0, span_ps, 9).tolist():
        place = (_LEFT + tick * scale, out.height - 14)
        out.text(place, f"{(begin_ps + tick) / 1e3:,.0f} ns", anchor="middle")
    return out
