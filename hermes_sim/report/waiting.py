"""What the stages of a run wait for: data, buffer space, their resource."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, ORANGE, SKY, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout, rows_axis, safe, shortened, stacked_bars
from hermes_sim.kit.formatting import count, time_of_ps
from hermes_sim.kit.tables import Table, number
from hermes_sim.metrics.timing import stage_times

if TYPE_CHECKING:
    from hermes_sim.flow import Simulated
    from hermes_sim.metrics.timing import StageTime

_WAIT_BARS, _LISTED = 16, 25
_COLOURS = {
    "busy": BLUE,
    "waits for the resource": VERMILLION,
    "waits for space": ORANGE,
    "waits for data": SKY,
    "nothing to do": "#e4e8ec",
}
_TIMES = {
    "busy_ps": "Busy",
    "wait_data_ps": "Waits for data",
    "wait_space_ps": "for space",
    "wait_resource_ps": "for resource",
}
WAIT_TERMS = {
    "Waiting for data": "the stage could run, but what it works on has not arrived yet",
    "Waiting for buffer space": "its inputs are there, but the next stage has not yet taken the results before: "
    "there is no free place to put a new one",
    "Waiting for the resource": "data and space are there, but the core, link or unit is still busy, with another "
    "stage or with this stage's previous vector",
    "Busy": "the stage holds its resource",
    "Nothing to do": "before its first vector, or after its last",
}


def _grouped(source: Simulated) -> dict[tuple[str, str], list[StageTime]]:
    """Stages of all inferences by operator and stage (a stage may run on several cores or links)."""
    groups: defaultdict[tuple[str, str], list[StageTime]] = defaultdict(list)
    for row in stage_times(source.runs.all.lowered, source.runs.all.record):
        groups[row.operator, row.stage].append(row)
    return dict(groups)


def waiting_figure(source: Simulated) -> Figure:
    """The time of the run of the busiest stages as bars of 100 %: busy, what they wait for, nothing to do."""
    whole_ps = max(source.runs.all.record.makespan_ps, 1)
    groups = _grouped(source)
    chosen = sorted(groups, key=lambda key: -max(row.busy_ps for row in groups[key]))[:_WAIT_BARS]
    chosen = [key for key in groups if key in chosen]
    split = [_mean([shares_of(row, whole_ps) for row in groups[key]]) for key in chosen]
    traces = [
        stacked_bars(name, [shares[name] for shares in split], colour, "%{x:.1%}") for name, colour in _COLOURS.items()
    ]
    n = source.document["inputs"]["inferences"]
    return Figure(
        "waiting",
        f"What the stages do while {'one inference runs' if n == 1 else f'{count(n)} inferences run'}",
        "Every bar is the whole run. A bottleneck is busy; stages before it wait for space, stages after it for data. "
        "Where a stage is busy with one vector while it waits for what the next one needs, the time counts as busy. "
        "Mean over the cores or links of a stage; the busiest stages.",
        traces,
        layout(
            140 + 26 * len(chosen),
            barmode="stack",
            bargap=0.25,
            xaxis=axis("share of the time of the run", tickformat=".0%", range=[0, 1.002]),
            yaxis=rows_axis([safe(shortened(f"{operator}: {stage}")) for operator, stage in chosen]),
        ),
    )


def shares_of(row: StageTime, whole_ps: int) -> dict[str, float]:
    """Shares of the run that a stage is busy, waits for each of three things, or has nothing to do; they add up to 1.

    From one start to the next the record tells what the stage waited for last. The firing before falls into the same
    time: it is taken off the waiting for the resource, then off that for space and data.
    """
    left_ps = row.busy_ps
    waits = {"waits for the resource": row.wait_resource_ps, "waits for space": row.wait_space_ps}
    waits |= {"waits for data": row.wait_data_ps}
    shares = {"busy": row.busy_ps / whole_ps}
    for name, wait_ps in waits.items():
        both_ps = min(left_ps, wait_ps)
        shares[name], left_ps = (wait_ps - both_ps) / whole_ps, left_ps - both_ps
    return shares | {"nothing to do": max(0.0, 1.0 - sum(shares.values()))}


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(shares[name] for shares in found) / len(found) for name in found[0]}


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
