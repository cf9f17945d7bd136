"""The event loop of the compiled engine, one round per turn. README.md has the contract it obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_inline, njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import advance_clock, empty_slot, next_instant, push_event
from hermes_sim.engine._needs import begin_wait, deliver_finish, examine_needs, leave_line, mark_dirty, touch_actor
from hermes_sim.engine._queues import enter_queues, has_room, leave_queues, room_since
from hermes_sim.engine._recurrence import check_levels

if TYPE_CHECKING:
    from hermes_sim.engine._layout import Tables


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
            if resources[r, c.QUEUES_USED] & c.LEFT_HERE:
                leave_queues(t, a)
        node = following


@njit_inline
def note_start(t: Tables, a: int, ready_ps: int) -> None:
    """Count a firing that starts now, and what it waited for."""
    actors, log, scalars = t.actors, t.log, t.scalars
    now = scalars[c.NOW]
    touch_actor(t, a)
    if actors[a, c.STARTED] == 0:
        actors[a, c.FIRST] = now
    actors[a, c.STARTED] += 1
    actors[a, c.LAST] = now
    met_ps = actors[a, c.MET]
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


@njit_kernel
def grant_places(t: Tables) -> None:
    """Rest of phase 2, for resources whose firings enter queues: those that find one full are passed over."""
    actors, resources, scalars = t.actors, t.resources, t.scalars
    first = n = scalars[c.N_GRANTED]
    for i in range(scalars[c.N_PLACES]):
        r = t.lists[c.DIRTY_LIST, i]
        a = resources[r, c.HEAD]
        while a >= 0 and resources[r, c.FREE] > 0:
            following = actors[a, c.NEXT]
            if has_room(t, a):
                leave_line(t, r, a)
                note_start(t, a, room_since(t, a))
                enter_queues(t, a)
                resources[r, c.FREE] -= 1
                t.lists[c.GRANTED_LIST, n] = a
                n += 1
            a = following
        resources[r, c.MAX_QUEUED] = max(resources[r, c.MAX_QUEUED], resources[r, c.N_QUEUED])
    scalars[c.N_STARTED] += n - first
    scalars[c.N_GRANTED] = n


@njit_inline
def grant_servers(t: Tables) -> int:
    """Phase 2: start waiting firings on free servers; returns how many, their actors are listed."""
    actors, resources, lists, scalars = t.actors, t.resources, t.lists, t.scalars
    n = n_places = 0
    for i in range(scalars[c.N_DIRTY]):
        r = lists[c.DIRTY_LIST, i]
        resources[r, c.DIRTY] = 0
        if resources[r, c.QUEUES_USED] & c.ENTERED_HERE:
            lists[c.DIRTY_LIST, n_places] = r
            n_places += 1
            continue
        n_grants = min(resources[r, c.FREE], resources[r, c.N_QUEUED])
        a = resources[r, c.HEAD]
        for _ in range(n_grants):
            lists[c.GRANTED_LIST, n] = a
            n += 1
            if a == resources[r, c.LATEST]:
                resources[r, c.LATEST] = c.NOBODY
            note_start(t, a, actors[a, c.READY])
            a = actors[a, c.NEXT]
        resources[r, c.HEAD] = a
        resources[r, c.FREE] -= n_grants
        n_queued = resources[r, c.N_QUEUED] - n_grants
        resources[r, c.N_QUEUED] = n_queued
        resources[r, c.MAX_QUEUED] = max(resources[r, c.MAX_QUEUED], n_queued)
    scalars[c.N_DIRTY] = 0
    scalars[c.N_PLACES] = n_places
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
        if t.actors[a, c.RESOURCE] != c.NOBODY:  # no gate
            begin_wait(t, a)


@njit_kernel
def run_without_places(t: Tables) -> int:  # noqa: C901, PLR0911, PLR0912 - one loop, one exit per status code
    """Run rounds until a status code says why not to go on, AT_QUEUES among them; goes on where it left off."""
    slots, nodes, heap, scalars = t.slots, t.nodes, t.heap, t.scalars
    n_actors = t.actors.shape[0]
    log_room = t.log.shape[0] - n_actors
    event_room = nodes.shape[0] - 3 * n_actors
    n = scalars[c.N_GRANTED]
    scalars[c.N_GRANTED] = -1
    while True:
        if n < 0:
            if scalars[c.N_LOG] > log_room:
                return c.LOG_FULL
            if scalars[c.N_HEAP] + scalars[c.N_WHEEL] > event_room:
                return c.EVENTS_FULL
            n = grant_servers(t)
            if scalars[c.N_PLACES] > 0:
                scalars[c.N_GRANTED] = n
                return c.AT_QUEUES
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
        n = -1


@njit_kernel
def run_rounds(t: Tables) -> int:
    """Run rounds until a status code says why not to go on; all state is in the tables, call again to go on.

    What programs without queues need is a loop of its own: with the rest in it, it took a quarter more time.
    """
    while True:
        status = run_without_places(t)
        if status != c.AT_QUEUES:
            return status
        grant_places(t)
