"""What a firing waits for: its release, its needs, and its place among those ready for a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_inline, njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import push_event
from hermes_sim.engine._touch import touch

if TYPE_CHECKING:
    from hermes_sim.engine._layout import Tables
    from hermes_sim.program.dataflow import I64


@njit_inline
def mark_dirty(t: Tables, r: int) -> None:
    """Have phase 2 look at a resource."""
    resources, scalars = t.resources, t.scalars
    if resources[r, c.DIRTY] == 0:
        resources[r, c.DIRTY] = 1
        t.lists[c.DIRTY_LIST, scalars[c.N_DIRTY]] = r
        scalars[c.N_DIRTY] += 1


@njit_inline
def touch_actor(t: Tables, a: int) -> None:
    """To be called before an actor's row changes: the recurrence check may want it as it was."""
    touch(t.actors, t.saved_actors, t.touched, t.saved_scalars, t.scalars, a)


@njit_kernel
def place_in_tie(actors: I64, resources: I64, r: int, a: int, now: int) -> int:
    """Whom an actor queues behind, NOBODY for the head, where the tail has become ready just now and comes after it.

    Many tied actors mostly come in one order or the other: the place is near the head or near the latest one's.
    """
    before = resources[r, c.LATEST]
    if before < 0 or actors[before, c.READY] != now:
        before = resources[r, c.TAIL]
    while before < a:
        following = actors[before, c.NEXT]
        if following > a:
            return int(before)
        before = following
    after = resources[r, c.HEAD]
    last = c.NOBODY  # before `after`
    while actors[before, c.READY] == now and before > a:  # backwards from there, and onwards from the head
        if actors[after, c.READY] == now and after > a:
            return int(last)
        last = after
        after = actors[after, c.NEXT]
        before = actors[before, c.PREVIOUS]
    return int(before)


@njit_inline
def enqueue(t: Tables, a: int) -> None:
    """Put a ready firing into its resource's queue; equal ready times are ordered by actor index."""
    actors, resources = t.actors, t.resources
    now = t.scalars[c.NOW]
    r = actors[a, c.RESOURCE]
    actors[a, c.READY] = now
    actors[a, c.WATCHED] = c.QUEUED
    n_queued = resources[r, c.N_QUEUED]
    resources[r, c.N_QUEUED] = n_queued + 1
    mark_dirty(t, r)
    before = c.NOBODY
    after = c.NOBODY
    if n_queued > 0:
        before = resources[r, c.TAIL]
        if actors[before, c.READY] == now and before > a:
            before = place_in_tie(actors, resources, r, a, now)
            after = actors[before, c.NEXT] if before >= 0 else resources[r, c.HEAD]
    actors[a, c.NEXT] = after
    if before >= 0:
        touch_actor(t, before)
        actors[before, c.NEXT] = a
    else:
        resources[r, c.HEAD] = a
    actors[a, c.PREVIOUS] = before
    if after < 0:
        resources[r, c.TAIL] = a
    else:
        actors[after, c.PREVIOUS] = a
    resources[r, c.LATEST] = a


@njit_inline
def leave_line(t: Tables, r: int, a: int) -> None:
    """Take an actor out of the queue of its resource, wherever in it."""
    actors, resources = t.actors, t.resources
    before = c.NOBODY if a == resources[r, c.HEAD] else actors[a, c.PREVIOUS]
    after = actors[a, c.NEXT]
    if before < 0:
        resources[r, c.HEAD] = after
    else:
        touch_actor(t, before)
        actors[before, c.NEXT] = after
    if after < 0:
        resources[r, c.TAIL] = before
    else:
        actors[after, c.PREVIOUS] = before
    if a == resources[r, c.LATEST]:
        resources[r, c.LATEST] = c.NOBODY
    resources[r, c.N_QUEUED] -= 1


@njit_inline
def examine_needs(t: Tables, a: int, j: int) -> None:
    """Look at the needs of an actor's next firing from row j on: watch the first unmet one, or enqueue."""
    actors, ins, scalars = t.actors, t.ins, t.scalars
    touch_actor(t, a)
    k = actors[a, c.STARTED]
    end = actors[a, c.IN_END]
    if j <= actors[a, c.IN_SPACE]:
        actors[a, c.MET] = scalars[c.NOW]  # stands if the data needs still to be looked at are met
    while j < end:
        source = ins[j, c.SOURCE]
        need = k * ins[j, c.NUM] + ins[j, c.OFF]
        den = ins[j, c.DEN]
        if den != 1:
            need = need // den
        need = min(need, actors[source, c.FIRINGS])
        if actors[source, c.FINISHED] < need:
            t.outs[ins[j, c.OUT_ROW], c.THRESHOLD] = need
            actors[a, c.WATCHED] = j
            ins[j, c.WATCHED_AT] = scalars[c.NOW]
            break
        j += 1
    if j == end:
        enqueue(t, a)


@njit_inline
def begin_wait(t: Tables, a: int) -> None:
    """Start waiting for the next firing of an actor: first for its release, then for its needs."""
    actors, scalars = t.actors, t.scalars
    k = actors[a, c.STARTED]
    now = scalars[c.NOW]
    release_ps = now
    if k == actors[a, c.FIRINGS]:
        actors[a, c.WATCHED] = c.DONE
    else:
        if actors[a, c.RELEASE_AT] >= 0:
            release_ps = max(now, t.releases[actors[a, c.RELEASE_AT] + k])
        actors[a, c.BASE] = release_ps
        if release_ps > now:
            actors[a, c.WATCHED] = c.RELEASING
            delay_ps = release_ps - now
            push_event(t.slots, t.nodes, t.heap, scalars, delay_ps, delay_ps // scalars[c.TICK], 4 * a + c.ARRIVE)
        else:
            examine_needs(t, a, actors[a, c.IN_FIRST])


@njit_inline
def deliver_finish(t: Tables, a: int) -> None:
    """Count a finish and wake the targets that waited for exactly this one."""
    actors, outs = t.actors, t.outs
    touch_actor(t, a)
    finished = actors[a, c.FINISHED] + 1
    actors[a, c.FINISHED] = finished
    for o in range(actors[a, c.OUT_FIRST], actors[a, c.OUT_END]):
        if outs[o, c.THRESHOLD] == finished:
            outs[o, c.THRESHOLD] = c.NOBODY
            target = outs[o, c.OUT_TARGET]
            examine_needs(t, target, outs[o, c.IN_ROW] + 1)
