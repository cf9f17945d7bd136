"""Section: what the latency of one inference is made of, and what every stage waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermes_sim.kit.colours import BLUE, GREEN, GREY, SKY
from hermes_sim.kit.formatting import count, percent, time_of_ns, time_of_ps
from hermes_sim.kit.markup import PageSection, folded, link, paragraph, terms
from hermes_sim.kit.tables import Table, number
from hermes_sim.report.breakdowns import EnergyPart, largest_parts
from hermes_sim.report.waiting import WAIT_TERMS, stage_table, waiting_figure
from hermes_sim.report.waterfall import waterfall

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_sim.flow import Simulated
    from hermes_sim.kit.figures import Figure

_PATH_PARTS, _LISTED = 16, 12
_SMALLEST_FRAC = 2e-3
_OUTSIDE = "before the first input"
_TERMS = {
    "Critical path": "the chain of firings that ends with the last result, in which each one started because the one "
    "before it finished, freed its resource, or freed a place in a buffer; only what is on it can shorten the latency",
    "For its result, for its resource": "why the path goes through a stage: the next step waited for what the stage "
    "made (or for the place it freed), or for the core, link or unit that the stage held",
}


def latency_section(source: Simulated) -> PageSection:
    """Critical path of one inference, and waiting of all stages."""
    parts = path_parts(source)
    document = source.document
    n = document["inputs"]["inferences"]
    text = (
        f"One inference takes {time_of_ns(document['latency_ns'])}. The bars follow its critical path, stage by stage "
        f"in the order in which they first run, and add up to the latency. The run of "
        f"{'one inference' if n == 1 else f'all {count(n)} inferences'} takes {time_of_ns(document['makespan_ns'])}; "
        f"no schedule with this mapping can take less than {time_of_ns(document['lower_bound_ns'])}."
    )
    body = [
        paragraph(text),
        terms(_TERMS),
        _path_figure(parts).html(),
        _path_table(source, parts).html(),
        f"<p>The whole path: {link('critical_path.csv', 'critical_path.csv')}.</p>",
        waiting_figure(source).html(),
        terms(WAIT_TERMS),
        folded("Times of the busiest stages", stage_table(source).html()),
        f"<p>All stages of all inferences: {link('stages.csv', 'stages.csv')}.</p>",
    ]
    return PageSection("latency", "Latency", "\n".join(body))


class OnPath(NamedTuple):
    """Time on the critical path, in ps: the next step waited for a result, or for the resource that was held."""

    result_ps: int
    resource_ps: int

    @property
    def total_ps(self) -> int:
        """Both."""
        return self.result_ps + self.resource_ps


def path_parts(source: Simulated) -> dict[str, OnPath]:
    """Time on the critical path by ``operator: stage``, in the order in which they first run."""
    one, path = source.runs.one, source.runs.critical_path
    totals: dict[str, OnPath] = {}
    for i in np.argsort(one.record.first_start_ps, kind="stable").tolist():
        if path.total_ps[i]:
            info = one.lowered.actors[i]
            name = f"{info.operator or 'inference'}: {info.stage}"
            before = totals.get(name, OnPath(0, 0))
            totals[name] = OnPath(
                before.result_ps + int(path.latency_ps[i]), before.resource_ps + int(path.interval_ps[i])
            )
    if path.gap_ps:
        totals[_OUTSIDE] = OnPath(int(path.gap_ps), 0)
    return totals


def path_records(source: Simulated) -> list[dict[str, str | int]]:
    """One row per operator and stage on the critical path, for the file."""
    records: list[dict[str, str | int]] = []
    for name, spent in path_parts(source).items():
        operator, _, stage = name.rpartition(": ")
        records.append({"operator": operator, "stage": stage, **spent._asdict(), "total_ps": spent.total_ps})
    return records


def _path_figure(totals: dict[str, OnPath]) -> Figure:
    picoseconds = {name: float(spent.total_ps) for name, spent in totals.items()}
    kept = largest_parts(picoseconds, _PATH_PARTS, smallest_frac=_SMALLEST_FRAC)
    names = {part.name for part in kept}
    parts = [EnergyPart(name, ps * 1e-12) for name, ps in picoseconds.items() if name in names]
    parts += [EnergyPart(part.name, part.value * 1e-12, is_rest=True) for part in kept if part.is_rest]
    return waterfall(
        "latency-waterfall",
        parts,
        caption="Latency of one inference along its critical path",
        note="Blue: crossbars and LDPU of a core; sky blue: its ports, links and the off-chip channel; green: digital "
        "units.",
        quantity="time",
        unit="s",
        colours=[GREY if part.is_rest else stage_colour(part.name.rpartition(": ")[2]) for part in parts],
        total_name="Latency",
    )


def stage_colour(stage: str) -> str:
    """Colour of a kind of stage."""
    if stage in {"read", "ldpu"}:
        return BLUE
    if stage == "compute":
        return GREEN
    return GREY if stage == "control" else SKY


def _path_table(source: Simulated, totals: dict[str, OnPath]) -> Table:
    whole_ps = max(source.runs.one.record.makespan_ps, 1)

    def row(name: str, spent: OnPath) -> list[Any]:
        operator, _, stage = name.rpartition(": ")
        return [operator or name, stage if operator else "", *spent, spent.total_ps, spent.total_ps / whole_ps]

    ordered = sorted(totals.items(), key=lambda item: -item[1].total_ps)
    rows = [row(name, spent) for name, spent in ordered[:_LISTED]]
    rest = [spent for _, spent in ordered[_LISTED:]]
    if rest:
        rows.append(row(f"{len(rest)} more", _sum(rest)))
    why = ("For its result", "For its resource", "Time on the path")
    return Table(
        "critical-path",
        "Critical path of one inference; the rows add up to the latency",
        ("Operator", "Stage", *(number(head, time_of_ps) for head in why), number("Share", percent)),
        rows,
        row("Latency", _sum(totals.values())),
    )


def _sum(parts: Iterable[OnPath]) -> OnPath:
    found = list(parts)
    return OnPath(sum(part.result_ps for part in found), sum(part.resource_ps for part in found))
