"""Sliding windows (convolution, pooling) over line buffers, row by row, without a loop over tokens.

Pixels travel once to every core that needs them and stay in its line buffer; a row of outputs may start when the
last input row of its windows is complete. Which row that is, is not affine at the lower border of a picture (there
is nothing below), so it goes through a chain of gates that take no time, each affine:
"drop" r to r - 1 rows: gate j opens with row j + 2 (a window that reaches one row further down);
"lead" r to r + 1: gate j opens with gate max(j, 1) before it (a window that lies in the padding above the picture
altogether; it waits for the first row, since nothing of an inference is done before its picture comes);
"stretch" r to r + 1: gate j opens with gate min(j + 1, r) before it (a border row that needs nothing new);
"stride": every s-th gate.
Pixels inside a row are not told apart: an output row waits for all of its last input row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hermes_sim.chip import costs
from hermes_sim.chip.costs import FREE
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


def connect_window(build: Lowering, edge: Edge, ends: Mapping[str, Ends]) -> None:
    """Pixels from the source to line buffers at the target, gates per row, and the load of every window."""
    window = edge.window
    assert window is not None  # checked by the graph
    targets = ends[edge.target].consumers
    gate = _first_row_gate(build, edge, window)
    for source in ends[edge.source].producers:
        for arrived in _send_pixels(build, edge, window, source, targets):
            # row y is there once (y + 1) * columns pixels are, of which replica r of R made every R-th
            need = Need.all_of_turn(window.in_columns, source.replica, source.n_replicas)
            build.depend(arrived, gate, need)
    gate = _window_gates(build, edge, window, gate)
    for target in targets:
        _load_windows(build, edge, window, gate, target)


def _gate(build: Lowering, edge: Edge, name: str, rows: int) -> int:
    label = f"{edge.source}>{edge.target}/{name}"
    return build.actor(label, CONTROL, FREE, firings=Firings(rows), operator=edge.target, stage="control")


def _first_row_gate(build: Lowering, edge: Edge, window: Window) -> int:
    return _gate(build, edge, "rows", window.in_rows)


def _window_gates(build: Lowering, edge: Edge, window: Window, gate: int) -> int:
    """Chain from complete input rows to output rows that may start."""
    rows = window.in_rows
    steps = (window.out_rows - 1) * window.stride + 1  # windows at stride 1, without those the stride leaves out
    for drop in range(min(window.kernel - 1 - window.padding, rows - 1)):
        # gate j of r - 1 opens with row j + 2 of the same picture
        smaller = _gate(build, edge, f"drop{drop}", rows - 1)
        build.depend(gate, smaller, Need(rows, 2 * (rows - 1), rows - 1))
        gate, rows = smaller, rows - 1
    for lead in range(window.padding - (window.kernel - 1)):
        larger = _gate(build, edge, f"lead{lead}", rows + 1)
        build.depend(gate, larger, Need(rows, rows + 1, rows + 1))
        gate, rows = larger, rows + 1
    for stretch in range(max(0, steps - rows)):
        larger = _gate(build, edge, f"stretch{stretch}", rows + 1)
        build.depend(gate, larger, Need(rows, 2 * rows, rows + 1))
        gate, rows = larger, rows + 1
    out = window.out_rows
    last = _gate(build, edge, "windows", out)
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
            groups.setdefault((*values, costs.bytes_per_value(build.chip, target.place)), []).append(target)
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


def _load_windows(build: Lowering, edge: Edge, window: Window, gate: int, target: Terminal) -> None:
    """Every output token waits for its row's gate; a core then reads the window from its line buffer."""
    # token k m + q lies in row (k m + q) // columns
    need = Need.turn_before(window.out_columns, target.replica, target.n_replicas)
    if not target.place.is_core:
        for actor in target.actors:
            build.depend(gate, actor, need)
        return
    n_bytes = (target.values[1] - target.values[0]) * costs.bytes_per_value(build.chip, target.place)
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
