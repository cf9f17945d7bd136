"""What the stages of a run wait for: data, buffer space, their resource."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, INK, LIGHT_BLUE, ORANGE, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout, rows_axis, safe, shortened, stacked_bars
from hermes_sim.kit.formatting import count, percent, scale_of, time_of_ps
from hermes_sim.kit.tables import Table, number
from hermes_sim.metrics.timing import stage_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.flow import Simulated
    from hermes_sim.metrics.timing import StageTime

_MOST, _FEWEST, _LISTED = 26, 10, 25
_WRITTEN_FRAC = 0.045  # shares of the run from which on their bar has room for a number
_COLOURS = {
    "busy": BLUE,
    "waits for data": LIGHT_BLUE,
    "waits for space": ORANGE,
    "waits for the resource": VERMILLION,
}
_TIMES = {
    "busy_ps": "Busy",
    "wait_data_ps": "Waits for data",
    "wait_space_ps": "for space",
    "wait_resource_ps": "for resource",
}
WAIT_TERMS = {
    "Busy": "the stage holds its resource",
    "Waits for data": "the stage could run, but what it works on has not arrived yet: a stage before it is slower",
    "Waits for space": "its inputs are there, but the next stage has not yet taken the results before, and there is no "
    "free place to put a new one: a stage after it is slower",
    "Waits for the resource": "data and space are there, but the core, link or unit is busy with another stage",
}


def _grouped(source: Simulated) -> dict[tuple[str, str], list[StageTime]]:
    """Stages of all inferences by operator and stage (a stage may run on several cores or links)."""
    groups: defaultdict[tuple[str, str], list[StageTime]] = defaultdict(list)
    for row in stage_times(source.runs.all.lowered, source.runs.all.record):
        groups[row.operator, row.stage].append(row)
    return dict(groups)


def waiting_figure(source: Simulated) -> Figure:
    """One bar per operator over the time of the run: from its first vector on busy, or waiting for what."""
    whole_ps = max(source.runs.all.record.makespan_ps, 1)
    rows = _chosen(_grouped(source))
    factor, unit = scale_of(whole_ps * 1e-12, "s")
    factor *= 1e-12
    spent = [spent_of(row) for row in rows]
    starts = [row.first_start_ps for row in rows]
    traces = []
    for name, colour in _COLOURS.items():
        lengths = [times_ps[name] for times_ps in spent]
        traces.append(_segments(name, colour, starts, lengths, whole_ps, factor, unit))
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    n = source.document["inputs"]["inferences"]
    bottleneck = source.document["bottleneck"]["resource"]
    return Figure(
        "waiting",
        f"What the stages wait for while {'one inference runs' if n == 1 else f'{count(n)} inferences run'}",
        "A row begins when the first vector comes to a stage. From there on: how long the stage was busy and how long "
        "it waited for what, added up; numbers are shares of the run. What waits for space lies before a slower stage, "
        f"what waits for data behind one; the busiest resource of all is {bottleneck}. Of every operator its busiest "
        "stage, on the busiest of its cores or links.",
        traces,
        layout(
            130 + 22 * len(rows),
            barmode="overlay",
            bargap=0.25,
            legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
            xaxis=axis(f"time of the run, {unit}", range=[0, 1.002 * whole_ps * factor]),
            yaxis=rows_axis([safe(shortened(f"{row.operator}: {row.stage}")) for row in rows]),
        ),
    )


def _segments(
    name: str, colour: str, starts: Sequence[int], lengths: Sequence[int], whole_ps: int, factor: float, unit: str
) -> dict[str, Any]:
    """The part of every row that one kind of time takes, with its share of the run where there is room for it."""
    shares = [length / whole_ps for length in lengths]
    return {
        **stacked_bars(name, [length * factor for length in lengths], colour, f"%{{x:.4g}} {unit}"),
        "base": [start * factor for start in starts],
        "text": [percent(share) if share >= _WRITTEN_FRAC else "" for share in shares],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "insidetextfont": {"size": 11, "color": "#ffffff" if colour in {BLUE, VERMILLION} else INK},
    }


def _chosen(groups: Mapping[tuple[str, str], Sequence[StageTime]]) -> list[StageTime]:
    """The busiest stage of every operator, others where that leaves few, in the order in which they first run."""
    busiest = sorted((max(rows, key=lambda row: row.busy_ps) for rows in groups.values()), key=lambda row: -row.busy_ps)
    of_operators = {row.operator: row for row in reversed(busiest)}
    chosen = [row for row in busiest if row is of_operators[row.operator]][:_MOST]
    others = [row for row in busiest if row not in chosen]
    return sorted(chosen + others[: max(0, _FEWEST - len(chosen))], key=lambda row: row.first_start_ps)


def spent_of(row: StageTime) -> dict[str, int]:
    """Time in ps from its first start on that a stage is busy, and waits for each of three things.

    From one start to the next the record tells what the stage waited for last. The firing before falls into the same
    time: it is taken off the waiting for the resource, then off that for space and data. Before the first start the
    stage waited as well, mostly for data: that is before its row begins.
    """
    waits = {
        "waits for data": row.wait_data_ps,
        "waits for space": row.wait_space_ps,
        "waits for the resource": row.wait_resource_ps,
    }
    for also_ps, order in ((row.first_start_ps, tuple(waits)), (row.busy_ps, tuple(waits)[::-1])):
        left_ps = also_ps
        for name in order:
            taken_ps = min(left_ps, waits[name])
            waits[name], left_ps = waits[name] - taken_ps, left_ps - taken_ps
    return {"busy": row.busy_ps, **waits}


def stage_table(source: Simulated) -> Table:
    """Busy and waiting times of the busiest stages, summed over their firings."""
    groups = _grouped(source)
    ordered = sorted(groups, key=lambda key: -sum(row.busy_ps for row in groups[key]))[:_LISTED]

    def row(key: tuple[str, str]) -> list[Any]:
        found = groups[key]
        places = sorted({stage.resource for stage in found})
        place = places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
        return [*key, place, *(sum(getattr(stage, name) for stage in found) for name in ("firings", *_TIMES))]

    more = len(groups) - len(ordered)
    caption = "Time of every stage, summed over all firings of all inferences"
    return Table(
        "stages",
        caption + (f"; {more} less busy ones are in stages.csv" if more else ""),
        (
            *("Operator", "Stage", "Resource", number("Firings", count)),
            *(number(head, time_of_ps) for head in _TIMES.values()),
        ),
        [row(key) for key in ordered],
    )
