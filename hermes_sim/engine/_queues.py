"""Queues: packets in the order in which they came, one gate per queue and actor that enters it.

A gate is a row of `actors` without a resource. It fires when a packet of its actor comes to the head of the queue, and
whoever takes the packet out has a space need on it; so the needs, and skipping periods, know of queues what they must.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim._jit import njit_inline, njit_kernel
from hermes_sim.engine import _layout as c
from hermes_sim.engine._needs import deliver_finish, mark_dirty, touch_actor

if TYPE_CHECKING:
    from hermes_sim.engine._layout import Tables


@njit_inline
def has_room(t: Tables, a: int) -> bool:
    """Whether every queue that an actor enters has a free place."""
    for e in range(t.actors[a, c.ENTER_FIRST], t.actors[a, c.ENTER_END]):
        q = t.enters[e, c.ENTERED]
        if t.queues[q, c.N_PACKETS] == t.queues[q, c.PLACES]:
            return False
    return True


@njit_inline
def room_since(t: Tables, a: int) -> int:
    """Instant from which on an actor that has room had it, and all its needs were met."""
    ready_ps = t.actors[a, c.READY]
    for e in range(t.actors[a, c.ENTER_FIRST], t.actors[a, c.ENTER_END]):
        ready_ps = max(ready_ps, t.queues[t.enters[e, c.ENTERED], c.FULL_UNTIL])
    return int(ready_ps)


@njit_kernel
def open_gate(t: Tables, q: int) -> None:
    """Let the packet at the head of a queue be taken."""
    actors, queues = t.actors, t.queues
    e = queues[q, c.FIRST_PLACE + queues[q, c.AT_HEAD]]
    queues[q, c.TAKERS_LEFT] = t.enters[e, c.TAKERS]
    gate = t.enters[e, c.GATE_OF]
    touch_actor(t, gate)
    now = t.scalars[c.NOW]
    actors[gate, c.BASE] = now
    actors[gate, c.MET] = now
    actors[gate, c.READY] = now
    actors[gate, c.STARTED] += 1
    deliver_finish(t, gate)


@njit_inline
def enter_queues(t: Tables, a: int) -> None:
    """Put the packet of a firing that starts at the end of all queues that its actor enters."""
    queues = t.queues
    for e in range(t.actors[a, c.ENTER_FIRST], t.actors[a, c.ENTER_END]):
        q = t.enters[e, c.ENTERED]
        n_packets = queues[q, c.N_PACKETS]
        queues[q, c.FIRST_PLACE + (queues[q, c.AT_HEAD] + n_packets) % queues[q, c.PLACES]] = e
        queues[q, c.N_PACKETS] = n_packets + 1
        if n_packets == 0:
            open_gate(t, q)


@njit_kernel
def leave_queues(t: Tables, a: int) -> None:
    """A firing that takes packets out of queues is through: who was the last to take one frees its place."""
    queues = t.queues
    for i in range(t.actors[a, c.LEAVE_FIRST], t.actors[a, c.LEAVE_END]):
        q = t.leaves[i]
        queues[q, c.TAKERS_LEFT] -= 1
        if queues[q, c.TAKERS_LEFT] > 0:
            continue
        if queues[q, c.N_PACKETS] == queues[q, c.PLACES]:
            queues[q, c.FULL_UNTIL] = t.scalars[c.NOW]
        queues[q, c.N_PACKETS] -= 1
        queues[q, c.AT_HEAD] = (queues[q, c.AT_HEAD] + 1) % queues[q, c.PLACES]
        r = queues[q, c.ENTERED_ON]
        if t.resources[r, c.N_QUEUED] > 0:
            mark_dirty(t, r)
        if queues[q, c.N_PACKETS] > 0:
            open_gate(t, q)


@njit_kernel
def queues_recur(t: Tables, level: int, period_ps: int) -> bool:
    """Whether all queues hold the same packets in the same order as when a level kept the state."""
    queues, saved = t.queues, t.saved_queues[level]
    for q in range(queues.shape[0]):
        n_packets, n_places = queues[q, c.N_PACKETS], queues[q, c.PLACES]
        if n_packets != saved[q, c.N_PACKETS] or queues[q, c.TAKERS_LEFT] != saved[q, c.TAKERS_LEFT]:
            return False
        moved_ps = queues[q, c.FULL_UNTIL] - saved[q, c.FULL_UNTIL]
        if moved_ps not in (0, period_ps):
            return False
        for i in range(n_packets):
            one = queues[q, c.FIRST_PLACE + (queues[q, c.AT_HEAD] + i) % n_places]
            if one != saved[q, c.FIRST_PLACE + (saved[q, c.AT_HEAD] + i) % n_places]:
                return False
    return True


@njit_kernel
def waits_recur(t: Tables, level: int) -> bool:
    """Whether what a firing waits for a place is the same in every period.

    Not so where it was ready, when the level kept the state, since before the queue was last full, and the queue has
    not been full again: from the next period on the queue has had room for longer than the firing was ready.
    """
    actors, saved = t.actors, t.saved_actors[level]
    for i in range(t.saved_scalars[level, c.N_TOUCHED]):
        a = t.touched[level, i]
        if saved[a, c.WATCHED] != c.QUEUED or actors[a, c.STARTED] == saved[a, c.STARTED]:
            continue
        for e in range(actors[a, c.ENTER_FIRST], actors[a, c.ENTER_END]):
            q = t.enters[e, c.ENTERED]
            full_until_ps = t.saved_queues[level, q, c.FULL_UNTIL]
            if full_until_ps == t.queues[q, c.FULL_UNTIL] and saved[a, c.READY] < full_until_ps:
                return False
    return True


@njit_kernel
def save_queues(t: Tables, level: int) -> None:
    """Keep the present queues to compare later ones with."""
    for q in range(t.queues.shape[0]):
        for column in range(c.FIRST_PLACE + t.queues[q, c.PLACES]):
            t.saved_queues[level, q, column] = t.queues[q, column]


@njit_kernel
def skip_queues(t: Tables, level: int, shift_ps: int) -> None:
    """Bring the queues to the state they have after some periods: what they hold stays."""
    for q in range(t.queues.shape[0]):
        if t.queues[q, c.FULL_UNTIL] != t.saved_queues[level, q, c.FULL_UNTIL]:
            t.queues[q, c.FULL_UNTIL] += shift_ps
