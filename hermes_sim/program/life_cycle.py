"""Programming, reprogramming and drift compensation of cores as work in the same program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes_sim.program.lower import Lowering
    from hermes_sim.workload.graph import LifeCycle


def add_life_cycle(low: Lowering, events: LifeCycle) -> None:
    """Add the events of a life cycle."""
    raise NotImplementedError
