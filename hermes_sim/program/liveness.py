"""How far a program can get at all. Times and resources do not matter for that, only needs do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit_kernel

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram

_STEPS_LIMIT = 20_000_000  # well under a second


@njit_kernel
def _allowed(num: int, off: int, den: int, finished: int, n_source: int, n_target: int) -> int:
    """Largest number of target firings whose needs `finished` firings of the source meet."""
    if finished >= n_source:
        return n_target
    slack = finished * den + den - 1 - off
    if slack < 0:
        return 0
    return n_target if num == 0 else min(n_target, slack // num + 1)


@njit_kernel
def _fire_all(
    firings: I64,
    source: I64,
    target: I64,
    needs: I64,
    out_first: I64,
    out_deps: I64,
    counts: I64,
    queue: I64,
    limit: int,
) -> int:
    """Raise the counts to the fixpoint; `queue` has room for every actor and holds those whose count changed.

    `counts` begins as an upper bound given by each dependency in turn, so an actor is looked at again
    whenever one of its sources advances.
    """
    n_actors = firings.shape[0]
    steps = 0
    head = 0
    size = n_actors
    while size > 0 and steps < limit:
        a = queue[0, head]
        head = (head + 1) % n_actors
        size -= 1
        queue[1, a] = 0
        steps += 1
        count = firings[a]
        for i in range(out_first[0, a], out_first[0, a + 1]):
            d = out_deps[0, i]
            s = source[d]
            finished = counts[s]
            count = min(count, _allowed(needs[0, d], needs[1, d], needs[2, d], finished, firings[s], firings[a]))
        if count > counts[a]:
            counts[a] = count
            for i in range(out_first[1, a], out_first[1, a + 1]):
                b = target[out_deps[1, i]]
                if queue[1, b] == 0:
                    queue[1, b] = 1
                    queue[0, (head + size) % n_actors] = b
                    size += 1
    return steps


def reachable_firings(program: DataflowProgram, *, off: I64 | None = None) -> I64 | None:
    """(n_actors,) how often each actor can fire, whatever the times; None if the search takes too long.

    Parameters
    ----------
    off : (n_deps,)     used in place of `program.off`, to try other buffer depths
    """
    n = program.n_actors
    needs = np.stack([program.num, program.off if off is None else off, program.den])
    in_order = np.argsort(program.target, kind="stable")
    out_order = np.argsort(program.source, kind="stable")
    first = np.zeros((2, n + 1), dtype=np.int64)
    np.cumsum(np.bincount(program.target, minlength=n), out=first[0, 1:])
    np.cumsum(np.bincount(program.source, minlength=n), out=first[1, 1:])
    counts = np.zeros(n, dtype=np.int64)
    queue = np.ones((2, n), dtype=np.int64)
    queue[0] = np.arange(n)
    steps = _fire_all(
        program.firings,
        program.source,
        program.target,
        needs,
        first,
        np.stack([in_order, out_order]),
        counts,
        queue,
        _STEPS_LIMIT,
    )
    return counts if steps < _STEPS_LIMIT else None
