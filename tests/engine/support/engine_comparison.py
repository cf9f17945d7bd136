"""Equality of run records, field by field, of all engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from engines import ENGINES

from hermes_sim.engine.deadlock import DeadlockError

if TYPE_CHECKING:
    from hermes_sim.engine.base import RunRecord

COLUMNS = (
    "started",
    "first_start_ps",
    "last_finish_ps",
    "wait_data_ps",
    "wait_space_ps",
    "wait_resource_ps",
    "max_queue",
)


def assert_same_record(one: RunRecord, other: RunRecord) -> None:
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column), err_msg=column)
    assert one.makespan_ps == other.makespan_ps
    assert one.finish_ps.keys() == other.finish_ps.keys()
    for actor, times_ps in one.finish_ps.items():
        np.testing.assert_array_equal(times_ps, other.finish_ps[actor], err_msg=f"finishes of actor {actor}")
    if one.trace is not None and other.trace is not None:
        for actor in range(one.program.n_actors):
            np.testing.assert_array_equal(one.trace.starts(actor), other.trace.starts(actor))
            np.testing.assert_array_equal(one.trace.readies(actor), other.trace.readies(actor))


def outcome(engine, program, **options):
    """The record, or the message of the deadlock: both must be equal."""
    try:
        return engine.run(program, **options)
    except DeadlockError as error:
        return str(error)


def compare(program, engines=ENGINES, **options):
    """Run a program on all engines; returns the records."""
    first, *others = (outcome(ENGINES[name], program, **options) for name in engines)
    for other in others:
        if isinstance(first, str) or isinstance(other, str):
            assert first == other
        else:
            assert_same_record(first, other)
    return first
