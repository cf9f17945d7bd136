"""Columns of the compiled engine's tables: one row per actor, dependency or resource, all int64.

A row holds constants and state side by side, so that a firing touches few cache lines and a copy of a row is all
that is to be known of an actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64


class Tables(NamedTuple):
    """Everything a run is made of.

    Parameters
    ----------
    actors, ins, outs, resources : constants and state, columns below
    releases : release times of all actors, one after the other
    slots : event wheel: first node of each slot (a slot stands for one instant), then which slots are in
        use, 32 to a word, then which of these words are not 0
    nodes : (n_nodes, 2)    events in the wheel: code, next node
    heap : (n_heap, 2)      events too far away for the wheel: time, code
    lists : row 0: resources to look at in phase 2; row 1: actors whose firings phase 2 started
    log : (n_rows, 3)       starts: actor, ready_ps, start_ps
    scalars, saved_scalars : see below
    saved_actors : (levels, n_actors, columns)   rows of the actors that a level lists as touched, as they were
        when it kept the state
    touched : (levels, n_actors)                 actors whose row has changed since then
    saved_events : (levels, n_heap, 2)           events pending then
    scratch : (n_heap, 2)   room to list all pending events
    queues : constants and state of queues, columns below, then their packets: rows of `enters`, in a ring
    enters : per actor, the queues that it enters; one row per gate
    leaves : per actor, the queue of every packet that a firing takes out
    saved_queues : (levels, *queues.shape)       queues as they were when a level kept the state
    """

    actors: I64
    ins: I64
    outs: I64
    resources: I64
    releases: I64
    slots: I64
    nodes: I64
    heap: I64
    lists: I64
    log: I64
    scalars: I64
    saved_actors: I64
    touched: I64
    saved_events: I64
    saved_scalars: I64
    scratch: I64
    queues: I64
    enters: I64
    leaves: I64
    saved_queues: I64


# actors: one row each, hot columns first
STARTED: Final = 0  # firings started
FINISHED: Final = 1  # firings finished
FIRINGS: Final = 2  # firings in all
RESOURCE: Final = 3
WATCHED: Final = 4  # row of `ins` it waits for, or one of the phases below
IN_FIRST: Final = 5  # rows of `ins`: data needs are IN_FIRST..IN_SPACE-1, space needs IN_SPACE..IN_END-1
IN_SPACE: Final = 6
IN_END: Final = 7
OUT_FIRST: Final = 8  # rows of `outs`
OUT_END: Final = 9
LATENCY: Final = 10
INTERVAL: Final = 11
BASE: Final = 12  # instant from which the next firing's waiting counts: previous start or release
MET: Final = 13  # instant its data needs were met
READY: Final = 14  # instant all its needs were met
NEXT: Final = 15  # next actor in the resource's queue, or NOBODY
WAIT_DATA: Final = 16
WAIT_SPACE: Final = 17
WAIT_RESOURCE: Final = 18
FIRST: Final = 19  # start of firing 0, or NOBODY
LAST: Final = 20  # start of the latest firing
RELEASE_AT: Final = 21  # offset into `releases`, or NOBODY
LOGGED: Final = 22  # 1: starts go to the log
ANCHOR: Final = 23  # bit l set: a start of this actor triggers the recurrence check of level l
LATENCY_TICKS: Final = 24
INTERVAL_TICKS: Final = 25
TOUCHED: Final = 26  # epoch of the latest change
PREVIOUS: Final = 27  # actor before it in the resource's queue; means nothing at the head
ENTER_FIRST: Final = 28  # rows of `enters`
ENTER_END: Final = 29
LEAVE_FIRST: Final = 30  # rows of `leaves`
LEAVE_END: Final = 31
ACTOR_COLUMNS: Final = 32

NOBODY: Final = -1
QUEUED: Final = -1  # phases kept in WATCHED: in the queue of its resource
RELEASING: Final = -2  # waiting for its release time
DONE: Final = -3  # all firings started
GATE: Final = -4  # no actor of the program: fires when a packet comes to the head of a queue

# ins: dependencies sorted by target, data before space
SOURCE: Final = 0
NUM: Final = 1
OFF: Final = 2
DEN: Final = 3
OUT_ROW: Final = 4
WATCHED_AT: Final = 5  # instant a firing last found this need unmet
TARGET: Final = 6
IN_COLUMNS: Final = 8

# outs: the same dependencies sorted by source
THRESHOLD: Final = 0  # finished count the target waits for, or NOBODY
IN_ROW: Final = 1
OUT_TARGET: Final = 2
OUT_COLUMNS: Final = 4

# lists
DIRTY_LIST: Final = 0
GRANTED_LIST: Final = 1

# resources
FREE: Final = 0  # free servers
HEAD: Final = 1  # waiting actors in order of (ready_ps, actor)
TAIL: Final = 2
N_QUEUED: Final = 3
MAX_QUEUED: Final = 4
DIRTY: Final = 5  # 1: in the list of resources to look at in phase 2
LATEST: Final = 6  # actor that was put into the queue last, NOBODY if it has left
QUEUES_USED: Final = 7  # whether firings on it enter or leave queues, bits below
RESOURCE_COLUMNS: Final = 8

ENTERED_HERE: Final = 1
LEFT_HERE: Final = 2

# queues
PLACES: Final = 0  # packets it holds at most
N_PACKETS: Final = 1
AT_HEAD: Final = 2  # place of the packet that came first
TAKERS_LEFT: Final = 3  # firings that the packet at the head is still to be taken by
FULL_UNTIL: Final = 4  # instant at which it last had a free place again
ENTERED_ON: Final = 5  # resource of all actors that enter it
FIRST_PLACE: Final = 6

# enters
ENTERED: Final = 0  # queue
GATE_OF: Final = 1  # row of `actors`
TAKERS: Final = 2  # actors that take the packet out
ENTERING: Final = 3  # actor
ENTER_COLUMNS: Final = 4

# events: (time, actor * 4 + kind)
FINISH_AND_FREE: Final = 0
FINISH: Final = 1
FREE_SERVER: Final = 2
ARRIVE: Final = 3

# scalars
NOW: Final = 0
TICK: Final = 1  # greatest common divisor of all times
POSITION: Final = 2  # slot of the wheel that stands for now
N_WHEEL: Final = 3  # events in the wheel
N_HEAP: Final = 4  # events in the heap
SPARE_NODE: Final = 5  # first of the unused nodes
N_DIRTY: Final = 6
N_LOG: Final = 7
N_STARTED: Final = 8  # firings executed, skipped ones not counted
UNTIL: Final = 9
PAUSE_AT: Final = 10  # return PAUSED once N_STARTED reaches this
CHECK_AT: Final = 11  # no recurrence check of level 0 before N_STARTED has come to this
HIT: Final = 12  # levels whose anchor started at this instant (bits)
PATIENCE_ENDS: Final = 13  # another anchor for level 0 once N_STARTED has come to this without a hit
SKIP_PERIODS: Final = 14
SKIP_PS: Final = 15
SKIP_LEVEL: Final = 16
N_SLOTS: Final = 17
SKIP_ENDLESS: Final = 18  # 1: nothing but the number of firings ends the periods found
EPOCH: Final = 19  # how many states were kept so far
LEAST_PATIENCE: Final = 20  # firings; grows with every move of the anchor, until periods are skipped
MOST_PATIENCE: Final = 21
LAST_HIT: Final = 22  # N_STARTED at the latest hit of level 0
N_PLACES: Final = 23  # resources left to `grant_places` in this phase 2
N_GRANTED: Final = 24  # firings started in a phase 2 that is not over; -1: none is under way
N_SCALARS: Final = 25

FIRST_PATIENCE: Final = 256  # LEAST_PATIENCE after a skip

# status codes of the kernel
IDLE: Final = 0  # no event left: finished, or deadlocked
PAUSED: Final = 1
LOG_FULL: Final = 2
EVENTS_FULL: Final = 3
UNTIL_REACHED: Final = 4
RECURRED: Final = 5
AT_QUEUES: Final = 6  # phase 2 goes on with places in queues

# saved_scalars: one row per level of the recurrence check
SAVED_NOW: Final = 0
SAVED_N_EVENTS: Final = 1
VALID: Final = 2
COUNT: Final = 3
POWER: Final = 4
ANCHOR_ACTOR: Final = 5
SAVED_EPOCH: Final = 6
N_TOUCHED: Final = 7
SAVED_COLUMNS: Final = 8
