"""Section: accuracy of the simulated crossbars, seed by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.report.figures import BLUE, INK, VERMILLION, Figure, axis, layout, safe
from hermes_sim.report.formatting import count
from hermes_sim.report.markup import Section, paragraph
from hermes_sim.report.summary import accuracy_fact
from hermes_sim.report.tables import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.report.source import ReportSource


def accuracy_section(source: ReportSource) -> Section:
    """Points per seed and their table; a sentence where accuracy was not simulated."""
    accuracy = source.document.get("accuracy")
    if not accuracy:
        text = "The crossbars were not simulated on data in this run: it says nothing about accuracy."
        return Section("accuracy", "Accuracy", paragraph(text))
    fact = accuracy_fact(accuracy)
    test = f" {count(accuracy['n_test'])} test samples per seed." if accuracy.get("n_test") else ""
    body = [
        paragraph(
            f"{fact.label} on the simulated crossbars: {fact.value}, {fact.detail}.{test} A seed draws the projection, "
            "the devices with their noise and drift, and the split of the data."
        )
    ]
    simulated, digital = accuracy.get("simulated_values") or [], accuracy.get("digital_values") or []
    if simulated:
        body += [
            _figure(accuracy, simulated, digital).html(),
            _table(accuracy, simulated, digital).html(),
        ]
    return Section("accuracy", "Accuracy", "\n".join(body))


def _metric(accuracy: Mapping[str, Any]) -> str:
    return str(accuracy["metric"]).replace("_", " ")


def _figure(accuracy: Mapping[str, Any], simulated: Sequence[float], digital: Sequence[float]) -> Figure:
    metric = _metric(accuracy)
    rows = [("digital, FP32", digital, accuracy["digital_fp32"], VERMILLION, "square")] if digital else []
    rows.append(("simulated crossbars", simulated, accuracy["simulated"], BLUE, "circle"))
    traces: list[dict[str, Any]] = []
    for y, (name, values, mean, colour, symbol) in enumerate(rows):
        traces += [
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": list(values),
                "y": [y + 0.28 * (i / max(len(values) - 1, 1) - 0.5) for i in range(len(values))],
                "marker": {"color": colour, "symbol": symbol, "size": 11, "line": {"color": "#ffffff", "width": 1}},
                "customdata": list(range(len(values))),
                "hovertemplate": f"{name}, seed %{{customdata}}: %{{x:.4f}}<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "x": [mean, mean],
                "y": [y - 0.32, y + 0.32],
                "line": {"color": INK, "width": 2.5},
                "hovertemplate": f"mean of {name}: {mean:.4f}<extra></extra>",
            },
        ]
    return Figure(
        "accuracy",
        f"{metric.capitalize()}, one point per seed",
        "The black lines are the means. The points of a seed lie at the same height within their rows.",
        traces,
        layout(
            130 + 60 * len(rows),
            showlegend=False,
            xaxis=axis(safe(metric)),
            yaxis=axis(
                "",
                tickvals=list(range(len(rows))),
                ticktext=[name for name, *_ in rows],
                range=[-0.6, len(rows) - 0.4],
                showgrid=False,
            ),
        ),
    )


def _table(accuracy: Mapping[str, Any], simulated: Sequence[float], digital: Sequence[float]) -> Table:
    errors = accuracy.get("kernel_errors") or []
    columns = ["Seed", "Simulated crossbars|", "Digital, FP32|"] + (["Kernel error|"] if errors else [])

    def cell(values: Sequence[float], i: int) -> Cell:
        return Cell(f"{values[i]:.4f}", values[i]) if i < len(values) else Cell("-")

    rows: list[list[Cell | str]] = [
        [Cell(str(i), i), cell(simulated, i), cell(digital, i), *([cell(errors, i)] if errors else [])]
        for i in range(len(simulated))
    ]
    foot: list[Cell | str] = ["Mean", f"{accuracy['simulated']:.4f}", f"{accuracy['digital_fp32']:.4f}"]
    if errors:
        foot.append(f"{sum(errors) / len(errors):.4f}")
    return Table("seeds", f"{_metric(accuracy).capitalize()} by seed", columns, rows, foot)
