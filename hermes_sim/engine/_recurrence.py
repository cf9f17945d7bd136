"""Steady-state fast-forward: recognise that the state of the engine recurs, and skip whole periods exactly.

Two instants t1 < t2 match if every actor that started a firing in between is in the same phase with the same
times relative to the instant, and every other actor is in the same phase with the same absolute times. From
there on the engine repeats itself for as long as all comparisons it makes have the same outcome. It compares
finished counts with needs, `finished >= floor((k num + off) / den)`, which in whole numbers is `slack >= 0` with

    slack = finished * den + den - 1 - (k * num + off),

and per period every slack changes by a constant `finishes * den - starts * num`. That bounds how many periods
can be skipped: growing slacks must not lift a block, shrinking ones not cause one, no actor may reach its last
firing, and no event of an actor outside the period may come due. A barrier far ahead is such a bound, no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.engine._events import list_events, replace_events, sort_events

if TYPE_CHECKING:
    from hermes_sim.engine._layout import Tables
    from hermes_sim.program.dataflow import I64

_FOREVER = 2**62


@njit_kernel
def actors_recur(actors: I64, saved: I64, period_ps: int) -> bool:  # noqa: PLR0911 - leaves at a difference
    """Whether all actors are in the phase they were in, at times shifted by the period if they fired in it."""
    for a in range(actors.shape[0]):
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
def limit_by_events(t: Tables, level: int, period_ps: int) -> int:
    """Periods until an event of an actor outside the period comes due; 0 if the pending events differ."""
    actors = t.actors
    saved = t.saved_actors[level]
    now = t.scalars[c.NOW]
    limit = _FOREVER
    events = t.scratch
    n_events = list_events(t.slots, t.nodes, t.heap, t.scalars, events)
    sort_events(events, n_events)
    for i in range(n_events):
        time_ps = events[i, 0]
        code = events[i, 1]
        saved_ps = t.saved_events[level, i, 0]
        if t.saved_events[level, i, 1] != code:
            return 0
        if actors[code >> 2, c.STARTED] > saved[code >> 2, c.STARTED]:
            if time_ps - saved_ps != period_ps:
                return 0
        else:
            if time_ps != saved_ps:
                return 0
            limit = min(limit, (time_ps - 1 - now) // period_ps)
    return limit


@njit_kernel
def limit_by_needs(actors: I64, saved: I64, ins: I64, start_ps: int) -> int:
    """Periods for which every comparison of a finished count with a need keeps its outcome."""
    limit = _FOREVER
    for j in range(ins.shape[0]):
        target = ins[j, c.TARGET]
        source = ins[j, c.SOURCE]
        if actors[target, c.WATCHED] == c.DONE:
            continue
        k1 = saved[target, c.STARTED]
        k2 = actors[target, c.STARTED]
        finished1 = saved[source, c.FINISHED]
        finished2 = actors[source, c.FINISHED]
        if finished1 == actors[source, c.FIRINGS]:
            continue  # always met
        num = ins[j, c.NUM]
        den = ins[j, c.DEN]
        change = (finished2 - finished1) * den - (k2 - k1) * num
        offset = den - 1 - ins[j, c.OFF]
        if change < 0:
            lowest = finished1 * den - k2 * num + offset
            if lowest < 0:
                return 0
            limit = min(limit, lowest // -change)
        elif change > 0 and (saved[target, c.WATCHED] == j or ins[j, c.WATCHED_AT] > start_ps):
            highest = finished2 * den - k1 * num + offset
            if k2 > k1 or highest >= 0:
                return 0
            limit = min(limit, (-1 - highest) // change)
    return limit


@njit_kernel
def limit_by_releases(actors: I64, saved: I64, releases: I64, start_ps: int, period_ps: int, limit: int) -> int:
    """Periods for which release times go on as in the period, or lie in the past as they did there."""
    for a in range(actors.shape[0]):
        k1 = saved[a, c.STARTED]
        fired = actors[a, c.STARTED] - k1
        if actors[a, c.RELEASE_AT] < 0 or fired == 0:
            continue
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
    """How many periods can be skipped, if the present state is the saved one a period later; else 0."""
    actors, scalars = t.actors, t.scalars
    saved = t.saved_actors[level]
    now = scalars[c.NOW]
    start_ps = t.saved_scalars[level, c.SAVED_NOW]
    period_ps = now - start_ps
    if scalars[c.N_HEAP] + scalars[c.N_WHEEL] != t.saved_scalars[level, c.SAVED_N_EVENTS]:
        return 0
    if not actors_recur(actors, saved, period_ps):
        return 0
    limit = (scalars[c.UNTIL] - now) // period_ps
    n_firings = 0
    for a in range(actors.shape[0]):
        fired = actors[a, c.STARTED] - saved[a, c.STARTED]
        if fired > 0:
            n_firings += fired
            limit = min(limit, (actors[a, c.FIRINGS] - 1 - actors[a, c.STARTED]) // fired)
    if n_firings == 0 or limit <= 0:
        return 0
    limit = min(limit, limit_by_needs(actors, saved, t.ins, start_ps))
    if limit <= 0:
        return 0
    limit = min(limit, limit_by_events(t, level, period_ps))
    if limit <= 0:
        return 0
    limit = limit_by_releases(actors, saved, t.releases, start_ps, period_ps, limit)
    if limit * n_firings < actors.shape[0]:
        return 0  # not worth the update of all tables
    return limit


@njit_kernel
def save_state(t: Tables, level: int) -> None:
    """Keep the present state to compare later ones with."""
    for a in range(t.actors.shape[0]):
        for column in range(c.ACTOR_COLUMNS):
            t.saved_actors[level, a, column] = t.actors[a, column]
    n_events = list_events(t.slots, t.nodes, t.heap, t.scalars, t.saved_events[level])
    sort_events(t.saved_events[level], n_events)
    t.saved_scalars[level, c.SAVED_NOW] = t.scalars[c.NOW]
    t.saved_scalars[level, c.SAVED_N_EVENTS] = n_events
    t.saved_scalars[level, c.VALID] = 1


@njit_kernel
def forget_state(t: Tables, level: int) -> None:
    """Start the search of a level anew."""
    t.saved_scalars[level, c.VALID] = 0
    t.saved_scalars[level, c.COUNT] = 0
    t.saved_scalars[level, c.POWER] = 1


@njit_kernel
def move_anchor(t: Tables) -> None:
    """Give level 0 an anchor that fires in the present phase of the program."""
    old = t.saved_scalars[0, c.ANCHOR_ACTOR]
    if old >= 0:
        t.actors[old, c.ANCHOR] &= ~1
    new = t.lists[c.GRANTED_LIST, 0]
    t.actors[new, c.ANCHOR] |= 1
    t.saved_scalars[0, c.ANCHOR_ACTOR] = new
    t.saved_scalars[0, c.PATIENCE] *= 2
    t.scalars[c.PATIENCE_ENDS] = t.scalars[c.N_STARTED] + t.saved_scalars[0, c.PATIENCE]
    forget_state(t, 0)


@njit_kernel
def check_levels(t: Tables, hit: int) -> bool:
    """At the end of an instant: look for a recurrence on every level whose bit is in `hit` (Brent's method).

    Level 0 follows an actor that fires often, level 1 one that fires once per sequence.
    """
    scalars = t.scalars
    n_started = scalars[c.N_STARTED]
    if hit & 1:
        scalars[c.CHECK_AT] = n_started + t.actors.shape[0] // 2
        scalars[c.PATIENCE_ENDS] = n_started + t.saved_scalars[0, c.PATIENCE]
    elif n_started >= scalars[c.PATIENCE_ENDS]:
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
def skip_periods(t: Tables) -> None:  # noqa: C901 - one loop per table
    """Bring all tables to the state they have after the periods found by `check_levels`."""
    actors, ins, scalars = t.actors, t.ins, t.scalars
    level = scalars[c.SKIP_LEVEL]
    periods = scalars[c.SKIP_PERIODS]
    shift_ps = periods * scalars[c.SKIP_PS]
    saved = t.saved_actors[level]
    events = t.scratch
    n_events = list_events(t.slots, t.nodes, t.heap, scalars, events)
    for i in range(n_events):
        a = events[i, 1] >> 2
        if actors[a, c.STARTED] > saved[a, c.STARTED]:
            events[i, 0] += shift_ps
    scalars[c.NOW] += shift_ps
    replace_events(t.slots, t.nodes, t.heap, scalars, events, n_events)
    for j in range(ins.shape[0]):
        target = ins[j, c.TARGET]
        fired = actors[target, c.STARTED] - saved[target, c.STARTED]
        if fired == 0:
            continue
        if ins[j, c.WATCHED_AT] > t.saved_scalars[level, c.SAVED_NOW]:
            ins[j, c.WATCHED_AT] += shift_ps
        if actors[target, c.WATCHED] == j:
            k = actors[target, c.STARTED] + periods * fired
            need = (k * ins[j, c.NUM] + ins[j, c.OFF]) // ins[j, c.DEN]
            need = min(need, actors[ins[j, c.SOURCE], c.FIRINGS])
            t.outs[ins[j, c.OUT_ROW], c.THRESHOLD] = need
    for a in range(actors.shape[0]):
        fired = actors[a, c.STARTED] - saved[a, c.STARTED]
        if fired == 0:
            continue
        for column in (c.WAIT_DATA, c.WAIT_SPACE, c.WAIT_RESOURCE):
            actors[a, column] += periods * (actors[a, column] - saved[a, column])
        for column in (c.BASE, c.MET, c.READY, c.LAST):
            actors[a, column] += shift_ps
        actors[a, c.STARTED] += periods * fired
        actors[a, c.FINISHED] += periods * fired
    for lower in range(level + 1):
        forget_state(t, lower)
