"""The event loop of the compiled engine, one round per turn. README.md has the contract it obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_inline, njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import advance_clock, empty_slot, next_instant, push_event
from hermes_sim.engine._recurrence import check_levels
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


@njit_inline
def deliver_due(t: Tables) -> None:
    """Phase 1: deliver all events that are due now; their order is free."""
    actors, resources, nodes, scalars = t.actors, t.resources, t.nodes, t.scalars
    node = empty_slot(t.slots, scalars)
    while node >= 0:
        a = nodes[node, 0] >> 2
        kind = nodes[node, 0] & 3
        following = nodes[node, 1]
        nodes[node, 1] = scalars[c.SPARE_NODE]
        scalars[c.SPARE_NODE] = node
        scalars[c.N_WHEEL] -= 1
        if kind <= c.FINISH:
            deliver_finish(t, a)
        elif kind == c.ARRIVE:
            examine_needs(t, a, actors[a, c.IN_FIRST])
        if kind in (c.FINISH_AND_FREE, c.FREE_SERVER):
            r = actors[a, c.RESOURCE]
            resources[r, c.FREE] += 1
            if resources[r, c.N_QUEUED] > 0:
                mark_dirty(t, r)
        node = following


@njit_inline
def grant_servers(t: Tables) -> int:
    """Phase 2: start waiting firings on free servers; returns how many, their actors are listed."""
    actors, resources, lists, log, scalars = t.actors, t.resources, t.lists, t.log, t.scalars
    now = scalars[c.NOW]
    n = 0
    for i in range(scalars[c.N_DIRTY]):
        r = lists[c.DIRTY_LIST, i]
        resources[r, c.DIRTY] = 0
        n_grants = min(resources[r, c.FREE], resources[r, c.N_QUEUED])
        a = resources[r, c.HEAD]
        for _ in range(n_grants):
            lists[c.GRANTED_LIST, n] = a
            n += 1
            if a == resources[r, c.LATEST]:
                resources[r, c.LATEST] = c.NOBODY
            touch_actor(t, a)
            if actors[a, c.STARTED] == 0:
                actors[a, c.FIRST] = now
            actors[a, c.STARTED] += 1
            actors[a, c.LAST] = now
            met_ps = actors[a, c.MET]
            ready_ps = actors[a, c.READY]
            actors[a, c.WAIT_DATA] += met_ps - actors[a, c.BASE]
            actors[a, c.WAIT_SPACE] += ready_ps - met_ps
            actors[a, c.WAIT_RESOURCE] += now - ready_ps
            scalars[c.HIT] |= actors[a, c.ANCHOR]
            if actors[a, c.LOGGED] == 1:
                row = scalars[c.N_LOG]
                log[row, 0] = a
                log[row, 1] = ready_ps
                log[row, 2] = now
                scalars[c.N_LOG] = row + 1
            a = actors[a, c.NEXT]
        resources[r, c.HEAD] = a
        resources[r, c.FREE] -= n_grants
        n_queued = resources[r, c.N_QUEUED] - n_grants
        resources[r, c.N_QUEUED] = n_queued
        resources[r, c.MAX_QUEUED] = max(resources[r, c.MAX_QUEUED], n_queued)
    scalars[c.N_DIRTY] = 0
    scalars[c.N_STARTED] += n
    return n


@njit_inline
def begin_firings(t: Tables, n: int) -> None:
    """Schedule the ends of the firings just started; what has no duration is due in the next round."""
    actors, scalars = t.actors, t.scalars
    for i in range(n):
        a = t.lists[c.GRANTED_LIST, i]
        latency_ps = actors[a, c.LATENCY]
        interval_ps = actors[a, c.INTERVAL]
        kind = c.FINISH_AND_FREE
        if latency_ps != interval_ps:
            push_event(
                t.slots, t.nodes, t.heap, scalars, interval_ps, actors[a, c.INTERVAL_TICKS], 4 * a + c.FREE_SERVER
            )
            kind = c.FINISH
        push_event(t.slots, t.nodes, t.heap, scalars, latency_ps, actors[a, c.LATENCY_TICKS], 4 * a + kind)
        begin_wait(t, a)


@njit_kernel
def begin_program(t: Tables) -> None:
    """Phase 1 at time 0."""
    for a in range(t.actors.shape[0]):
        begin_wait(t, a)


@njit_kernel
def run_rounds(t: Tables) -> int:  # noqa: C901 - one loop, one exit per status code
    """Run rounds until a status code says why not to go on; all state is in the tables, call again to go on."""
    slots, nodes, heap, scalars = t.slots, t.nodes, t.heap, t.scalars
    n_actors = t.actors.shape[0]
    log_room = t.log.shape[0] - n_actors
    event_room = nodes.shape[0] - 3 * n_actors
    while True:
        if scalars[c.N_LOG] > log_room:
            return c.LOG_FULL
        if scalars[c.N_HEAP] + scalars[c.N_WHEEL] > event_room:
            return c.EVENTS_FULL
        n = grant_servers(t)
        if n > 0:
            begin_firings(t, n)
        else:
            if scalars[c.HIT] != 0 or scalars[c.N_STARTED] >= scalars[c.PATIENCE_ENDS]:
                hit = scalars[c.HIT]
                scalars[c.HIT] = 0
                if scalars[c.N_STARTED] < scalars[c.CHECK_AT]:
                    hit &= ~1
                if check_levels(t, hit):
                    return c.RECURRED
            time_ps = next_instant(slots, heap, scalars)
            if time_ps < 0:
                return c.IDLE
            if time_ps > scalars[c.UNTIL]:
                return c.UNTIL_REACHED
            if scalars[c.N_STARTED] >= scalars[c.PAUSE_AT]:
                return c.PAUSED
            advance_clock(slots, nodes, heap, scalars, time_ps)
        deliver_due(t)
