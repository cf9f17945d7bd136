"""Sliding windows (convolution, pooling) over line buffers, by groups of columns, without a loop over tokens.

Pixels travel once to every core that needs them and stay in its line buffer, row by row. An output may start once the
last pixel of its window is there, in the order in which they come. The output columns are cut into `_MOST_GROUPS` equal
groups at most; those of a group wait for the last pixel that one of them needs, so for columns / groups - 1 pixels too
many at most: single pixels up to 8 columns.

Each group has gates of its own that take no time: one per row opens with the last pixel that the group needs of that
row. Which row an output row needs is affine where every window ends inside its picture (a pooling that fits), and one
gate per output row is enough. Where windows reach beyond the lower border it is not, as there is nothing below, so it
goes through a chain of gates, each affine:
"drop" r to r - 1 rows: gate j opens with row j + 2 (a window that reaches one row further down);
"lead" r to r + 1: gate j opens with gate max(j, 1) before it (a window that lies in the padding above the picture
altogether; it waits for the first row, since nothing of an inference is done before its picture comes);
"stretch" r to r + 1: gate j opens with gate min(j + 1, r) before it (a border row that needs nothing new);
"stride": every s-th gate.
The gates of all groups are joined to one stream, row by row and group by group, for which the outputs wait.

By hand: a 3 x 3 window with padding 1 on 32 columns has 8 groups of 4. Output column 3 reaches to input column 4, so
that the first group of row y waits for pixel 4 of row y + 1: for 5 pixels of it, where the whole row has 32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hermes_sim.chip import costs
from hermes_sim.chip.cost import FREE
from hermes_sim.chip.places import CONTROL, Resource, ResourcePart
from hermes_sim.mapping.traffic import shared_values
from hermes_sim.program.build import Packet
from hermes_sim.program.dataflow import Need
from hermes_sim.program.lowered import Firings
from hermes_sim.program.transfer import send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.program.build import Ends, Lowering, Terminal
    from hermes_sim.workload.graph import Edge, Window


_MOST_GROUPS = 8  # of output columns: more groups wait for fewer pixels too many, and take more gates


def connect_window(build: Lowering, edge: Edge, ends: Mapping[str, Ends]) -> None:
    """Pixels from the source to line buffers at the target, gates per row and group, and the load of every window."""
    window = edge.window
    assert window is not None  # checked by the graph
    targets = ends[edge.target].consumers
    arrivals = [
        (arrived, source)
        for source in ends[edge.source].producers
        for arrived in _send_pixels(build, edge, window, source, targets)
    ]
    groups = min(_MOST_GROUPS, window.out_columns)
    gates = [_group_gates(build, edge, window, arrivals, (h, groups)) for h in range(groups)]
    gate = gates[0]
    if groups > 1:
        gate = _gate(build, edge, "windows", window.out_rows * groups)
        for h, each in enumerate(gates):
            # firing y G + h is that of group h in row y
            build.depend(each, gate, Need(1, groups - h, groups))
    for target in targets:
        _load_windows(build, edge, window, (gate, groups), target)


def _gate(build: Lowering, edge: Edge, name: str, firings: int) -> int:
    label = f"{edge.source}>{edge.target}/{name}"
    return build.actor(label, CONTROL, FREE, firings=Firings(firings), operator=edge.target, stage="control")


def _group_gates(
    build: Lowering, edge: Edge, window: Window, arrivals: Sequence[tuple[int, Terminal]], group: tuple[int, int]
) -> int:
    """Gate with one firing per output row, when all pixels are there that group h of G needs for it."""
    h, groups = group
    last_column = -(-(h + 1) * window.out_columns // groups) - 1
    pixels = window.last_input_column(last_column) + 1
    reach, rows, step = window.kernel - 1 - window.padding, window.in_rows, window.stride
    fits = reach >= 0 and step * window.out_rows == rows and step * (window.out_rows - 1) + reach < rows
    # firing y opens with pixel number `pixels` of row y, or of row s y + reach
    row_pixels = window.in_columns * (step if fits else 1)
    pixels += window.in_columns * (reach if fits else 0)
    gate = _gate(build, edge, f"rows{h}", window.out_rows if fits else rows)
    for arrived, source in arrivals:
        need = Need.all_of_turn(
            row_pixels, source.replica, source.n_replicas
        )  # of which replica r of R made every R-th
        build.depend(arrived, gate, need.after(row_pixels - pixels))
    return gate if fits else _chain(build, edge, window, gate, h)


def _chain(build: Lowering, edge: Edge, window: Window, gate: int, h: int) -> int:
    """Chain from input rows, as far as group h needs each, to output rows that may start."""
    rows = window.in_rows
    steps = (window.out_rows - 1) * window.stride + 1  # windows at stride 1, without those the stride leaves out
    for drop in range(min(window.kernel - 1 - window.padding, rows - 1)):
        # gate j of r - 1 opens with row j + 2 of the same picture
        smaller = _gate(build, edge, f"drop{drop}.{h}", rows - 1)
        build.depend(gate, smaller, Need(rows, 2 * (rows - 1), rows - 1))
        gate, rows = smaller, rows - 1
    for lead in range(window.padding - (window.kernel - 1)):
        larger = _gate(build, edge, f"lead{lead}.{h}", rows + 1)
        build.depend(gate, larger, Need(rows, rows + 1, rows + 1))
        gate, rows = larger, rows + 1
    for stretch in range(max(0, steps - rows)):
        larger = _gate(build, edge, f"stretch{stretch}.{h}", rows + 1)
        build.depend(gate, larger, Need(rows, 2 * rows, rows + 1))
        gate, rows = larger, rows + 1
    out = window.out_rows
    if rows == out and window.stride == 1:
        return gate
    last = _gate(build, edge, f"stride.{h}", out)
    # Of `rows` gates, output row y needs number s y + 1: (y rows + off) // out must be that, so that off is at least
    # (s y + 1) out - y rows for all y. That is linear in y: the first row (off = out) or the last one asks for most.
    # Stride 2 from 7 gates to 4 rows: off = 3 x (2 x 4 - 7) + 4 = 7, and (7 y + 7) // 4 is 1, 3, 5, 7.
    off = (out - 1) * (window.stride * out - rows) + out
    build.depend(gate, last, Need(rows, max(off, out), out))
    return last


def _send_pixels(
    build: Lowering, edge: Edge, window: Window, source: Terminal, targets: Sequence[Terminal]
) -> list[int]:
    """Each pixel of one source replica to all line buffers; returns the actors that say it has arrived."""
    made, used = build.graph.operator(edge.source).tokens, build.graph.operator(edge.target).tokens
    groups: dict[tuple[int, int, float], list[Terminal]] = {}
    for target in targets:
        values = shared_values(source.values, target.values, edge)
        if values:
            size = costs.bytes_per_value(build.chip, source.place, target.place)
            groups.setdefault((*values, size), []).append(target)
    arrived = []
    firings = Firings(made, source.replica, source.n_replicas)
    for (start, stop, size), here in groups.items():
        label = f"{edge.source}>{edge.target}[{start}:{stop}] {source.node} r{source.replica}"
        packet = Packet(label, edge.source, (stop - start) * size, firings, source.part(start, stop))
        tree = send(build, packet, source, here)
        ends = [end for end in tree.ends if end is not None]
        heads = list(tree.heads)
        if len(ends) < len(here):  # some target sits where the pixels are made
            kept = build.actor(f"{label}/keep", CONTROL, FREE, firings=firings, operator=edge.source, stage="control")
            heads.append(kept)
            ends.append(kept)
        for head in heads:
            build.hand_on(source.actors[0], head, source.buffers, packet.part)
            for target in here:
                _hold_back(build, window, source, target, head, (made, used))
        arrived += ends
    return arrived


def _hold_back(
    build: Lowering, window: Window, source: Terminal, target: Terminal, head: int, tokens: tuple[int, int]
) -> None:
    """Room in the line buffer: as many rows as a window and one more step, then the oldest row must be used up."""
    made, used = tokens
    depth = _rows_held(window) * window.in_columns
    r, n, q, m = source.replica, source.n_replicas, target.replica, target.n_replicas
    # pixel t = k n + r waits for output token floor((t - depth) used / made), of which replica q made every m-th
    need = Need(n * used, (r - depth) * used + (m - 1 - q) * made, made * m)
    for actor in target.actors:
        build.room(actor, head, need)


@lru_cache(maxsize=256)
def _rows_held(window: Window) -> int:
    """Rows in a line buffer: of one window and a few steps, more where many windows lie in the padding.

    A row is let in by the share of windows that are done. Where that is more than the windows which the rows before it
    allow, it would never come, so the buffer holds as many rows as that takes.
    """
    usual = window.kernel + 2 * window.stride + window.padding
    at_least = 0
    for row in range(window.in_rows):
        reached = (row + window.padding - window.kernel) // window.stride + 1  # windows that end above this row
        possible = min(max(reached, 0), window.out_rows)
        at_least = max(at_least, row + 1 - possible * window.in_rows // window.out_rows)
    return max(usual, at_least)


def _load_windows(build: Lowering, edge: Edge, window: Window, gates: tuple[int, int], target: Terminal) -> None:
    """Every output token waits for its group's gate; a core then reads the window from its line buffer."""
    gate, groups = gates
    # token t = k m + q of replica q of m is in group t G // columns, counted over all rows
    columns, q, m = window.out_columns, target.replica, target.n_replicas
    need = Need(m * groups, q * groups + columns, columns)
    if not target.place.is_core:
        for actor in target.actors:
            build.depend(gate, actor, need)
        return
    n_bytes = (target.values[1] - target.values[0]) * build.chip.numbers.core_input.n_bytes
    load = build.actor(
        f"{edge.target}[{target.values[0]}:{target.values[1]}] {target.node} r{target.replica}/window",
        Resource(target.place, ResourcePart.IN),
        build.input_cost(n_bytes),
        firings=Firings(build.graph.operator(edge.target).tokens, target.replica, target.n_replicas),
        operator=edge.target,
        stage="load",
    )
    build.depend(gate, load, need)
    for actor in target.actors:
        build.buffer(load, actor, target.buffers)
