"""A dataflow program with what the engines must not see: operators, energy terms, where every time came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_sim.chip.costs import Cost, Term
    from hermes_sim.program.dataflow import DataflowProgram


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
    actors : one record per actor of the program, in its order
    done : index of the actor that fires once per finished inference
    sources : indices of the actors that bring inputs in (release times go there), with firings per inference
    static_powers : mW by component
    ops : operations of one inference
    """

    program: DataflowProgram
    actors: tuple[ActorInfo, ...]
    done: int
    sources: tuple[tuple[int, int], ...]
    static_powers: tuple[Term, ...]
    ops: int
    inferences: int
