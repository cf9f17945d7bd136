"""Section: the pipeline at work, from the trace of a single inference."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.kit.colours import GREY, SERIES
from hermes_sim.kit.figures import Figure, axis, layout, rows_axis, safe, shortened
from hermes_sim.kit.formatting import scale_of, si
from hermes_sim.kit.markup import PageSection, paragraph

if TYPE_CHECKING:
    from hermes_sim.chip.places import Resource
    from hermes_sim.flow import Simulated

_WINDOW_PS = 20_000_000
_COLLECTED, _MOST_BARS, _MOST_LANES = 6000, 1500, 26


class Bar(NamedTuple):
    """One firing on the timeline."""

    lane: Resource
    operator: str
    actor: str
    firing: int
    start_ps: int
    interval_ps: int
    finish_ps: int


def timeline_section(source: Simulated) -> PageSection | None:
    """The first microseconds of one inference, one lane per resource; None without a trace."""
    if source.runs.one.record.trace is None:
        return None
    bars, window_ps = first_bars(source)
    if not bars:
        return None
    n_lanes = len({bar.lane for bar in bars})
    lanes = _chosen_lanes(bars)
    bars, window_ps = _first([bar for bar in bars if bar.lane in lanes], _MOST_BARS, window_ps)
    text = (
        f"The first {si(window_ps * 1e-12, 's', digits=3)} of one inference on an empty chip, one lane per resource. "
        "A bar is a firing: one vector through one stage; its number counts the firings of that stage from 0. "
        "Gaps in a lane are time in which the resource had nothing it could do."
    )
    hidden = n_lanes - len(lanes)
    if hidden:
        text += f" {len(lanes)} resources are shown, the first ones of every kind; {hidden} more are left out."
    body = [paragraph(text), _figure(bars, lanes, window_ps).html()]
    return PageSection("timeline", "Timeline", "\n".join(body))


def first_bars(source: Simulated) -> tuple[list[Bar], int]:
    """Firings that start in the first microseconds; fewer microseconds where there would be too many bars."""
    one = source.runs.one
    trace, program = one.record.trace, one.lowered.program
    assert trace is not None
    window_ps = min(_WINDOW_PS, one.record.makespan_ps)
    bars = []
    for i, info in enumerate(one.lowered.actors):
        interval_ps, latency_ps = int(program.interval_ps[i]), int(program.latency_ps[i])
        if not interval_ps:
            continue
        lane = one.lowered.resources[program.resource[i]]
        for firing in range(int(trace.firings[i])):
            start_ps = trace.start(i, firing)
            if start_ps >= window_ps or firing > _COLLECTED:
                break
            bars.append(
                Bar(lane, info.operator, program.actor_names[i], firing, start_ps, interval_ps, start_ps + latency_ps)
            )
    bars.sort(key=lambda bar: bar.start_ps)
    return _first(bars, _COLLECTED, window_ps)


def _first(bars: list[Bar], most: int, window_ps: int) -> tuple[list[Bar], int]:
    """As many bars as allowed, and the time they fill."""
    if len(bars) > most:
        return bars[:most], max(bars[most].start_ps, 1)
    return bars, max(window_ps, 1)


def _chosen_lanes(bars: list[Bar]) -> list[Resource]:
    """Lanes in the order in which they first start; where there are many, the first ones of every kind in turn."""
    lanes = list(dict.fromkeys(bar.lane for bar in bars))
    families: defaultdict[str, list[Resource]] = defaultdict(list)
    for lane in lanes:
        families[lane.family].append(lane)
    turns = (lane for turn in zip_longest(*families.values()) for lane in turn if lane is not None)
    chosen = set(islice(turns, _MOST_LANES))
    return [lane for lane in lanes if lane in chosen]


def _figure(bars: list[Bar], lanes: list[Resource], window_ps: int) -> Figure:
    factor, unit = scale_of(window_ps * 1e-12, "s")
    factor *= 1e-12
    position = {lane: i for i, lane in enumerate(lanes)}
    by_operator: defaultdict[str, list[Bar]] = defaultdict(list)
    for bar in bars:
        if bar.lane in position:
            by_operator[bar.operator].append(bar)
    ranked = sorted(by_operator, key=lambda name: -sum(bar.interval_ps for bar in by_operator[name]))
    groups = [(name, by_operator[name], colour) for name, colour in zip(ranked, SERIES, strict=False)]
    others = ranked[len(SERIES) :]
    if others:
        name = f"{len(others)} other operators"
        groups.append((name, [bar for other in others for bar in by_operator[other]], GREY))
    narrow_ps = window_ps // 250  # a white edge would hide a bar as narrow as this
    traces = [_trace(name, found, colour, position, factor, unit, narrow_ps) for name, found, colour in groups]
    return Figure(
        "timeline",
        "Pipeline timeline of the first vectors",
        "Colours are operators. Drag to zoom in, double click to see everything again.",
        traces,
        layout(
            130 + 24 * len(lanes),
            barmode="overlay",
            uniformtext={"minsize": 8, "mode": "hide"},
            xaxis=axis(f"time since the first input, {unit}", range=[0, window_ps * factor]),
            yaxis=rows_axis([safe(shortened(str(lane), 28)) for lane in lanes]),
        ),
    )


def _trace(
    name: str, bars: list[Bar], colour: str, position: dict[Resource, int], factor: float, unit: str, narrow_ps: int
) -> dict[str, Any]:
    """Bars of one colour; times in ps times `factor` are in `unit`."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": safe(shortened(name)),
        "y": [position[bar.lane] for bar in bars],
        "x": [round(bar.interval_ps * factor, 6) for bar in bars],
        "base": [round(bar.start_ps * factor, 6) for bar in bars],
        "width": 0.78,
        "marker": {
            "color": colour,
            "line": {"color": "#ffffff", "width": [0.7 if bar.interval_ps > narrow_ps else 0 for bar in bars]},
        },
        "text": [str(bar.firing) for bar in bars],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "customdata": [[safe(bar.actor), bar.firing, round(bar.finish_ps * factor, 6)] for bar in bars],
        "hovertemplate": "%{customdata[0]}, firing %{customdata[1]}<br>starts %{base:.6g} "
        f"{unit}, holds the resource %{{x:.6g}} {unit}, result at %{{customdata[2]:.6g}} {unit}<extra></extra>",
    }
