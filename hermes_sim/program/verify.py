"""Checks that a dataflow program can be run: every engine calls `verify_program` first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.errors import ProgramError
from hermes_sim.program.dataflow import NO_QUEUE, Need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_sim.program.dataflow import DataflowProgram

CLOCK_LIMIT_PS = 2**62  # room for sums and differences of two times in 64 bits
MOST_PACKETS = 1 << 16  # of a queue: the compiled engine has a place in memory for each


def verify_program(program: DataflowProgram) -> None:
    """Refuse a program that no engine may run.

    Raises
    ------
    ProgramError
        naming the actor, resource or dependency, the field and what is allowed: columns of unequal length,
        dangling references, negative times or counts, capacity below 1, denominators below 1, release times that
        are missing, negative or decreasing, queues that hold no packet or whose packets do not come and go one by
        one, a need on the actor's own future, overflow of the 64-bit clock
    """
    for check in (_check_shapes, _check_actors, _check_resources, _check_deps, _check_queues, _check_releases):
        for error in check(program):
            raise error
    for check in (_check_own_needs, _check_clock, _check_need_range):
        for error in check(program):
            raise error


def dependency_name(program: DataflowProgram, dep: int) -> str:
    """Words for a dependency: its number and both actors."""
    names = program.actor_names
    source, target = int(program.source[dep]), int(program.target[dep])
    return f"dependency {dep} ({names[source]!r} -> {names[target]!r})"


def _check_shapes(program: DataflowProgram) -> Iterator[ProgramError]:
    groups = (
        ("actors", len(program.actor_names), ("resource", "firings", "interval_ps", "latency_ps")),
        ("resources", len(program.resource_names), ("capacity",)),
        ("dependencies", len(program.source), ("source", "target", "num", "off", "den", "is_space", "queue")),
        ("queues", len(program.queue_names), ("queue_capacity",)),
    )
    for what, n, columns in groups:
        for column in columns:
            values = getattr(program, column)
            if values.shape != (n,):
                yield ProgramError(f"program: {column}", got=f"shape {values.shape}", allowed=f"({n},): {n} {what}")
            elif column != "is_space" and values.dtype != np.int64:
                yield ProgramError(f"program: {column}", got=f"dtype {values.dtype}", allowed="int64")
    named = (("actor", program.actor_names), ("resource", program.resource_names), ("queue", program.queue_names))
    for what, names in named:
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            yield ProgramError(f"{what} {twice!r}", got=f"two {what}s of that name", allowed="unique names")


def _check_actors(program: DataflowProgram) -> Iterator[ProgramError]:
    n_resources = len(program.resource_names)
    for a in np.flatnonzero((program.resource < 0) | (program.resource >= n_resources)):
        yield ProgramError(
            f"actor {program.actor_names[a]!r}: resource",
            got=int(program.resource[a]),
            allowed=f"index of one of the {n_resources} resources",
            hint="declare the resource before the actor",
        )
    for column in ("firings", "interval_ps", "latency_ps"):
        values = getattr(program, column)
        for a in np.flatnonzero(values < 0):
            yield ProgramError(
                f"actor {program.actor_names[a]!r}: {column}",
                got=int(values[a]),
                allowed="a whole number >= 0",
            )


def _check_resources(program: DataflowProgram) -> Iterator[ProgramError]:
    for r in np.flatnonzero(program.capacity < 1):
        yield ProgramError(
            f"resource {program.resource_names[r]!r}: capacity",
            got=int(program.capacity[r]),
            allowed="a whole number >= 1",
            hint="leave out the resource and its actors if it does not exist",
        )


def _check_deps(program: DataflowProgram) -> Iterator[ProgramError]:
    n = program.n_actors
    for column in ("source", "target"):
        values = getattr(program, column)
        for d in np.flatnonzero((values < 0) | (values >= n)):
            yield ProgramError(
                f"dependency {d}: {column}", got=int(values[d]), allowed=f"index of one of the {n} actors"
            )
    for column, least in (("den", 1), ("num", 0)):
        values = getattr(program, column)
        for d in np.flatnonzero(values < least):
            yield ProgramError(
                f"{dependency_name(program, int(d))}: {column}",
                got=int(values[d]),
                allowed=f"a whole number >= {least}",
            )


def _check_queues(program: DataflowProgram) -> Iterator[ProgramError]:
    """Capacities; then, per dependency through a queue: token by token, and entered on one resource only."""
    n_queues = len(program.queue_names)
    for q in np.flatnonzero((program.queue_capacity < 1) | (program.queue_capacity > MOST_PACKETS)).tolist():
        yield ProgramError(
            f"queue {program.queue_names[q]!r}: capacity",
            got=int(program.queue_capacity[q]),
            allowed=f"1 to {MOST_PACKETS} packets",
        )
    entered_on = np.full(n_queues, -1, dtype=np.int64)
    for d in np.flatnonzero(program.queue != NO_QUEUE).tolist():
        q, source, target = int(program.queue[d]), int(program.source[d]), int(program.target[d])
        where = f"{dependency_name(program, d)}: queue"
        if not 0 <= q < n_queues:
            yield ProgramError(where, got=q, allowed=f"index of one of the {n_queues} queues, or {NO_QUEUE}")
            continue
        need = Need(int(program.num[d]), int(program.off[d]), int(program.den[d]))
        if need != Need.each() or program.is_space[d]:
            yield ProgramError(where, got=f"{need}, is_space={program.is_space[d]}", allowed="data, token by token")
        if program.firings[source] != program.firings[target]:
            got = f"{program.firings[source]} packets put in, {program.firings[target]} taken out"
            yield ProgramError(where, got=got, allowed="as many firings of both actors")
        r = program.resource[source]
        if entered_on[q] not in (-1, r):
            got = f"{program.queue_names[q]!r} entered on {program.resource_names[r]!r}"
            yield ProgramError(where, got=got, allowed=f"{program.resource_names[entered_on[q]]!r}, as by others")
        entered_on[q] = r


def _check_releases(program: DataflowProgram) -> Iterator[ProgramError]:
    for actor, times_ps in program.releases_ps.items():
        if not 0 <= actor < program.n_actors:
            yield ProgramError(
                "releases_ps", got=f"actor {actor}", allowed=f"index of one of the {program.n_actors} actors"
            )
            continue
        where = f"actor {program.actor_names[actor]!r}: releases_ps"
        firings = int(program.firings[actor])
        if times_ps.dtype != np.int64 or times_ps.shape != (firings,):
            yield ProgramError(
                where,
                got=f"{times_ps.dtype}, shape {times_ps.shape}",
                allowed=f"int64, one per firing: ({firings},)",
            )
        elif firings and times_ps[0] < 0:
            yield ProgramError(where, got=int(times_ps[0]), allowed="times >= 0 ps")
        elif (np.diff(times_ps) < 0).any():
            k = int(np.flatnonzero(np.diff(times_ps) < 0)[0]) + 1
            got = f"{times_ps[k]} ps for firing {k} after {times_ps[k - 1]} ps"
            yield ProgramError(where, got=got, allowed="times that do not decrease")


def _check_own_needs(program: DataflowProgram) -> Iterator[ProgramError]:
    """A firing that needs itself or a later firing of its own actor; linear, so the two ends decide."""
    for d in np.flatnonzero(program.source == program.target):
        a = int(program.source[d])
        num, off, den = int(program.num[d]), int(program.off[d]), int(program.den[d])
        last = int(program.firings[a]) - 1
        for k in (0, last) if last >= 0 else ():
            need = min((k * num + off) // den, last + 1)
            if need > k:
                yield ProgramError(
                    f"{dependency_name(program, int(d))}: off",
                    got=f"firing {k} needs {need} finished firings of its own actor",
                    allowed=f"at most {k}",
                    hint="give feedback initial tokens: off <= 0 for num = den = 1",
                )


def _check_need_range(program: DataflowProgram) -> Iterator[ProgramError]:
    n_target, n_source = program.firings[program.target], program.firings[program.source]
    rough = n_target.astype(float) * program.num + abs(program.off.astype(float)) + (n_source + 2.0) * program.den
    for d in np.flatnonzero(rough > 0.99 * CLOCK_LIMIT_PS):
        largest = int(n_target[d]) * int(program.num[d]) + abs(int(program.off[d]))
        largest += (int(n_source[d]) + 2) * int(program.den[d])
        if largest >= CLOCK_LIMIT_PS:
            yield ProgramError(
                f"{dependency_name(program, int(d))}: num, off, den",
                got=f"k * num + off up to {largest}",
                allowed=f"below 2^62 = {CLOCK_LIMIT_PS}",
                hint="reduce the fraction",
            )


def _check_clock(program: DataflowProgram) -> Iterator[ProgramError]:
    """The run ends by the last release plus all work one after the other; that must fit the clock."""
    work = [
        int(n) * max(int(interval), int(latency))
        for n, interval, latency in zip(program.firings, program.interval_ps, program.latency_ps, strict=True)
    ]
    last_release = max((int(t[-1]) for t in program.releases_ps.values() if len(t)), default=0)
    n_firings = sum(program.firings.tolist())
    if n_firings >= CLOCK_LIMIT_PS:
        yield ProgramError("program: firings", got=f"{n_firings} in all", allowed=f"below 2^62 = {CLOCK_LIMIT_PS}")
    total = sum(work) + last_release
    if total < CLOCK_LIMIT_PS:
        return
    if last_release >= CLOCK_LIMIT_PS // 2:
        yield ProgramError("releases_ps", got=f"{last_release} ps", allowed=f"below 2^61 = {CLOCK_LIMIT_PS // 2} ps")
    a = work.index(max(work))
    yield ProgramError(
        f"actor {program.actor_names[a]!r}: firings x max(interval_ps, latency_ps)",
        got=f"{work[a]} ps, {total} ps for all actors",
        allowed=f"below 2^62 = {CLOCK_LIMIT_PS} ps, the range of the 64-bit clock",
        hint="fewer firings or shorter times",
    )
