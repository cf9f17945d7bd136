"""Packs a program into the tables of the compiled engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.engine import _layout as c
from hermes_sim.engine._gates import add_gates, mark_users, pack_leaves, pack_queues
from hermes_sim.engine._layout import Tables

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram

SLICE_FIRINGS = 1_000_000  # the kernel comes back that often: Ctrl-C is heard, progress is told
_LOG_ROWS = 1 << 16
_NO_LIMIT = 2**62
_LEAST_SLOTS, _MOST_SLOTS = 1 << 10, 1 << 18  # event wheel


def pack_tables(program: DataflowProgram, logged: I64, *, until_ps: int | None, detect: bool) -> Tables:
    """Tables of a program before its first instant.

    Parameters
    ----------
    logged : (n_actors,) 1 where starts go to the log
    detect : look for recurrences
    """
    program, enters = add_gates(program)
    n = program.n_actors
    ins, outs = _pack_deps(program)
    resources = np.zeros((len(program.resource_names), c.RESOURCE_COLUMNS), dtype=np.int64)
    resources[:, c.FREE] = program.capacity
    resources[:, c.LATEST] = c.NOBODY
    release_at, releases = _pack_releases(program)
    tick_ps = _tick(program, releases)
    actors = _pack_actors(program, logged, release_at, tick_ps)
    mark_users(program, actors, resources)
    queues = pack_queues(program)
    n_slots = _wheel_size(actors)
    scalars = np.zeros(c.N_SCALARS, dtype=np.int64)
    scalars[c.UNTIL] = _NO_LIMIT if until_ps is None else until_ps
    scalars[c.PAUSE_AT] = SLICE_FIRINGS
    scalars[c.PATIENCE_ENDS] = 1 if detect else _NO_LIMIT
    scalars[c.MOST_PATIENCE] = max(4 * n, 64)
    scalars[c.LEAST_PATIENCE] = min(c.FIRST_PATIENCE, scalars[c.MOST_PATIENCE])
    scalars[c.TICK] = tick_ps
    scalars[c.N_SLOTS] = n_slots
    scalars[c.N_GRANTED] = -1
    levels = _choose_levels(program, actors) if detect else 0
    saved_scalars = np.zeros((levels, c.SAVED_COLUMNS), dtype=np.int64)
    saved_scalars[:, c.POWER] = 1
    saved_scalars[:, c.ANCHOR_ACTOR] = c.NOBODY
    events = np.zeros((max(4 * n, 64), 2), dtype=np.int64)
    return Tables(
        actors=actors,
        ins=ins,
        outs=outs,
        resources=resources,
        releases=releases,
        slots=np.concatenate([np.full(n_slots, -1), np.zeros((n_slots >> 5) + (n_slots >> 10), dtype=np.int64)]),
        nodes=np.zeros_like(events),
        heap=np.zeros_like(events),
        lists=np.zeros((2, max(n, len(resources))), dtype=np.int64),
        log=np.zeros((max(_LOG_ROWS, 2 * n) if logged.any() else n, 3), dtype=np.int64),
        scalars=scalars,
        saved_actors=np.empty((levels, *actors.shape), dtype=np.int64),
        touched=np.empty((levels, n), dtype=np.int64),
        saved_events=np.zeros((levels, *events.shape), dtype=np.int64),
        saved_scalars=saved_scalars,
        scratch=events,
        queues=queues,
        enters=enters,
        leaves=pack_leaves(program),
        saved_queues=np.zeros((levels, *queues.shape), dtype=np.int64),
    )


def _pack_deps(program: DataflowProgram) -> tuple[I64, I64]:
    """Dependencies sorted by target, data before space, and sorted by source, each with its row in the other."""
    in_order = np.lexsort((program.is_space, program.target))
    out_order = np.argsort(program.source, kind="stable")
    in_row, out_row = np.empty((2, program.n_deps), dtype=np.int64)
    in_row[in_order] = np.arange(program.n_deps)
    out_row[out_order] = np.arange(program.n_deps)
    ins = np.zeros((program.n_deps, c.IN_COLUMNS), dtype=np.int64)
    for column, values in (
        (c.SOURCE, program.source),
        (c.NUM, program.num),
        (c.OFF, program.off),
        (c.DEN, program.den),
        (c.OUT_ROW, out_row),
        (c.TARGET, program.target),
    ):
        ins[:, column] = values[in_order]
    ins[:, c.WATCHED_AT] = -1
    outs = np.zeros((program.n_deps, c.OUT_COLUMNS), dtype=np.int64)
    outs[:, c.THRESHOLD] = c.NOBODY
    outs[:, c.IN_ROW] = in_row[out_order]
    outs[:, c.OUT_TARGET] = program.target[out_order]
    return ins, outs


def _pack_actors(program: DataflowProgram, logged: I64, release_at: I64, tick_ps: int) -> I64:
    n = program.n_actors
    actors = np.zeros((n, c.ACTOR_COLUMNS), dtype=np.int64)
    actors[:, c.FIRINGS] = program.firings
    actors[:, c.RESOURCE] = program.resource
    actors[:, c.LATENCY] = program.latency_ps
    actors[:, c.INTERVAL] = program.interval_ps
    actors[:, c.IN_END] = np.cumsum(np.bincount(program.target, minlength=n))
    actors[1:, c.IN_FIRST] = actors[:-1, c.IN_END]
    n_data = np.bincount(program.target, weights=~program.is_space, minlength=n).astype(np.int64)
    actors[:, c.IN_SPACE] = actors[:, c.IN_FIRST] + n_data
    actors[:, c.OUT_END] = np.cumsum(np.bincount(program.source, minlength=n))
    actors[1:, c.OUT_FIRST] = actors[:-1, c.OUT_END]
    actors[:, c.NEXT] = c.NOBODY
    actors[:, c.FIRST] = c.NOBODY
    actors[: len(logged), c.LOGGED] = logged
    actors[len(logged) :, c.WATCHED] = c.GATE
    actors[:, c.RELEASE_AT] = release_at
    actors[:, c.LATENCY_TICKS] = program.latency_ps // tick_ps
    actors[:, c.INTERVAL_TICKS] = program.interval_ps // tick_ps
    return actors


def _pack_releases(program: DataflowProgram) -> tuple[I64, I64]:
    """Offset of each actor's release times, or NOBODY, and all release times in one array."""
    offsets = np.full(program.n_actors, c.NOBODY, dtype=np.int64)
    columns = [np.zeros(0, dtype=np.int64)]
    n = 0
    for actor, times_ps in sorted(program.releases_ps.items()):
        offsets[actor] = n
        columns.append(times_ps)
        n += len(times_ps)
    return offsets, np.concatenate(columns)


def _choose_levels(program: DataflowProgram, actors: I64) -> int:
    """Number of levels of the recurrence check; the second follows an actor that fires once per sequence."""
    firings = program.firings[program.resource != c.NOBODY]  # not those of gates
    counts = firings[firings >= 4]
    if len(counts) == 0:
        return 1
    slowest = counts.min()
    if slowest == counts.max():
        return 1
    actors[np.flatnonzero(firings == slowest)[-1], c.ANCHOR] |= 2
    return 2


def _tick(program: DataflowProgram, releases: I64) -> int:
    """Greatest common divisor of all durations and release times: every instant is a multiple of it."""
    tick_ps = np.gcd.reduce(np.concatenate([program.latency_ps, program.interval_ps, releases]))
    return max(int(tick_ps), 1)


def _wheel_size(actors: I64) -> int:
    """Power of two that holds the longest duration, within limits; what is longer goes to the heap."""
    longest = int(actors[:, [c.LATENCY_TICKS, c.INTERVAL_TICKS]].max(initial=0))
    return min(max(1 << longest.bit_length(), _LEAST_SLOTS), _MOST_SLOTS)
