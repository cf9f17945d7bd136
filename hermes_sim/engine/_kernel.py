"""The event loop of the compiled engine, one round per turn. README.md has the contract it obeys."""

from __future__ import annotations

from hermes_sim._jit import njit
from hermes_sim.engine import _layout as c
from hermes_sim.engine._recurrence import check_levels
from hermes_sim.program.dataflow import I64


@njit
def push_event(heap: I64, scalars: I64, time_ps: int, code: int) -> None:
    """Insert an event into the binary heap; the caller has made sure of the room."""
    i = scalars[c.N_EVENTS]
    scalars[c.N_EVENTS] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent, 0] <= time_ps:
            break
        heap[i, 0] = heap[parent, 0]
        heap[i, 1] = heap[parent, 1]
        i = parent
    heap[i, 0] = time_ps
    heap[i, 1] = code


@njit
def sift_down(heap: I64, n: int, i: int, time_ps: int, code: int) -> None:
    """Put an event at its place in the subheap under position i."""
    child = 2 * i + 1
    while child < n:
        if child + 1 < n and heap[child + 1, 0] < heap[child, 0]:
            child += 1
        if heap[child, 0] >= time_ps:
            break
        heap[i, 0] = heap[child, 0]
        heap[i, 1] = heap[child, 1]
        i = child
        child = 2 * i + 1
    heap[i, 0] = time_ps
    heap[i, 1] = code


@njit
def pop_event(heap: I64, scalars: I64) -> int:
    """Remove the earliest event and return its code; the order of equal times is free (phase 1)."""
    code = heap[0, 1]
    n = scalars[c.N_EVENTS] - 1
    scalars[c.N_EVENTS] = n
    if n > 0:
        sift_down(heap, n, 0, heap[n, 0], heap[n, 1])
    return int(code)


@njit
def mark_dirty(resources: I64, dirty: I64, scalars: I64, r: int) -> None:
    """Have phase 2 look at a resource."""
    if resources[r, c.DIRTY] == 0:
        resources[r, c.DIRTY] = 1
        dirty[scalars[c.N_DIRTY]] = r
        scalars[c.N_DIRTY] += 1


@njit
def enqueue(actors: I64, resources: I64, dirty: I64, scalars: I64, a: int) -> None:
    """Append a ready firing to its resource's queue; equal ready times are ordered by actor index."""
    now = scalars[c.NOW]
    r = actors[a, c.RESOURCE]
    actors[a, c.READY] = now
    actors[a, c.WATCHED] = c.QUEUED
    tail = resources[r, c.TAIL]
    if resources[r, c.N_QUEUED] == 0:
        resources[r, c.HEAD] = a
        resources[r, c.TAIL] = a
        actors[a, c.NEXT] = c.NOBODY
    elif actors[tail, c.READY] < now or tail < a:
        actors[tail, c.NEXT] = a
        actors[a, c.NEXT] = c.NOBODY
        resources[r, c.TAIL] = a
    else:
        before = c.NOBODY
        at = resources[r, c.HEAD]
        while actors[at, c.READY] < now or at < a:
            before = at
            at = actors[at, c.NEXT]
        actors[a, c.NEXT] = at
        if before == c.NOBODY:
            resources[r, c.HEAD] = a
        else:
            actors[before, c.NEXT] = a
    resources[r, c.N_QUEUED] += 1
    mark_dirty(resources, dirty, scalars, r)


@njit
def examine_needs(
    actors: I64, ins: I64, outs: I64, resources: I64, dirty: I64, scalars: I64, a: int, j: int
) -> None:
    """Look at the needs of an actor's next firing from row j on: watch the first unmet one, or enqueue."""
    now = scalars[c.NOW]
    k = actors[a, c.STARTED]
    space = actors[a, c.IN_SPACE]
    end = actors[a, c.IN_END]
    data_pending = j <= space
    while True:
        if j == space and data_pending:
            actors[a, c.MET] = now
        if j == end:
            break
        source = ins[j, c.SOURCE]
        need = k * ins[j, c.NUM] + ins[j, c.OFF]
        den = ins[j, c.DEN]
        if den != 1:
            need = need // den
        need = min(need, actors[source, c.FIRINGS])
        if actors[source, c.FINISHED] < need:
            outs[ins[j, c.OUT_ROW], c.THRESHOLD] = need
            actors[a, c.WATCHED] = j
            ins[j, c.WATCHED_AT] = now
            return
        j += 1
    enqueue(actors, resources, dirty, scalars, a)


@njit
def begin_wait(
    actors: I64,
    ins: I64,
    outs: I64,
    resources: I64,
    releases: I64,
    heap: I64,
    dirty: I64,
    scalars: I64,
    a: int,
) -> None:
    """Start waiting for the next firing of an actor: first for its release, then for its needs."""
    k = actors[a, c.STARTED]
    if k == actors[a, c.FIRINGS]:
        actors[a, c.WATCHED] = c.DONE
        return
    now = scalars[c.NOW]
    actors[a, c.BASE] = now
    if actors[a, c.RELEASE_AT] >= 0:
        release_ps = releases[actors[a, c.RELEASE_AT] + k]
        if release_ps > now:
            actors[a, c.BASE] = release_ps
            actors[a, c.WATCHED] = c.RELEASING
            push_event(heap, scalars, release_ps, 4 * a + c.ARRIVE)
            return
    examine_needs(actors, ins, outs, resources, dirty, scalars, a, actors[a, c.IN_FIRST])


@njit
def deliver_finish(
    actors: I64, ins: I64, outs: I64, resources: I64, dirty: I64, scalars: I64, a: int
) -> None:
    """Count a finish and wake the targets that waited for exactly this one."""
    finished = actors[a, c.FINISHED] + 1
    actors[a, c.FINISHED] = finished
    for o in range(actors[a, c.OUT_FIRST], actors[a, c.OUT_END]):
        if outs[o, c.THRESHOLD] == finished:
            outs[o, c.THRESHOLD] = c.NOBODY
            examine_needs(
                actors, ins, outs, resources, dirty, scalars, outs[o, c.OUT_TARGET], outs[o, c.IN_ROW] + 1
            )


@njit
def free_server(actors: I64, resources: I64, dirty: I64, scalars: I64, a: int) -> None:
    """Give back the server a firing of this actor held."""
    r = actors[a, c.RESOURCE]
    resources[r, c.FREE] += 1
    if resources[r, c.N_QUEUED] > 0:
        mark_dirty(resources, dirty, scalars, r)


@njit
def deliver_due(
    actors: I64,
    ins: I64,
    outs: I64,
    resources: I64,
    heap: I64,
    dirty: I64,
    scalars: I64,
) -> None:
    """Phase 1 of the first round of an instant: everything in the heap that is due now."""
    now = scalars[c.NOW]
    while scalars[c.N_EVENTS] > 0 and heap[0, 0] == now:
        code = pop_event(heap, scalars)
        a = code >> 2
        kind = code & 3
        if kind == c.ARRIVE:
            examine_needs(actors, ins, outs, resources, dirty, scalars, a, actors[a, c.IN_FIRST])
            continue
        if kind != c.RELEASE_SERVER:
            deliver_finish(actors, ins, outs, resources, dirty, scalars, a)
        if kind != c.FINISH:
            free_server(actors, resources, dirty, scalars, a)


@njit
def grant_servers(actors: I64, resources: I64, dirty: I64, granted: I64, log: I64, scalars: I64) -> int:
    """Phase 2: start waiting firings on free servers; returns how many, their actors are in `granted`."""
    now = scalars[c.NOW]
    n = 0
    for i in range(scalars[c.N_DIRTY]):
        r = dirty[i]
        resources[r, c.DIRTY] = 0
        while resources[r, c.FREE] > 0 and resources[r, c.N_QUEUED] > 0:
            a = resources[r, c.HEAD]
            resources[r, c.HEAD] = actors[a, c.NEXT]
            resources[r, c.N_QUEUED] -= 1
            resources[r, c.FREE] -= 1
            granted[n] = a
            n += 1
            if actors[a, c.STARTED] == 0:
                actors[a, c.FIRST] = now
            actors[a, c.STARTED] += 1
            actors[a, c.LAST] = now
            actors[a, c.WAIT_DATA] += actors[a, c.MET] - actors[a, c.BASE]
            actors[a, c.WAIT_SPACE] += actors[a, c.READY] - actors[a, c.MET]
            actors[a, c.WAIT_RESOURCE] += now - actors[a, c.READY]
            scalars[c.HIT] |= actors[a, c.ANCHOR]
            if actors[a, c.LOGGED] == 1:
                row = scalars[c.N_LOG]
                log[row, 0] = a
                log[row, 1] = actors[a, c.READY]
                log[row, 2] = now
                scalars[c.N_LOG] = row + 1
        resources[r, c.MAX_QUEUED] = max(resources[r, c.MAX_QUEUED], resources[r, c.N_QUEUED])
    scalars[c.N_DIRTY] = 0
    scalars[c.N_STARTED] += n
    return n


@njit
def begin_firings(
    actors: I64,
    ins: I64,
    outs: I64,
    resources: I64,
    releases: I64,
    heap: I64,
    dirty: I64,
    granted: I64,
    scalars: I64,
    n: int,
) -> None:
    """Schedule the ends of the firings just started; those without duration end now (phase 1 of the next round)."""
    now = scalars[c.NOW]
    for i in range(n):
        a = granted[i]
        latency_ps = actors[a, c.LATENCY]
        interval_ps = actors[a, c.INTERVAL]
        if latency_ps == interval_ps and latency_ps > 0:
            push_event(heap, scalars, now + latency_ps, 4 * a + c.FINISH_AND_FREE)
        else:
            if latency_ps > 0:
                push_event(heap, scalars, now + latency_ps, 4 * a + c.FINISH)
            else:
                deliver_finish(actors, ins, outs, resources, dirty, scalars, a)
            if interval_ps > 0:
                push_event(heap, scalars, now + interval_ps, 4 * a + c.RELEASE_SERVER)
            else:
                free_server(actors, resources, dirty, scalars, a)
        begin_wait(actors, ins, outs, resources, releases, heap, dirty, scalars, a)


@njit
def begin_program(
    actors: I64, ins: I64, outs: I64, resources: I64, releases: I64, heap: I64, dirty: I64, scalars: I64
) -> None:
    """Phase 1 at time 0."""
    for a in range(actors.shape[0]):
        begin_wait(actors, ins, outs, resources, releases, heap, dirty, scalars, a)


@njit
def run_rounds(
    actors: I64,
    ins: I64,
    outs: I64,
    resources: I64,
    releases: I64,
    heap: I64,
    dirty: I64,
    granted: I64,
    log: I64,
    scalars: I64,
    saved_actors: I64,
    saved_heap: I64,
    saved_scalars: I64,
) -> int:
    """Run rounds until a status code says why not to go on; all state is in the arrays, call again to go on."""
    n_actors = actors.shape[0]
    while True:
        if scalars[c.N_LOG] + n_actors > log.shape[0]:
            return c.LOG_FULL
        if scalars[c.N_EVENTS] + 3 * n_actors > heap.shape[0]:
            return c.HEAP_FULL
        n = grant_servers(actors, resources, dirty, granted, log, scalars)
        if n > 0:
            begin_firings(actors, ins, outs, resources, releases, heap, dirty, granted, scalars, n)
            continue
        if scalars[c.DETECT] == 1 and check_levels(
            actors, ins, releases, heap, granted, scalars, saved_actors, saved_heap, saved_scalars
        ):
            return c.RECURRED
        if scalars[c.N_EVENTS] == 0:
            return c.IDLE
        if heap[0, 0] > scalars[c.UNTIL]:
            return c.UNTIL_REACHED
        if scalars[c.N_STARTED] >= scalars[c.PAUSE_AT]:
            return c.PAUSED
        scalars[c.NOW] = heap[0, 0]
        deliver_due(actors, ins, outs, resources, heap, dirty, scalars)
