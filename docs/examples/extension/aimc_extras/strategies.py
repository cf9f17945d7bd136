"""A mapping strategy: a function of operator graph and chip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.mapping.strategies import Layout, lay_out_spread

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.workload.graph import OpGraph


def lay_out_from_the_end(graph: OpGraph, chip: Chip) -> Layout:
    """Like `spread`, from the last core to the first."""
    layout = lay_out_spread(graph, chip)
    blocks = [replace(block, core=chip.n_cores - 1 - block.core) for block in layout.blocks]
    return replace(layout, blocks=blocks)
