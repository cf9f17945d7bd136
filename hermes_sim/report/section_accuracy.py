"""Section: accuracy of the simulated crossbars, seed by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, INK, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout, safe
from hermes_sim.kit.formatting import count
from hermes_sim.kit.markup import PageSection, paragraph
from hermes_sim.kit.page import Picture
from hermes_sim.kit.tables import Column, Table, number
from hermes_sim.report.accuracy_tables import layer_table, time_table
from hermes_sim.report.accuracy_words import accuracy_lines, metric_label
from hermes_sim.report.drift_picture import DRIFT_FILE, drift_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.flow import Simulated


def accuracy_section(source: Simulated) -> PageSection:
    """What was found, points per seed and their table; the reason where there is no accuracy."""
    accuracy = source.document.get("accuracy")
    lines = accuracy_lines(source.document)
    if not accuracy:
        return PageSection("accuracy", "Accuracy", paragraph(f"This result has no accuracy: {lines[0].detail}."))
    what = "test samples" if accuracy.get("higher_is_better", True) else "tokens"
    test = f" {count(accuracy['n_test'])} {what} per seed." if accuracy.get("n_test") else ""
    trained = " The readout is trained on the chip's own features." if accuracy.get("kernel_errors") else ""
    told = " ".join(f"{line.label}: {line.value}, {line.detail}." for line in lines)
    draws = "A seed draws the projection, the devices with their noise and drift, and the data or their split."
    if accuracy.get("weights"):
        rows, known = accuracy["data"]["rows"], accuracy["data"]["calibration_rows"]
        draws = (
            f"A seed draws the devices with their noise and drift; weights ({accuracy['weights']['name']}) and the "
            f"{count(rows)} rows are the same for all. Ranges were set by {count(known)} other rows."
        )
    body = [paragraph(f"{told}{test}{trained} {draws}")]
    simulated, digital = accuracy.get("simulated_values") or [], accuracy.get("digital_values") or []
    if simulated:
        body += [
            _figure(accuracy, simulated, digital).html(),
            _table(accuracy, simulated, digital).html(),
        ]
    drift = drift_picture(source.document)
    body += [] if drift is None else [Picture("Accuracy over time", DRIFT_FILE, drift).html()]
    body += [shown.html() for shown in (time_table(source.document), layer_table(source.document)) if shown is not None]
    return PageSection("accuracy", "Accuracy", "\n".join(body))


def _figure(accuracy: Mapping[str, Any], simulated: Sequence[float], digital: Sequence[float]) -> Figure:
    metric = metric_label(accuracy)
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
        f"{metric}, one point per seed",
        "The black lines are the means. The points of a seed lie at the same height within their rows.",
        traces,
        layout(
            130 + 60 * len(rows),
            showlegend=False,
            xaxis=axis(safe(metric.lower())),
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
    series = {"Simulated crossbars": simulated, "Digital, FP32": digital}
    if errors:
        series["Kernel error"] = errors
    columns = [Column("Seed"), *(number(head, "{:.4f}".format) for head in series)]
    rows = [[i, *(values[i] if i < len(values) else None for values in series.values())] for i in range(len(simulated))]
    foot = ["Mean", accuracy["simulated"], accuracy["digital_fp32"]]
    if errors:
        foot.append(sum(errors) / len(errors))
    return Table("seeds", f"{metric_label(accuracy)} by seed", columns, rows, foot)
