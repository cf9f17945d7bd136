"""Steady-state fast-forward: recognise that the state of the engine recurs, and skip whole periods exactly.

Two instants t1 < t2 match if every actor that started a firing in between is in the same phase with the same
times relative to the instant, every other actor is in the same phase with the same absolute times, and all queues hold
the same packets. From there on the engine repeats itself for as long as all comparisons it makes have the same outcome.
It compares finished counts with needs, `finished >= floor((k num + off) / den)`, which in whole numbers is
`slack >= 0` with

    slack = finished * den + den - 1 - (k * num + off),

and per period every slack changes by a constant `finishes * den - starts * num`. That bounds how many periods
can be skipped: growing slacks must not lift a block, shrinking ones not cause one, no actor may reach its last
firing, and no event of an actor outside the period may come due. A barrier far ahead is such a bound, no more.

Only what changes costs anything: an actor's row is copied when it first changes after the instant t1 (`_touch.py`), and
only the rows of such actors, and the needs at either end of them, are looked at. A layer that is idle is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import list_events, replace_events, sort_events
from hermes_sim.engine._queues import queues_recur, save_queues, skip_queues, waits_recur
from hermes_sim.engine._touch import is_touched, touch

if TYPE_CHECKING:
    from hermes_sim.engine._layout import Tables

FOREVER = 2**62


@njit_kernel
def actors_recur(t: Tables, level: int, period_ps: int) -> bool:  # noqa: PLR0911 - leaves at a difference
    """Whether all actors are in the phase they were in, at times shifted by the period if they fired in it."""
    actors, saved = t.actors, t.saved_actors[level]
    for i in range(t.saved_scalars[level, c.N_TOUCHED]):
        a = t.touched[level, i]
        fired = actors[a, c.STARTED] - saved[a, c.STARTED]
        if actors[a, c.FINISHED] - saved[a, c.FINISHED] != fired:
            return False
        if actors[a, c.WATCHED] != saved[a, c.WATCHED]:
            return False
        if actors[a, c.WATCHED] == c.DONE:
            if fired != 0:
                return False
            continue
        if actors[a, c.WATCHED] == c.QUEUED and actors[a, c.NEXT] != saved[a, c.NEXT]:
            return False  # one that never fired in the period has moved up in the queue
        shift = period_ps if fired > 0 else 0
        if actors[a, c.BASE] - saved[a, c.BASE] != shift:
            return False
        if actors[a, c.MET] - saved[a, c.MET] != shift or actors[a, c.READY] - saved[a, c.READY] != shift:
            return False
    return True


@njit_kernel
def fired_since(t: Tables, level: int, a: int) -> int:
    """Firings an actor has started since the state of a level was kept."""
    if not is_touched(t.actors, t.saved_scalars, level, a):
        return 0
    return int(t.actors[a, c.STARTED] - t.saved_actors[level, a, c.STARTED])


@njit_kernel
def limit_by_events(t: Tables, level: int, period_ps: int) -> int:
    """Periods until an event of an actor outside the period comes due; 0 if the pending events differ."""
    now = t.scalars[c.NOW]
    limit = FOREVER
    events = t.scratch
    n_events = list_events(t.slots, t.nodes, t.heap, t.scalars, events)
    sort_events(events, n_events)
    for i in range(n_events):
        time_ps = events[i, 0]
        code = events[i, 1]
        saved_ps = t.saved_events[level, i, 0]
        if t.saved_events[level, i, 1] != code:
            return 0
        if fired_since(t, level, code >> 2) > 0:
            if time_ps - saved_ps != period_ps:
                return 0
        else:
            if time_ps != saved_ps:
                return 0
            limit = min(limit, (time_ps - 1 - now) // period_ps)
    return limit


@njit_kernel
def limit_by_need(t: Tables, level: int, j: int, start_ps: int) -> int:
    """Periods for which the comparison of a finished count with need j keeps its outcome."""
    actors, ins, saved = t.actors, t.ins, t.saved_actors[level]
    target, source = ins[j, c.TARGET], ins[j, c.SOURCE]
    k2 = k1 = actors[target, c.STARTED]
    watched = actors[target, c.WATCHED]
    finished2 = finished1 = actors[source, c.FINISHED]
    if watched == c.DONE:
        return FOREVER
    if is_touched(actors, t.saved_scalars, level, target):
        k1 = saved[target, c.STARTED]
        watched = saved[target, c.WATCHED]
    if is_touched(actors, t.saved_scalars, level, source):
        finished1 = saved[source, c.FINISHED]
    if finished1 == actors[source, c.FIRINGS]:
        return FOREVER  # always met
    num, den = ins[j, c.NUM], ins[j, c.DEN]
    change = (finished2 - finished1) * den - (k2 - k1) * num
    offset = den - 1 - ins[j, c.OFF]
    if change < 0:
        lowest = finished1 * den - k2 * num + offset
        return 0 if lowest < 0 else int(lowest // -change)
    if change > 0 and (watched == j or ins[j, c.WATCHED_AT] > start_ps):
        highest = finished2 * den - k1 * num + offset
        return 0 if k2 > k1 or highest >= 0 else int((-1 - highest) // change)
    return FOREVER


@njit_kernel
def limit_by_needs(t: Tables, level: int, start_ps: int) -> int:
    """Periods for which every comparison of a finished count with a need keeps its outcome."""
    actors = t.actors
    limit = FOREVER
    for i in range(t.saved_scalars[level, c.N_TOUCHED]):
        a = t.touched[level, i]
        for j in range(actors[a, c.IN_FIRST], actors[a, c.IN_END]):
            limit = min(limit, limit_by_need(t, level, j, start_ps))
        for o in range(actors[a, c.OUT_FIRST], actors[a, c.OUT_END]):
            if not is_touched(actors, t.saved_scalars, level, t.outs[o, c.OUT_TARGET]):
                limit = min(limit, limit_by_need(t, level, t.outs[o, c.IN_ROW], start_ps))
        if limit == 0:
            return 0
    return limit


@njit_kernel
def limit_by_releases(t: Tables, level: int, start_ps: int, period_ps: int, limit: int) -> int:
    """Periods for which release times go on as in the period, or lie in the past as they did there."""
    actors, releases = t.actors, t.releases
    for i in range(t.saved_scalars[level, c.N_TOUCHED]):
        a = t.touched[level, i]
        k1 = t.saved_actors[level, a, c.STARTED]
        fired = actors[a, c.STARTED] - k1
        if actors[a, c.RELEASE_AT] < 0 or fired == 0:
            continue
        t.scalars[c.SKIP_ENDLESS] = 0
        at = actors[a, c.RELEASE_AT]
        first = actors[a, c.STARTED] + 1
        for k in range(first, actors[a, c.STARTED] + limit * fired + 1):
            periods = (k - k1 - 1) // fired
            model_ps = releases[at + k - periods * fired]
            shift_ps = periods * period_ps
            past = model_ps <= start_ps and releases[at + k] <= start_ps + shift_ps
            if releases[at + k] != model_ps + shift_ps and not past:
                limit = (k - first) // fired
                break
    return limit


@njit_kernel
def periods_ahead(t: Tables, level: int) -> int:  # noqa: PLR0911 - leaves once nothing can be skipped
    """How many periods can be skipped, if the present state is the saved one a period later; else 0.

    SKIP_ENDLESS is set if nothing but `until` and the number of firings limits them.
    """
    actors, scalars = t.actors, t.scalars
    now = scalars[c.NOW]
    start_ps = t.saved_scalars[level, c.SAVED_NOW]
    period_ps = now - start_ps
    n_touched = t.saved_scalars[level, c.N_TOUCHED]
    if scalars[c.N_HEAP] + scalars[c.N_WHEEL] != t.saved_scalars[level, c.SAVED_N_EVENTS]:
        return 0
    if not (actors_recur(t, level, period_ps) and queues_recur(t, level, period_ps) and waits_recur(t, level)):
        return 0
    limit = (scalars[c.UNTIL] - now) // period_ps
    n_firings = 0
    for i in range(n_touched):
        a = t.touched[level, i]
        fired = actors[a, c.STARTED] - t.saved_actors[level, a, c.STARTED]
        if fired > 0:
            n_firings += fired
            limit = min(limit, (actors[a, c.FIRINGS] - 1 - actors[a, c.STARTED]) // fired)
    if n_firings == 0 or limit <= 0:
        return 0
    by_needs = limit_by_needs(t, level, start_ps)
    if by_needs <= 0:
        return 0
    by_events = limit_by_events(t, level, period_ps)
    if by_events <= 0:
        return 0
    scalars[c.SKIP_ENDLESS] = int(min(by_needs, by_events) == FOREVER)
    limit = limit_by_releases(t, level, start_ps, period_ps, min(limit, by_needs, by_events))
    if limit * n_firings < n_touched:
        return 0  # not worth the update of their rows
    return int(limit)


@njit_kernel
def save_state(t: Tables, level: int) -> None:
    """Keep the present state to compare later ones with; rows are copied when they change."""
    saved = t.saved_scalars[level]
    n_events = list_events(t.slots, t.nodes, t.heap, t.scalars, t.saved_events[level])
    sort_events(t.saved_events[level], n_events)
    save_queues(t, level)
    t.scalars[c.EPOCH] += 1
    saved[c.SAVED_EPOCH] = t.scalars[c.EPOCH]
    saved[c.SAVED_NOW] = t.scalars[c.NOW]
    saved[c.SAVED_N_EVENTS] = n_events
    saved[c.N_TOUCHED] = 0
    saved[c.VALID] = 1


@njit_kernel
def forget_state(t: Tables, level: int) -> None:
    """Start the search of a level anew."""
    t.saved_scalars[level, c.VALID] = 0
    t.saved_scalars[level, c.COUNT] = 0
    t.saved_scalars[level, c.POWER] = 1
    t.saved_scalars[level, c.N_TOUCHED] = 0


@njit_kernel
def move_anchor(t: Tables) -> None:
    """Give level 0 an anchor that fires in the present phase of the program.

    Every move doubles the patience, in case the anchors were rare rather than at their end; a skip resets it.
    """
    scalars = t.scalars
    old = t.saved_scalars[0, c.ANCHOR_ACTOR]
    if old >= 0:
        t.actors[old, c.ANCHOR] &= ~1
    new = t.lists[c.GRANTED_LIST, 0]
    t.actors[new, c.ANCHOR] |= 1
    t.saved_scalars[0, c.ANCHOR_ACTOR] = new
    scalars[c.LEAST_PATIENCE] = min(2 * scalars[c.LEAST_PATIENCE], scalars[c.MOST_PATIENCE])
    scalars[c.LAST_HIT] = scalars[c.N_STARTED]
    scalars[c.PATIENCE_ENDS] = scalars[c.N_STARTED] + scalars[c.LEAST_PATIENCE]
    forget_state(t, 0)


@njit_kernel
def note_hit(t: Tables) -> None:
    """The anchor of level 0 has fired: wait a few times as long for its next firing."""
    scalars = t.scalars
    n_started = scalars[c.N_STARTED]
    patience = max(scalars[c.LEAST_PATIENCE], 4 * (n_started - scalars[c.LAST_HIT]))
    scalars[c.PATIENCE_ENDS] = n_started + patience
    scalars[c.LAST_HIT] = n_started
    scalars[c.CHECK_AT] = n_started + t.saved_scalars[0, c.N_TOUCHED] // 2


@njit_kernel
def check_levels(t: Tables, hit: int) -> bool:
    """At the end of an instant: look for a recurrence on every level whose bit is in `hit` (Brent's method).

    Level 0 follows an actor that fires often, level 1 one that fires once per sequence.
    """
    scalars = t.scalars
    if hit & 1:
        note_hit(t)
    elif scalars[c.N_STARTED] >= scalars[c.PATIENCE_ENDS]:
        move_anchor(t)
    for level in range(t.saved_scalars.shape[0]):
        state = t.saved_scalars[level]
        if (hit >> level) & 1 == 0:
            continue
        if state[c.VALID] == 1:
            periods = periods_ahead(t, level)
            if periods > 0:
                scalars[c.SKIP_PERIODS] = periods
                scalars[c.SKIP_PS] = scalars[c.NOW] - state[c.SAVED_NOW]
                scalars[c.SKIP_LEVEL] = level
                return True
        state[c.COUNT] += 1
        if state[c.COUNT] >= state[c.POWER]:
            save_state(t, level)
            state[c.COUNT] = 0
            state[c.POWER] *= 2
    return False


@njit_kernel
def skip_actor(t: Tables, level: int, a: int, fired: int, periods: int, shift_ps: int) -> None:
    """Bring an actor and its needs to the state they have after some periods."""
    actors, ins, saved = t.actors, t.ins, t.saved_actors[level]
    for j in range(actors[a, c.IN_FIRST], actors[a, c.IN_END]):
        if ins[j, c.WATCHED_AT] > t.saved_scalars[level, c.SAVED_NOW]:
            ins[j, c.WATCHED_AT] += shift_ps
        if actors[a, c.WATCHED] == j:
            k = actors[a, c.STARTED] + periods * fired
            need = (k * ins[j, c.NUM] + ins[j, c.OFF]) // ins[j, c.DEN]
            need = min(need, actors[ins[j, c.SOURCE], c.FIRINGS])
            t.outs[ins[j, c.OUT_ROW], c.THRESHOLD] = need
    touch(actors, t.saved_actors, t.touched, t.saved_scalars, t.scalars, a)  # for the level above
    for column in (c.WAIT_DATA, c.WAIT_SPACE, c.WAIT_RESOURCE):
        actors[a, column] += periods * (actors[a, column] - saved[a, column])
    for column in (c.BASE, c.MET, c.READY, c.LAST):
        actors[a, column] += shift_ps
    actors[a, c.STARTED] += periods * fired
    actors[a, c.FINISHED] += periods * fired


@njit_kernel
def skip_periods(t: Tables) -> None:
    """Bring all tables to the state they have after the periods found by `check_levels`."""
    scalars = t.scalars
    level = scalars[c.SKIP_LEVEL]
    periods = scalars[c.SKIP_PERIODS]
    shift_ps = periods * scalars[c.SKIP_PS]
    events = t.scratch
    n_events = list_events(t.slots, t.nodes, t.heap, scalars, events)
    for i in range(n_events):
        if fired_since(t, level, events[i, 1] >> 2) > 0:
            events[i, 0] += shift_ps
    scalars[c.NOW] += shift_ps
    replace_events(t.slots, t.nodes, t.heap, scalars, events, n_events)
    skip_queues(t, level, shift_ps)
    for i in range(t.saved_scalars[level, c.N_TOUCHED]):
        a = t.touched[level, i]
        fired = t.actors[a, c.STARTED] - t.saved_actors[level, a, c.STARTED]
        if fired > 0:
            skip_actor(t, level, a, fired, periods, shift_ps)
    scalars[c.LEAST_PATIENCE] = min(c.FIRST_PATIENCE, scalars[c.MOST_PATIENCE])
    scalars[c.LAST_HIT] = scalars[c.N_STARTED]
    scalars[c.PATIENCE_ENDS] = scalars[c.N_STARTED] + scalars[c.LEAST_PATIENCE]
    for lower in range(level + 1):
        forget_state(t, lower)
