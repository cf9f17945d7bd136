"""Walk back along the critical path, over stored and repeated firings alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hermes_sim._jit import njit_inline, njit_kernel

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64

NOTHING: Final = 0  # released, or at time 0
BY_DATA: Final = 1  # a result, or a place, came when it was ready
BY_SERVER: Final = 2  # a server was freed
BY_ORDER: Final = 3  # the previous firing of the same actor started
BY_QUEUE: Final = 4  # a packet was taken out of a queue

FAR_PS: Final = 2**62  # later than any time

# repeats
FIRST: Final = 1
STOP: Final = 2
FIRED: Final = 3
PERIOD_PS: Final = 4
STORED: Final = 5


class Columns(NamedTuple):
    """A compressed trace: where each actor's firings begin in a column, and which of them stand for repeats."""

    start_ps: I64
    ready_ps: I64
    offsets: I64
    repeat_offsets: I64
    repeats: I64


class Walk(NamedTuple):
    """What a walk reads, and what it changes on the way.

    Parameters
    ----------
    trace : what happened
    actors : (n, 5) firings of the program, latency, interval, resource, firings that took place
    deps : (n_deps, 4) source, num, off, den, sorted by target; those of actor a from ``dep_offsets[a]`` on
    takers : (n_rows, 2) actor that takes packets out of a queue, and who put them in; those out of queues that actor a
        enters or takes packets from, from ``taker_offsets[a]`` on
    members, member_ends : actors of each resource between its two ends, a heap; both change
    cursors : (3, n) a firing near the present time, and when it frees its server, `FAR_PS` before any was looked for;
        a firing that takes a packet near the present time
    spent : (n, 2) ps, by latency and by interval
    """

    trace: Columns
    actors: I64
    deps: I64
    dep_offsets: I64
    takers: I64
    taker_offsets: I64
    members: I64
    member_ends: I64
    cursors: I64
    spent: I64


@njit_kernel
def repeat_row(repeats: I64, low: int, high: int, k: int) -> int:
    """Last row of an actor's repeats (rows low to high) that begins at firing k or before, or -1."""
    found = -1
    while low < high:
        middle = (low + high) >> 1
        if repeats[middle, FIRST] <= k:
            found = middle
            low = middle + 1
        else:
            high = middle
    return found


@njit_kernel
def time_of(column: I64, trace: Columns, a: int, k: int) -> int:
    """Entry of one firing in a column of a compressed trace."""
    offsets, repeat_offsets, repeats = trace.offsets, trace.repeat_offsets, trace.repeats
    shift_ps = 0
    low = repeat_offsets[a]
    while True:
        row = repeat_row(repeats, low, repeat_offsets[a + 1], k)
        if row < 0:
            return int(column[offsets[a] + k] + shift_ps)
        if k >= repeats[row, STOP]:
            return int(column[offsets[a] + repeats[row, STORED] + k - repeats[row, STOP]] + shift_ps)
        periods = (k - repeats[row, FIRST]) // repeats[row, FIRED] + 1
        k -= periods * repeats[row, FIRED]
        shift_ps += periods * repeats[row, PERIOD_PS]


@njit_kernel
def firing_at(trace: Columns, n: int, a: int, time_ps: int, cursor: int) -> int:
    """Last firing of an actor that starts at `time_ps` or before, or -1; searched from a firing near it."""
    high = min(cursor + 1, n)
    step = 1
    while high < n and time_of(trace.start_ps, trace, a, high) <= time_ps:
        high = min(high + step, n)
        step *= 2
    low = high - 1
    step = 1
    while low >= 0 and time_of(trace.start_ps, trace, a, low) > time_ps:
        high = low
        low -= step
        step *= 2
    low = max(low, -1)
    while high - low > 1:
        middle = (low + high) >> 1
        if time_of(trace.start_ps, trace, a, middle) <= time_ps:
            low = middle
        else:
            high = middle
    return low


@njit_inline
def find_result(walk: Walk, a: int, k: int, time_ps: int) -> int:
    """Row of a dependency whose needed firing finishes exactly at `time_ps`, or -1."""
    trace, actors, deps, dep_offsets = walk.trace, walk.actors, walk.deps, walk.dep_offsets
    for d in range(dep_offsets[a], dep_offsets[a + 1]):
        source = deps[d, 0]
        need = min((k * deps[d, 1] + deps[d, 2]) // deps[d, 3], actors[source, 0])
        if need > 0:
            start = time_of(trace.start_ps, trace, source, need - 1)
            if start + actors[source, 1] == time_ps:
                return int(d)
    return -1


@njit_kernel
def find_taker(walk: Walk, a: int, time_ps: int) -> int:
    """First actor that took a packet, put in earlier, out of a queue of actor a just at `time_ps`, or -1.

    Its cursor is that firing.
    """
    trace, actors, takers = walk.trace, walk.actors, walk.takers
    for row in range(walk.taker_offsets[a], walk.taker_offsets[a + 1]):
        b, source = takers[row, 0], takers[row, 1]
        k = firing_at(trace, actors[b, 4], b, time_ps - actors[b, 2], walk.cursors[2, b])
        if k < 0 or time_of(trace.start_ps, trace, b, k) + actors[b, 2] != time_ps:
            continue
        if time_of(trace.start_ps, trace, source, k) < time_ps:
            walk.cursors[2, b] = k
            return int(b)
    return -1


@njit_inline
def sink_root(heap: I64, first: int, n: int, free_ps: I64) -> None:
    """Move the root of a heap of n actors from `first` on to its place: latest `free_ps` first, then lowest actor."""
    moved = heap[first]
    at = 0
    child = 1
    while child < n:
        b = heap[first + child]
        if child + 1 < n:
            other = heap[first + child + 1]
            if free_ps[other] > free_ps[b] or (free_ps[other] == free_ps[b] and other < b):
                child += 1
                b = other
        if free_ps[b] < free_ps[moved] or (free_ps[b] == free_ps[moved] and b > moved):
            break
        heap[first + at] = b
        at = child
        child = 2 * at + 1
    heap[first + at] = moved


@njit_kernel
def find_server(walk: Walk, r: int, time_ps: int) -> int:
    """First actor one of whose firings frees a server of resource r at `time_ps`, or -1; its cursor is that firing.

    The members of a resource are a heap by when they last freed a server at `time_ps` or before. Times asked for never
    grow, so that every firing is passed once however many members there are.
    """
    trace, actors, cursors = walk.trace, walk.actors, walk.cursors
    members, member_ends = walk.members, walk.member_ends
    first, end = member_ends[r, 0], member_ends[r, 1]
    free_ps = cursors[1]
    while end > first and free_ps[members[first]] > time_ps:
        b = members[first]
        k = firing_at(trace, actors[b, 4], b, time_ps - actors[b, 2], cursors[0, b])
        if k >= 0:
            cursors[0, b] = k
            free_ps[b] = time_of(trace.start_ps, trace, b, k) + actors[b, 2]
        else:
            end -= 1
            member_ends[r, 1] = end
            members[first] = members[end]
        sink_root(members, first, end - first, free_ps)
    if end > first and free_ps[members[first]] == time_ps:
        return int(members[first])
    return -1


@njit_kernel
def step_back(walk: Walk, at: I64) -> int:
    """One step back: updates `at` = (actor, firing, time, dependency, gap) and what was spent; returns why."""
    trace, actors, deps, cursors, spent = walk.trace, walk.actors, walk.deps, walk.cursors, walk.spent
    a, k, time_ps = at[0], at[1], at[2]
    ready = time_of(trace.ready_ps, trace, a, k)
    if time_ps > ready:
        b = find_server(walk, actors[a, 3], time_ps)
        if b >= 0:
            spent[b, 1] += actors[b, 2]
            at[0], at[1], at[2] = b, cursors[0, b], time_ps - actors[b, 2]
            return BY_SERVER
        at[4] += time_ps - ready  # a user's process held the server
        time_ps = ready
        at[2] = ready
    d = find_result(walk, a, k, time_ps)
    if d >= 0:
        source = deps[d, 0]
        need = min((k * deps[d, 1] + deps[d, 2]) // deps[d, 3], actors[source, 0])
        spent[source, 0] += actors[source, 1]
        at[0], at[1], at[2], at[3] = source, need - 1, time_ps - actors[source, 1], d
        return BY_DATA
    if k > 0 and time_of(trace.start_ps, trace, a, k - 1) == time_ps:
        at[1] = k - 1
        return BY_ORDER
    b = find_taker(walk, a, time_ps)
    if b >= 0:
        spent[b, 1] += actors[b, 2]
        at[0], at[1], at[2] = b, cursors[2, b], time_ps - actors[b, 2]
        return BY_QUEUE
    at[4] += time_ps
    at[2] = 0
    return NOTHING


@njit_kernel
def walk_back(walk: Walk, at: I64, saved: I64) -> int:  # noqa: C901, PLR0915 - one loop
    """Walk from `at` to time 0. Where the path repeats inside skipped periods, whole turns are taken at once.

    `saved` is scratch: what each actor had spent when the turn began. Returns the number of steps.
    """
    repeat_offsets, repeats = walk.trace.repeat_offsets, walk.trace.repeats
    deps, spent = walk.deps, walk.spent
    steps = 0
    turn_actor = turn_firing = turn_row = -1  # where the turn began; -1: none under way
    turn_ps = 0
    room = 0  # periods by which every firing of the turn could be moved back
    gap_ps = 0
    limit = 8  # steps after which a new beginning is chosen
    left = 0
    instant_ps, n_taken = at[2], 0  # steps by queues at one instant
    while at[2] > 0:
        a, k = at[0], at[1]
        row = repeat_row(repeats, repeat_offsets[a], repeat_offsets[a + 1], k)
        inside = row >= 0 and k < repeats[row, STOP]
        if turn_actor >= 0 and (not inside or repeats[row, PERIOD_PS] != repeats[turn_row, PERIOD_PS]):
            turn_actor = -1
        elif turn_actor >= 0:
            room = min(room, (k - repeats[row, FIRST]) // repeats[row, FIRED])
            if a == turn_actor and row == turn_row and k < turn_firing and (turn_firing - k) % repeats[row, FIRED] == 0:
                periods = (turn_firing - k) // repeats[row, FIRED]
                turns = room // periods
                if turns > 0 and turn_ps - at[2] == periods * repeats[row, PERIOD_PS] and at[4] == gap_ps:
                    for b in range(spent.shape[0]):
                        spent[b, 0] += turns * (spent[b, 0] - saved[b, 0])
                        spent[b, 1] += turns * (spent[b, 1] - saved[b, 1])
                    at[1] -= turns * (turn_firing - k)
                    at[2] -= turns * (turn_ps - at[2])
                turn_actor = -1
                continue
        if left == 0 and inside:
            turn_actor, turn_firing, turn_row, turn_ps = a, k, row, at[2]
            room = (k - repeats[row, FIRST]) // repeats[row, FIRED]
            gap_ps = at[4]
            for b in range(spent.shape[0]):
                saved[b, 0] = spent[b, 0]
                saved[b, 1] = spent[b, 1]
            left = limit
            limit *= 2
        left = max(left - 1, 0)
        kind = step_back(walk, at)
        steps += 1
        if at[2] < instant_ps:
            instant_ps, n_taken = at[2], 0
        n_taken += int(kind == BY_QUEUE)
        if n_taken > spent.shape[0]:  # round in a circle of what took no time
            at[4] += at[2]
            at[2] = 0
        if kind == BY_DATA and turn_actor >= 0:
            d = at[3]
            source_row = repeat_row(repeats, repeat_offsets[at[0]], repeat_offsets[at[0] + 1], at[1])
            if source_row < 0 or deps[d, 1] * repeats[row, FIRED] != deps[d, 3] * repeats[source_row, FIRED]:
                turn_actor = -1  # a need that does not advance with the period
    return steps
