"""A dataflow program with what the engines must not see: operators, energy terms, where every time came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from hermes_sim.chip.cost import Cost, Term
    from hermes_sim.chip.places import Resource
    from hermes_sim.program.dataflow import I64, DataflowProgram


class Firings(NamedTuple):
    """How often an actor fires in N inferences: once for each of tokens `skip`, `skip + of`, ... of `tokens` N.

    Replica r of R of an operator with T tokens is ``Firings(T, r, R)``; ``Firings(0, -1)`` is once in all.
    """

    tokens: int
    skip: int = 0
    of: int = 1

    def in_all(self, inferences: int) -> int:
        """Firings of so many inferences."""
        return max(0, -((self.skip - self.tokens * inferences) // self.of))


@dataclass(frozen=True)
class ActorInfo:
    """What an actor stands for."""

    operator: str
    stage: str
    cost: Cost


@dataclass(frozen=True)
class LoweredProgram:
    """Program of `inferences` inferences on one chip.

    Parameters
    ----------
    actors, resources : one record per actor and per resource of the program, in its order
    done : index of the actor that fires once per finished inference
    sources : indices of the actors that bring inputs in (release times go there), with firings per inference
    static_powers : mW by component
    ops : operations of one inference
    firings : per actor, as a function of the number of inferences; nothing else in the program depends on it
    """

    program: DataflowProgram
    actors: tuple[ActorInfo, ...]
    resources: tuple[Resource, ...]
    done: int
    sources: tuple[tuple[int, int], ...]
    static_powers: tuple[Term, ...]
    ops: int
    inferences: int
    firings: tuple[Firings, ...]

    def for_inferences(self, count: int) -> LoweredProgram:
        """The same program for another number of inferences that all wait from the start."""
        firings = np.array([f.in_all(count) for f in self.firings], dtype=np.int64)
        return replace(self, program=replace(self.program, firings=firings, releases_ps={}), inferences=count)

    @property
    def resource_named(self) -> dict[str, Resource]:
        """Name in the program -> record of the resource."""
        return dict(zip(self.program.resource_names, self.resources, strict=True))

    @property
    def whole_turn(self) -> int:
        """Inferences after which every actor has fired in proportion: replicas and regular events divide it."""
        return lcm(*{f.of // gcd(f.tokens, f.of) for f in self.firings if f.tokens})

    @property
    def turn_firings(self) -> I64:
        """(n_actors,) firings in a whole turn, somewhere in the middle of a long run."""
        turn = self.whole_turn
        return np.array([f.tokens * turn // f.of for f in self.firings], dtype=np.int64)
