"""Packs the queues of a program: each actor that enters one gets a gate, which those who take its packets wait for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.engine import _layout as c
from hermes_sim.program.dataflow import NO_QUEUE

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram


def add_gates(program: DataflowProgram) -> tuple[DataflowProgram, I64]:
    """The program with its gates as actors after its own, and the rows of `enters`.

    A gate has no resource and takes no time. Every dependency through a queue gets a space need on the gate beside it.
    """
    if not program.queue_names:
        return program, np.zeros((0, c.ENTER_COLUMNS), dtype=np.int64)
    through = np.flatnonzero(program.queue != NO_QUEUE)
    pairs = np.stack([program.source[through], program.queue[through]], axis=1)
    pairs, gate, takers = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    enters = np.zeros((len(pairs), c.ENTER_COLUMNS), dtype=np.int64)
    enters[:, c.ENTERED] = pairs[:, 1]
    enters[:, c.GATE_OF] = program.n_actors + np.arange(len(pairs))
    enters[:, c.TAKERS] = takers
    enters[:, c.ENTERING] = pairs[:, 0]
    idle, each = np.zeros(len(pairs), dtype=np.int64), np.ones(len(through), dtype=np.int64)
    extended = replace(
        program,
        actor_names=program.actor_names + tuple(f"gate {e}" for e in range(len(pairs))),
        resource=np.concatenate([program.resource, idle + c.NOBODY]),
        firings=np.concatenate([program.firings, program.firings[pairs[:, 0]]]),
        interval_ps=np.concatenate([program.interval_ps, idle]),
        latency_ps=np.concatenate([program.latency_ps, idle]),
        source=np.concatenate([program.source, enters[gate.ravel(), c.GATE_OF]]),
        target=np.concatenate([program.target, program.target[through]]),
        num=np.concatenate([program.num, each]),
        off=np.concatenate([program.off, each]),
        den=np.concatenate([program.den, each]),
        is_space=np.concatenate([program.is_space, each.astype(np.bool_)]),
        queue=np.concatenate([program.queue, each * NO_QUEUE]),
    )
    return extended, enters


def pack_queues(program: DataflowProgram) -> I64:
    """Queues without a packet."""
    capacity = program.queue_capacity
    queues = np.zeros((len(capacity), c.FIRST_PLACE + int(capacity.max(initial=0))), dtype=np.int64)
    queues[:, c.PLACES] = capacity
    queues[:, c.FULL_UNTIL] = -1
    through = program.queue != NO_QUEUE
    queues[program.queue[through], c.ENTERED_ON] = program.resource[program.source[through]]
    return queues


def pack_leaves(program: DataflowProgram) -> I64:
    """Queue of every packet that a firing takes out, by actor."""
    through = np.flatnonzero(program.queue != NO_QUEUE)
    return program.queue[through[np.argsort(program.target[through], kind="stable")]]


def mark_users(program: DataflowProgram, actors: I64, resources: I64) -> None:
    """Tell actors their rows of `enters` and `leaves`, and resources whether they have such actors."""
    if not program.queue_names:
        return
    through = program.queue != NO_QUEUE
    source, target, queue = program.source[through], program.target[through], program.queue[through]
    entering = np.unique(np.stack([source, queue], axis=1), axis=0)[:, 0]
    for users, first, end in ((entering, c.ENTER_FIRST, c.ENTER_END), (target, c.LEAVE_FIRST, c.LEAVE_END)):
        actors[:, end] = np.cumsum(np.bincount(users, minlength=len(actors)))
        actors[1:, first] = actors[:-1, end]
    resources[program.resource[source], c.QUEUES_USED] |= c.ENTERED_HERE
    resources[program.resource[target], c.QUEUES_USED] |= c.LEFT_HERE
