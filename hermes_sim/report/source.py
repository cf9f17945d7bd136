"""What a report is made from: the attributes of a result, whatever class holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.mapping.mapping import Mapping as Placement
    from hermes_sim.metrics.runs import Runs
    from hermes_sim.workload.graph import OpGraph
    from hermes_sim.workload.schema import Workload


class ReportSource(Protocol):
    """One simulation, ready to be reported.

    `document` is the result document; it may carry more than every run has: ``uncertainty`` (intervals and
    tornado) and ``ratio_factors`` (why a ratio to a baseline is what it is) each open a section of their own.
    """

    @property
    def document(self) -> Mapping[str, Any]:
        """The content of ``metrics.json``."""
        ...

    @property
    def chip(self) -> Chip:
        """The chip as resolved."""
        ...

    @property
    def workload(self) -> Workload:
        """The workload as resolved."""
        ...

    @property
    def graph(self) -> OpGraph:
        """Operators of one inference."""
        ...

    @property
    def placement(self) -> Placement:
        """Where everything ran."""
        ...

    @property
    def devices(self) -> tuple[Baseline, ...]:
        """Digital accelerators beside it."""
        ...

    @property
    def runs(self) -> Runs:
        """The event simulations behind the document."""
        ...

    def to_frame(self, table: str = ...) -> pd.DataFrame:
        """One of the tables ``stages``, ``resources``, ``energy``, ``baselines``."""
        ...
