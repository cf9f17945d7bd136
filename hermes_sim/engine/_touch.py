"""Copies of actors' rows as they were when a level of the recurrence check kept the state: made at the first change.

Every state that is kept has a number, its epoch. A row carries the epoch of its latest change; if that is older than
the state of a level, the row is still as it was then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_inline, njit_kernel
from hermes_sim.engine import _layout as c

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64


@njit_inline
def is_touched(actors: I64, saved_scalars: I64, level: int, a: int) -> bool:
    """Whether an actor's row has changed since a level kept the state; the level must have one."""
    return bool(actors[a, c.TOUCHED] >= saved_scalars[level, c.SAVED_EPOCH])


@njit_kernel
def keep_row(actors: I64, saved_actors: I64, touched: I64, saved_scalars: I64, scalars: I64, a: int) -> None:
    """Copy an actor's row for every level whose state is younger than the row's latest change."""
    for level in range(saved_scalars.shape[0]):
        state = saved_scalars[level]
        if state[c.VALID] == 1 and actors[a, c.TOUCHED] < state[c.SAVED_EPOCH]:
            for column in range(c.ACTOR_COLUMNS):
                saved_actors[level, a, column] = actors[a, column]
            touched[level, state[c.N_TOUCHED]] = a
            state[c.N_TOUCHED] += 1
    actors[a, c.TOUCHED] = scalars[c.EPOCH]


@njit_inline
def touch(actors: I64, saved_actors: I64, touched: I64, saved_scalars: I64, scalars: I64, a: int) -> None:
    """To be called before an actor's row changes."""
    if actors[a, c.TOUCHED] != scalars[c.EPOCH]:
        keep_row(actors, saved_actors, touched, saved_scalars, scalars, a)
