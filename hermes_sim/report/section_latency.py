"""Section: what the latency of one inference is made of, and what every stage waits for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermes_sim.metrics.timing import stage_times
from hermes_sim.report.breakdowns import Part, largest_parts
from hermes_sim.report.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SKY,
    VERMILLION,
    Figure,
    axis,
    layout,
    safe,
    shortened,
    waterfall,
)
from hermes_sim.report.formatting import count, percent, si, time_of_ns
from hermes_sim.report.markup import Section, folded, link, paragraph, terms
from hermes_sim.report.tables import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_sim.metrics.timing import StageTime
    from hermes_sim.report.source import ReportSource

_PATH_PARTS, _WAIT_BARS, _LISTED = 16, 16, 25
_SMALLEST_FRAC = 2e-3
_OUTSIDE = "before the first input"
_TERMS = {
    "Critical path": "the chain of firings that ends with the last result, in which each one started because the one "
    "before it finished, freed its resource, or freed a place in a buffer; only what is on it can shorten the latency",
    "For its result, for its resource": "why the path goes through a stage: the next step waited for what the stage "
    "made (or for the place it freed), or for the core, link or unit that the stage held",
    "Waiting for data": "the stage could run, but what it works on has not arrived yet",
    "Waiting for buffer space": "its inputs are there, but the next stage has not yet taken the results before: "
    "there is no free place to put a new one",
    "Waiting for the resource": "data and space are there, but the core, link or unit is still busy, with another "
    "stage or with this stage's previous vector",
    "Busy": "the stage holds its resource",
}


def latency_section(source: ReportSource) -> Section:
    """Critical path of one inference, and waiting of all stages."""
    parts = path_parts(source)
    document = source.document
    n = document["inputs"]["inferences"]
    text = (
        f"One inference takes {time_of_ns(document['latency_ns'])}. The bars follow its critical path, stage by stage "
        f"in the order in which they first run, and add up to the latency. The run of "
        f"{'one inference' if n == 1 else f'all {count(n)} inferences'} takes {time_of_ns(document['makespan_ns'])}; "
        f"with the same placement no schedule can take less than {time_of_ns(document['lower_bound_ns'])}."
    )
    body = [
        paragraph(text),
        terms(_TERMS),
        _path_figure(parts).html(),
        _path_table(source, parts).html(),
        _wait_figure(source).html(),
        folded("Times of the busiest stages", _stage_table(source).html()),
        f"<p>All stages of all inferences: {link('stages.csv', 'stages.csv')}.</p>",
    ]
    return Section("latency", "Latency", "\n".join(body))


class OnPath(NamedTuple):
    """Time on the critical path, in ps: the next step waited for a result, or for the resource that was held."""

    result_ps: int
    resource_ps: int

    @property
    def total_ps(self) -> int:
        """Both."""
        return self.result_ps + self.resource_ps


def path_parts(source: ReportSource) -> dict[str, OnPath]:
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


def _path_figure(totals: dict[str, OnPath]) -> Figure:
    picoseconds = {name: float(spent.total_ps) for name, spent in totals.items()}
    kept = largest_parts(picoseconds, _PATH_PARTS, smallest_frac=_SMALLEST_FRAC)
    names = {part.name for part in kept}
    parts = [Part(name, ps * 1e-12) for name, ps in picoseconds.items() if name in names]
    parts += [Part(part.name, part.value * 1e-12, is_rest=True) for part in kept if part.is_rest]
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


def _path_table(source: ReportSource, totals: dict[str, OnPath]) -> Table:
    whole_ps = max(source.runs.one.record.makespan_ps, 1)

    def row(name: str, spent: OnPath) -> list[Cell | str]:
        operator, _, stage = name.rpartition(": ")
        times = [Cell(si(ps * 1e-12, "s"), ps) for ps in (spent.result_ps, spent.resource_ps, spent.total_ps)]
        return [operator or name, stage if operator else "", *times, Cell(percent(spent.total_ps / whole_ps))]

    ordered = sorted(totals.items(), key=lambda item: -item[1].total_ps)
    rows = [row(name, spent) for name, spent in ordered[:_LISTED]]
    rest = [spent for _, spent in ordered[_LISTED:]]
    if rest:
        rows.append(row(f"{len(rest)} more", _sum(rest)))
    return Table(
        "critical-path",
        "Critical path of one inference; the rows add up to the latency",
        ("Operator", "Stage", "For its result|", "For its resource|", "Time on the path|", "Share|"),
        rows,
        row("Latency", _sum(totals.values())),
    )


def _sum(parts: Iterable[OnPath]) -> OnPath:
    found = list(parts)
    return OnPath(sum(part.result_ps for part in found), sum(part.resource_ps for part in found))


def _grouped(source: ReportSource) -> dict[tuple[str, str], list[StageTime]]:
    """Stages of all inferences by operator and stage (a stage may run on several cores or links)."""
    groups: defaultdict[tuple[str, str], list[StageTime]] = defaultdict(list)
    for row in stage_times(source.runs.all.lowered, source.runs.all.record):
        groups[row.operator, row.stage].append(row)
    return dict(groups)


def _wait_figure(source: ReportSource) -> Figure:
    """Share of the run that stages wait for data, space, resource; the stages that hold a resource longest."""
    whole_ps = max(source.runs.all.record.makespan_ps, 1)
    groups = _grouped(source)
    chosen = sorted(groups, key=lambda key: -max(row.busy_ps for row in groups[key]))[:_WAIT_BARS]
    chosen = [key for key in groups if key in chosen]
    positions = list(range(len(chosen)))

    def shares(attribute: str) -> list[float]:
        return [sum(getattr(row, attribute) for row in groups[key]) / len(groups[key]) / whole_ps for key in chosen]

    waits = {
        "waiting for data": (shares("wait_data_ps"), SKY),
        "waiting for buffer space": (shares("wait_space_ps"), ORANGE),
        "waiting for the resource": (shares("wait_resource_ps"), VERMILLION),
    }
    done = [max(0.0, 1.0 - sum(found[i] for found, _ in waits.values())) for i in positions]
    waits["last firing started, or none to come yet"] = (done, "#e4e8ec")
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": positions,
            "x": values,
            "marker": {"color": colour, "line": {"color": "#ffffff", "width": 0.5}},
            "hovertemplate": f"{name}: %{{x:.1%}}<extra></extra>",
        }
        for name, (values, colour) in waits.items()
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "busy (its share of the run)",
            "y": positions,
            "x": shares("busy_ps"),
            "marker": {"symbol": "diamond", "color": INK, "size": 9, "line": {"color": "#ffffff", "width": 1}},
            "hovertemplate": "busy: %{x:.1%}<extra></extra>",
        }
    )
    n = source.document["inputs"]["inferences"]
    return Figure(
        "waiting",
        f"What the stages wait for while {'one inference runs' if n == 1 else f'{count(n)} inferences run'}",
        "Every bar is the whole run: from one start of the stage to its next, time counts as waiting for what came "
        "last. A bottleneck waits for its own resource; stages before it wait for space, stages after it for data. "
        "Mean over the cores or links of a stage; the busiest stages.",
        traces,
        layout(
            140 + 26 * len(chosen),
            barmode="stack",
            xaxis=axis("share of the time of the run", tickformat=".0%", range=[0, 1.002]),
            yaxis=axis(
                "",
                tickvals=positions,
                ticktext=[safe(shortened(f"{operator}: {stage}")) for operator, stage in chosen],
                range=[len(chosen) - 0.4, -0.6],
                showgrid=False,
            ),
        ),
    )


def _stage_table(source: ReportSource) -> Table:
    groups = _grouped(source)
    ordered = sorted(groups, key=lambda key: -sum(row.busy_ps for row in groups[key]))[:_LISTED]

    def row(key: tuple[str, str]) -> list[Cell | str]:
        found = groups[key]
        places = sorted({stage.resource for stage in found})
        firings = sum(stage.firings for stage in found)
        cells: list[Cell | str] = [*key, places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"]
        cells.append(Cell(count(firings), firings))
        for attribute in ("busy_ps", "wait_data_ps", "wait_space_ps", "wait_resource_ps"):
            total_ps = sum(getattr(stage, attribute) for stage in found)
            cells.append(Cell(si(total_ps * 1e-12, "s"), total_ps))
        return cells

    more = len(groups) - len(ordered)
    caption = "Time of every stage, summed over all firings of all inferences"
    return Table(
        "stages",
        caption + (f"; {more} less busy ones are in stages.csv" if more else ""),
        ("Operator", "Stage", "Resource", "Firings|", "Busy|", "Waits for data|", "for space|", "for resource|"),
        [row(key) for key in ordered],
    )
