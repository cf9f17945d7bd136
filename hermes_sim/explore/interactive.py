"""One self-contained page to turn a study over in a browser: parallel coordinates and a scatter of two objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hermes_sim.config.files import written_whole
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.findings import level, short
from hermes_sim.explore.results import parameter_names
from hermes_sim.explore.units import title_of, unit_of

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.explore.study import Study

_MAX_TICKS = 8  # of a parameter whose ticks stand at its values


def write_interactive(study: Study, path: Path) -> None:
    """Write the page; it needs no network.

    Raises
    ------
    StudyError
        no point has results
    OutputError
        a place that cannot be written
    """
    frame = study.feasible()
    if frame.empty:
        raise StudyError(study.file.name, got="no results", allowed="a study that has been run")
    figures = [parallel_coordinates(study, frame), scatter(study, frame)]
    parts = [figure.to_html(full_html=False, include_plotlyjs=i == 0) for i, figure in enumerate(figures)]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{study.file.name}</title></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def parallel_coordinates(study: Study, frame: pd.DataFrame) -> Any:
    """One line per design over all parameters and objectives, coloured by the first objective."""
    objectives = list(study.file.objectives)
    dimensions = [_dimension(frame, name) for name in [*parameter_names(study.file, frame), *objectives]]
    color = frame[objectives[0]].to_numpy(dtype=np.float64)
    if (color > 0).all():
        color = np.log10(color)
    line = {"color": color, "colorscale": "Viridis", "showscale": False}
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line=line, labelangle=-12))
    figure.update_layout(title=study.file.name, height=520, margin={"l": 90, "r": 60, "t": 150, "b": 40})
    return figure


def scatter(study: Study, frame: pd.DataFrame) -> Any:
    """The first two objectives against each other, the Pareto front marked."""
    objectives = list(study.file.objectives)
    x, y = objectives[0], objectives[1] if len(objectives) > 1 else "area_mm2"
    names = parameter_names(study.file, frame)
    texts = ["<br>".join(f"{short(n)} = {level(row[n])}" for n in names) for row in frame.to_dict("records")]
    on_front = frame["key"].isin(set(study.front()["key"]))
    figure = go.Figure()
    for label, mask, color in (("other designs", ~on_front, "#bbbbbb"), ("Pareto front", on_front, "#d55e00")):
        figure.add_scatter(
            x=frame.loc[mask, x] * unit_of(x)[0],
            y=frame.loc[mask, y] * unit_of(y)[0],
            mode="markers",
            name=label,
            text=[text for text, keep in zip(texts, mask, strict=True) if keep],
            marker={"color": color, "size": 8},
        )
    figure.update_layout(xaxis_title=_axis_title(x), yaxis_title=_axis_title(y), height=560)
    figure.update_xaxes(exponentformat="SI")
    figure.update_yaxes(exponentformat="SI")
    return figure


def _axis_title(name: str) -> str:
    unit = unit_of(name)[1]
    return f"{title_of(name)} ({unit})" if unit else title_of(name)


def _dimension(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    values = frame[name]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(dtype=np.float64) * unit_of(name)[0]
        axis = {"label": short(_axis_title(name)), "values": numbers}
        few = sorted(set(numbers))
        return axis | ({"tickvals": few, "ticktext": [f"{n:g}" for n in few]} if len(few) <= _MAX_TICKS else {})
    texts = [level(value) for value in values]
    names = list(dict.fromkeys(texts))
    return {
        "label": short(title_of(name)),
        "values": [names.index(text) for text in texts],
        "tickvals": list(range(len(names))),
        "ticktext": names,
    }
