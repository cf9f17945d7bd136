"""Section: the chip beside digital accelerators, who wins, by how much."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, INK, LIGHT_BLUE, LIGHT_VERMILLION, VERMILLION
from hermes_sim.kit.figures import Figure, layout, ratio_axis, rows_axis, safe
from hermes_sim.kit.formatting import times
from hermes_sim.kit.markup import PageSection, paragraph, terms
from hermes_sim.kit.ratios import CASES, RATIO_OF, RatioKey
from hermes_sim.report.contents import baseline_table, boundary_table, chip_words
from hermes_sim.report.summary import interval_of
from hermes_sim.report.verdict import QUANTITIES, WINNER_WORDS, batch_words, verdict_summary, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.flow import Simulated

_TERMS = {
    "Optimistic": "the accelerator at its vendor's peak rate and bandwidth, without any overhead: as good as it can "
    "be. It is a rate turned round, not a response time: no device answers one small inference that fast",
    "Realistic": "the same with documented utilisation, start-up time of every kernel and memory traffic",
    "Ratio": "what the accelerator needs divided by what the chip needs; above 1x the chip is better, below 1x digital",
    "Batch": "inferences computed together; the accelerator shares weights and kernel starts among them, "
    "the chip runs them one behind the other through its pipeline",
    "Response": "a single request that is waited for: on the accelerator copies over the link, kernel starts and the "
    "wait for the result, one after the other; on the chip the latency of one inference on an otherwise empty chip, "
    "and its energy with static power over that latency",
    "Back to back": "one of many requests: copies run beside the kernels of other inferences and nobody waits; on the "
    "chip the time and energy per inference in the long run (batch 1) or of the run (larger batches)",
}


def comparison_section(source: Simulated) -> PageSection | None:
    """Verdicts, bars and table; None without baselines."""
    rows = source.document["baselines"]
    if not rows:
        return None
    items = "".join(
        f'<li><span class="tag {verdict.winner}">{WINNER_WORDS[verdict.winner]}</span>{escape(verdict.sentence)}</li>'
        for verdict in verdicts(rows, source.document)
    )
    figures = [_bars(source, rows, quantity) for quantity in QUANTITIES]
    summary = "".join(paragraph(text) for text in verdict_summary(rows, source.document))
    body = [
        f'<div class="verdict">{summary}</div>',
        f'<ul class="verdicts">{items}</ul>',
        *(figure.html() for figure in figures if figure is not None),
        terms(_TERMS),
        paragraph(f"The ratios are taken against the chip's own figures: {'; '.join(chip_words(source))}."),
        boundary_table(source).html(),
        baseline_table(source).html(),
    ]
    return PageSection("comparison", "Against digital accelerators", "\n".join(body))


def _bars(source: Simulated, rows: Sequence[Mapping[str, Any]], quantity: str) -> Figure | None:
    """Bars that begin at 1x, one per baseline, precision, batch and case."""
    labels = [_label(row) for row in rows]
    traces: list[dict[str, Any]] = []
    cases = [case for case in CASES if any(case in row for row in rows)]
    for i, case in enumerate(cases):
        found = [(j, row[quantity].get(case)) for j, row in enumerate(rows)]
        shown = [(j, ratio) for j, ratio in found if ratio is not None and ratio > 0]
        if not shown:
            continue
        offset = (i - (len(cases) - 1) / 2) * 0.8 / len(cases)
        traces += _case_bars(source, quantity, case, rows, shown, offset, 0.8 / len(cases))
    if not traces:
        return None
    name = RATIO_OF[quantity]
    return Figure(
        f"{name}-ratio",
        f"{name.capitalize()} per inference: how many times what the chip needs",
        "Logarithmic scale; bars begin at the 1x line. To the right (blue) the chip is better, to the left "
        "(red-orange) digital is. Light: optimistic accelerator; dark: realistic."
        + (" Thin lines: intervals." if source.document.get("uncertainty") else ""),
        traces,
        _bar_layout(labels, *_reach([x for trace in traces for x in trace["x"]])),
    )


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['name']} {row['precision']}, {batch_words(row['batch'], row['timing'])}"


def _case_bars(
    source: Simulated,
    quantity: str,
    case: str,
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[int, float]],
    offset: float,
    width: float,
) -> list[dict[str, Any]]:
    """Bars of one case, and their figures."""
    logs = [math.log10(ratio) for _, ratio in shown]
    better, worse = (LIGHT_BLUE, LIGHT_VERMILLION) if case == "optimistic" else (BLUE, VERMILLION)
    trace: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "name": case,
        "y": [j + offset for j, _ in shown],
        "x": logs,
        "width": width * 0.9,
        "marker": {
            "color": [better if log >= 0 else worse for log in logs],
            "line": {"width": 1.5 if case == "measured" else 0.5, "color": INK if case == "measured" else "#ffffff"},
        },
        "text": [times(ratio) for _, ratio in shown],
        "textposition": "none",
        "customdata": [safe(f"{_label(rows[j])}, {case}") for j, _ in shown],
        "hovertemplate": "%{customdata}: %{text}<extra></extra>",
    }
    bounds = _log_bounds(source, quantity, case, [rows[j] for j, _ in shown], logs)
    if any(low != high for low, high in bounds):
        trace["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [high - log for (_, high), log in zip(bounds, logs, strict=True)],
            "arrayminus": [log - low for (low, _), log in zip(bounds, logs, strict=True)],
            "color": INK,
            "thickness": 1.2,
            "width": 3,
        }
    return [trace, _words(trace, bounds, logs)]


def _log_bounds(
    source: Simulated, quantity: str, case: str, rows: Sequence[Mapping[str, Any]], logs: Sequence[float]
) -> list[tuple[float, float]]:
    """Both ends of the interval of every bar, as powers of ten; the ratio itself where there is no interval."""
    found = [interval_of(source.document, str(RatioKey.of(row, quantity, case))) for row in rows]
    return [
        (math.log10(ends[0]), math.log10(ends[1])) if ends and min(ends) > 0 else (log, log)
        for ends, log in zip(found, logs, strict=True)
    ]


def _words(bars: Mapping[str, Any], bounds: Sequence[tuple[float, float]], logs: Sequence[float]) -> dict[str, Any]:
    """The ratios in figures, beyond the end of every bar and of its interval."""
    return {
        "type": "scatter",
        "mode": "text",
        "y": bars["y"],
        "x": [max(log, high) if log >= 0 else min(log, low) for (low, high), log in zip(bounds, logs, strict=True)],
        "text": [f" {text} " for text in bars["text"]],
        "textposition": ["middle right" if log >= 0 else "middle left" for log in logs],
        "textfont": {"size": 11},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _reach(logs: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis: all bars with their figures beside them, and something of the other side of the 1x line."""
    left, right = max(0.3, *(-x for x in logs)), max(0.3, *logs)
    room = 0.16 * (left + right)
    return -max(left + room, 0.25 * right), max(right + room, 0.25 * left)


def _bar_layout(labels: Sequence[str], low: float, high: float) -> dict[str, Any]:
    return layout(
        90 + (34 if len(labels) <= 12 else 25) * len(labels),
        showlegend=False,
        barmode="overlay",
        xaxis=ratio_axis("ratio to the chip", low, high),
        yaxis=rows_axis([safe(label) for label in labels]),
        shapes=[
            {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": INK, "width": 1.5}}
        ],
        annotations=[
            _side("digital is better", low, "left", VERMILLION),
            _side("the chip is better", high, "right", BLUE),
        ],
        margin={"l": 10, "r": 20, "t": 26, "b": 44},
    )


def _side(text: str, x: float, anchor: str, colour: str) -> dict[str, Any]:
    return {
        "text": f"<b>{text}</b>", "x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": anchor,
        "showarrow": False, "font": {"color": colour, "size": 12.5},
    }  # fmt: skip
