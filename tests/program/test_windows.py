"""Sliding windows against a model that looks at every cell of every window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.mapping.place import map_graph
from hermes_sim.program.bounds import lower_bounds
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind, Pattern, Window

US = 1_000_000


def sliding(rows, columns, kernel, stride, above, below, left=None, right=None):
    """Window over a picture with padding on its four sides."""
    left, right = above if left is None else left, below if right is None else right
    out_rows, out_columns = (
        (rows + above + below - kernel) // stride + 1,
        (columns + left + right - kernel) // stride + 1,
    )
    return Window(rows, columns, out_rows, out_columns, kernel, stride, above, kernel * kernel, left)


def pixels_needed(window, y, x):
    """Pixels of a picture, in the order in which they come, up to the last that a window covers (at least one)."""
    needed = 1
    for row in range(y * window.stride - window.padding, y * window.stride - window.padding + window.kernel):
        for column in range(x * window.stride - window.left, x * window.stride - window.left + window.kernel):
            if 0 <= row < window.in_rows and 0 <= column < window.in_columns:
                needed = max(needed, row * window.in_columns + column + 1)
    return needed


def pixels_awaited(window, y, x):
    """The same for all columns of a group; an empty window waits as if it began at the picture's border."""
    groups = min(8, window.out_columns)
    together = [
        c for c in range(window.out_columns) if c * groups // window.out_columns == x * groups // window.out_columns
    ]
    row = y * window.stride - window.padding + window.kernel - 1
    column = max(together) * window.stride - window.left + window.kernel - 1
    last = [min(max(at, 0), size - 1) for at, size in ((row, window.in_rows), (column, window.in_columns))]
    return last[0] * window.in_columns + last[1] + 1


def lowered_window(chip, window, *, on_core=False, inferences=1, mapping="packed", replicas=(1, 1)):
    """x -> y over a window; on cores both are products, with so many replicas each."""
    graph = GraphBuilder("g")
    tokens = window.in_rows * window.in_columns, window.out_rows * window.out_columns
    if on_core:
        graph.product("x", Matrix("V", 4, 8), tokens=tokens[0], on_crossbar=True)
        graph.product("y", Matrix("W", 8 * window.positions, 4), tokens=tokens[1], on_crossbar=True)
    else:
        graph.add(Operator("x", OpKind.ELEMENTWISE, tokens[0], 0, 1, {}))
        graph.add(Operator("y", OpKind.POOLING, tokens[1], window.positions, 0, {}))
    graph.connect("x", "y", pattern=Pattern.WINDOW, window=window)
    built = graph.build()
    mapped = map_graph(built, chip, mapping)
    if on_core:
        blocks, core = [], 0
        for matrix, count in zip("VW", replicas, strict=True):
            for r in range(count):
                for block in (b for b in mapped.blocks if b.matrix == matrix):
                    blocks.append(replace(block, replica=r, core=core))
                    core += 1
        turns = {name: tuple(range(count)) for name, count in zip("xy", replicas, strict=True)}
        mapped = replace(mapped, blocks=tuple(blocks), replicas=turns)
    return lower(built, mapped, chip, inferences=inferences)


SHAPES = [
    (8, 8, 3, 1, 1, 1), (8, 8, 3, 2, 1, 1), (8, 6, 2, 2, 0, 0), (8, 8, 5, 1, 2, 2), (7, 5, 3, 1, 0, 0),
    (7, 9, 3, 2, 1, 1), (9, 9, 2, 2, 0, 0), (8, 8, 1, 1, 0, 0), (8, 8, 8, 1, 0, 0), (2, 3, 5, 1, 2, 2),
    (3, 3, 7, 1, 3, 3), (9, 9, 3, 3, 0, 0), (8, 8, 3, 1, 3, 3), (8, 8, 3, 2, 4, 4), (5, 4, 1, 1, 2, 2),
    (3, 3, 2, 3, 7, 7), (6, 20, 3, 1, 1, 1), (6, 32, 3, 1, 1, 1), (8, 18, 2, 2, 0, 0), (6, 21, 3, 2, 1, 1),
    (8, 1, 3, 1, 1, 1), (1, 8, 3, 1, 1, 1), (4, 40, 1, 1, 0, 0), (8, 8, 3, 1, 0, 2), (8, 8, 3, 1, 2, 0),
    (6, 6, 1, 1, 0, 5), (6, 6, 1, 1, 5, 0), (10, 5, 3, 2, 0, 40), (7, 7, 2, 5, 1, 0), (10, 10, 3, 2, 33, 7, 1, 1),
    (6, 12, 3, 1, 1, 1, 0, 2), (6, 12, 3, 1, 1, 1, 2, 0),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("inferences", [1, 3])
def test_outputs_start_with_the_last_pixel_that_their_group_needs(hermes, shape, inferences):
    """Pixels come one per microsecond, outputs take no time: none before its window is there, pictures do not mix."""
    window = sliding(*shape)
    lowered = lowered_window(hermes, window, inferences=inferences)
    names = list(lowered.program.actor_names)
    x, y, done = (names.index(name) for name in ("x", "y", "inference done"))
    interval, latency = lowered.program.interval_ps.copy(), lowered.program.latency_ps.copy()
    interval[x] = latency[x] = US
    interval[y] = latency[y] = 0
    resource = lowered.program.resource.copy()
    resource[y] = resource[done]  # it competes with nobody
    program = replace(lowered.program, interval_ps=interval, latency_ps=latency, resource=resource)
    record = CompiledEngine().run(program, trace=True)
    starts_us = record.trace.starts(y) / US
    pixels, outputs = window.in_rows * window.in_columns, window.out_rows * window.out_columns
    assert len(starts_us) == inferences * outputs
    # where the stride leaves lower rows over, the chain asks for up to a step of rows more
    even = (
        window.out_rows - 1
    ) * window.stride + 1 == window.in_rows or window.in_rows == window.stride * window.out_rows
    slack = 0 if even or window.stride == 1 else window.stride * window.in_columns
    latest = 0
    for k, start_us in enumerate(starts_us):
        picture, token = divmod(k, outputs)
        at = divmod(token, window.out_columns)
        latest = max(latest, picture * pixels + pixels_awaited(window, *at))
        assert start_us >= picture * pixels + pixels_needed(window, *at)
        assert start_us <= min(latest + slack, (picture + 1) * pixels)


def test_up_to_eight_columns_are_single_pixels():
    for shape in SHAPES:
        window = sliding(*shape)
        if window.out_columns <= 8 and window.padding < window.kernel and window.left < window.kernel:
            for y in range(window.out_rows):
                for x in range(window.out_columns):
                    inside = y * window.stride - window.padding < window.in_rows  # not all of it below the picture
                    assert not inside or pixels_awaited(window, y, x) >= pixels_needed(window, y, x)
    same = sliding(8, 8, 3, 1, 1, 1)
    assert all(pixels_awaited(same, y, x) == pixels_needed(same, y, x) for y in range(8) for x in range(8))


@pytest.mark.parametrize("shape", [(6, 20, 3, 1, 1, 1), (8, 6, 2, 2, 0, 0), (7, 9, 3, 2, 1, 1), (4, 5, 1, 1, 0, 0)])
@pytest.mark.parametrize("replicas", [(1, 1), (2, 1), (3, 2), (1, 3)])
def test_cores_read_windows_that_are_there_whatever_replica_makes_a_pixel(shape, replicas):
    """Arrivals by the actors whose pixels open gates; window j of replica q of m is output token q + m j."""
    chip = load_arch("hermes_64", {"core.input_buffers": 2})
    window, inferences = sliding(*shape), 2
    lowered = lowered_window(chip, window, on_core=True, replicas=replicas, inferences=inferences)
    program = lowered.program
    record, slow = CompiledEngine().run(program, trace=True), ReferenceEngine().run(program, trace=True)
    assert record.is_complete
    assert lower_bounds(program).makespan_ps <= record.makespan_ps
    gates = {a for a, name in enumerate(program.actor_names) if "/rows" in name}
    arrived = sorted({int(s) for s, t in zip(program.source, program.target, strict=True) if int(t) in gates})
    pixels, outputs = window.in_rows * window.in_columns, window.out_rows * window.out_columns
    there_ps = np.zeros(inferences * pixels, dtype=np.int64)
    for actor in arrived:
        r = int(program.actor_names[actor].split("/")[0].rpartition(" r")[2])
        finish_ps = record.trace.starts(actor) + program.latency_ps[actor]
        np.maximum.at(there_ps, r + replicas[0] * np.arange(len(finish_ps)), finish_ps)
    all_there_ps = np.maximum.accumulate(there_ps)
    loads = [a for a, name in enumerate(program.actor_names) if name.endswith("/window")]
    assert len(loads) == replicas[1] * -(-8 * window.positions // 256)
    for actor in loads:
        q = int(program.actor_names[actor].split("/")[0].rpartition(" r")[2])
        starts_ps = record.trace.starts(actor)
        np.testing.assert_array_equal(starts_ps, slow.trace.starts(actor))
        for j, start_ps in enumerate(starts_ps):
            picture, token = divmod(q + replicas[1] * j, outputs)
            at = picture * pixels + pixels_needed(window, *divmod(token, window.out_columns)) - 1
            assert start_ps >= all_there_ps[at]


def test_the_hand_computation_of_the_module(hermes):
    """The first window of a 3 x 3 kernel on 32 columns waits for 32 + 5 pixels, not for two rows of 32."""
    window = sliding(8, 32, 3, 1, 1, 1)
    assert pixels_awaited(window, 0, 0) == pixels_awaited(window, 0, 3) == 32 + 5
    assert pixels_awaited(window, 0, 31) == 64
    assert pixels_needed(window, 0, 0) == 32 + 2
    lowered = lowered_window(hermes, window)
    gates = {
        name.partition("/")[2]: int(n)
        for name, n in zip(lowered.program.actor_names, lowered.program.firings, strict=True)
    }
    assert [gates[f"rows{h}"] for h in range(8)] == [8] * 8
    assert gates["windows"] == 8 * 8


def test_a_pooling_that_fits_needs_one_gate_per_output_row_and_group(hermes):
    lowered = lowered_window(hermes, sliding(8, 6, 2, 2, 0, 0))
    names = [name for name in lowered.program.actor_names if name.startswith("x>y/")]
    assert names == ["x>y/rows0", "x>y/rows1", "x>y/rows2", "x>y/windows"]
