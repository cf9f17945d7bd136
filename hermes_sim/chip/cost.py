"""What a stage costs: its times and energies as sums of terms that name the config values behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hermes_sim.chip.streaming import GroupStream, start_after_ps
from hermes_sim.config.quantity import Kind, Quantity, least_certain
from hermes_sim.errors import ProgramError

# Formula of what a stage takes beyond another one.
REST = "what of it does not overlap the stage or the work beside it, which these values set"


@dataclass(frozen=True)
class Term:
    """One part of a cost: its value and the config values it came from.

    `formula` says how it follows from them where it is no product of them.
    """

    value: float
    component: str
    paths: tuple[str, ...]
    kind: Kind
    formula: str = ""


def term(value: float, component: str, *factors: Quantity) -> Term:
    """Term of a product of config values; its kind is that of the least certain factor."""
    return Term(value, component, tuple(f.path for f in factors), least_certain([f.kind for f in factors]))


@dataclass(frozen=True)
class Cost:
    """What one firing of an actor costs.

    Parameters
    ----------
    interval_ps, latency_ps : how long it holds its resource, and until its result is there
    times : what `latency_ps` is made of, in ps
    energies : energy terms in pJ
    stream : how the result comes out bit by bit; None where it is there all at once

    Raises
    ------
    ProgramError
        times that do not add up to `latency_ps`
    """

    interval_ps: int
    latency_ps: int
    times: tuple[Term, ...] = ()
    energies: tuple[Term, ...] = ()
    stream: GroupStream | None = None

    def __post_init__(self) -> None:
        total_ps = sum(part.value for part in self.times)
        if total_ps != self.latency_ps:
            parts = ", ".join(f"{part.component} {part.value} ps" for part in self.times)
            raise ProgramError(
                "terms of a cost",
                got=f"{parts or 'none'}, {total_ps} ps in all",
                allowed=f"{self.latency_ps} ps in all",
            )

    def passes_on_to(self, next_stage: Cost) -> bool:
        """Whether both hand on flits before these are whole."""
        streams = (self.stream, next_stage.stream)
        return all(stream is not None and stream.passes_on for stream in streams)

    def until(self, next_stage: Cost, part: tuple[float, float] = (0.0, 1.0)) -> Cost:
        """The same stage with the time until the next one, which takes part of its result group by group, may begin."""
        if self.stream is None or next_stage.stream is None:
            return self
        return self._cut(start_after_ps(self.stream, next_stage.stream, part), next_stage)

    def until_free_for(self, writer: Cost) -> Cost:
        """The same stage with the time until another may begin to write where this one reads, and not overtake it."""
        return self if self.stream is None else self._cut(max(0, self.interval_ps - writer.interval_ps), writer)

    def _cut(self, latency_ps: int, other: Cost) -> Cost:
        """The first part of its times; the last of them rests on those of the other stage, too: its pace matters."""
        left_ps = latency_ps = min(self.latency_ps, latency_ps)
        times = []
        for each in self.times:
            value = min(each.value, left_ps)
            left_ps -= int(value)
            if value:
                times.append(replace(each, value=value))
        if times and not self.passes_on_to(other):
            both = (times[-1], *other.times)
            paths = dict.fromkeys(path for each in both for path in each.paths)
            kind = least_certain([each.kind for each in both])
            times[-1] = replace(times[-1], paths=tuple(paths), kind=kind, formula=REST)
        return Cost(self.interval_ps, latency_ps, tuple(times), self.energies, self.stream)


FREE = Cost(0, 0)
