"""What the stages of a run wait for: data, buffer space, their resource."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.metrics.timing import stage_times
from hermes_sim.report.figures import (
    INK,
    ORANGE,
    SKY,
    VERMILLION,
    Figure,
    axis,
    layout,
    rows_axis,
    safe,
    shortened,
    stacked_bars,
)
from hermes_sim.report.formatting import count, si
from hermes_sim.report.tables import Cell, Table

if TYPE_CHECKING:
    from hermes_sim.metrics.timing import StageTime
    from hermes_sim.report.source import ReportSource

_WAIT_BARS, _LISTED = 16, 25
WAIT_TERMS = {
    "Waiting for data": "the stage could run, but what it works on has not arrived yet",
    "Waiting for buffer space": "its inputs are there, but the next stage has not yet taken the results before: "
    "there is no free place to put a new one",
    "Waiting for the resource": "data and space are there, but the core, link or unit is still busy, with another "
    "stage or with this stage's previous vector",
    "Busy": "the stage holds its resource",
}


def _grouped(source: ReportSource) -> dict[tuple[str, str], list[StageTime]]:
    """Stages of all inferences by operator and stage (a stage may run on several cores or links)."""
    groups: defaultdict[tuple[str, str], list[StageTime]] = defaultdict(list)
    for row in stage_times(source.runs.all.lowered, source.runs.all.record):
        groups[row.operator, row.stage].append(row)
    return dict(groups)


def waiting_figure(source: ReportSource) -> Figure:
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
    traces = [stacked_bars(name, values, colour, "%{x:.1%}") for name, (values, colour) in waits.items()]
    traces.append(_busy_marks(positions, shares("busy_ps")))
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
            yaxis=rows_axis([safe(shortened(f"{operator}: {stage}")) for operator, stage in chosen]),
        ),
    )


def _busy_marks(positions: list[int], shares: list[float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "busy (its share of the run)",
        "y": positions,
        "x": shares,
        "marker": {"symbol": "diamond", "color": INK, "size": 9, "line": {"color": "#ffffff", "width": 1}},
        "hovertemplate": "busy: %{x:.1%}<extra></extra>",
    }


def stage_table(source: ReportSource) -> Table:
    """Busy and waiting times of the busiest stages, summed over their firings."""
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
