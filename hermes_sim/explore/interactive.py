"""One self-contained page to turn a study over in a browser: parallel coordinates and a scatter of two objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hermes_sim._version import __version__
from hermes_sim.config.files import write_text
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.findings import level, short, title_of
from hermes_sim.explore.results import parameter_names
from hermes_sim.kit.colours import GREY, VERMILLION
from hermes_sim.kit.figures import Figure, axis, layout, safe
from hermes_sim.kit.markup import PageSection
from hermes_sim.kit.page import html_page
from hermes_sim.kit.words import unit_of

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
    figures = {"All designs": parallel_coordinates(study, frame), "Two objectives": scatter(study, frame)}
    sections = [PageSection(figure.name, title, figure.html()) for title, figure in figures.items()]
    write_text(path, html_page(study.title, study.about, sections, version=__version__))


def parallel_coordinates(study: Study, frame: pd.DataFrame) -> Figure:
    """One line per design over all parameters and objectives, coloured by the first objective."""
    objectives = list(study.file.objectives)
    dimensions = [_dimension(frame, name) for name in [*parameter_names(study.file, frame), *objectives]]
    color = frame[objectives[0]].to_numpy(dtype=np.float64)
    if (color > 0).all():
        color = np.log10(color)
    line = {"color": color.tolist(), "colorscale": "Viridis", "showscale": False}
    trace = {"type": "parcoords", "dimensions": dimensions, "line": line, "labelangle": -12}
    note = f"Drag along an axis to keep a range, drag its name to move it. Colour: {title_of(objectives[0])}."
    margin = {"l": 90, "r": 120, "t": 120, "b": 40}
    return Figure("parallel", "Every design as a line", note, [trace], layout(520, margin=margin))


def scatter(study: Study, frame: pd.DataFrame) -> Figure:
    """The first two objectives against each other, the Pareto front marked."""
    objectives = list(study.file.objectives)
    x, y = objectives[0], objectives[1] if len(objectives) > 1 else "area_mm2"
    names = parameter_names(study.file, frame)
    texts = [
        "<br>".join(safe(f"{short(n)} = {level(row[n])}") for n in names) or "the only design"
        for row in frame.to_dict("records")
    ]
    scales = {name: _scale(frame, name) for name in (x, y)}
    on_front = frame["key"].isin(set(study.front()["key"]))
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label,
            "x": (frame.loc[mask, x] * scales[x][0]).tolist(),
            "y": (frame.loc[mask, y] * scales[y][0]).tolist(),
            "text": [text for text, keep in zip(texts, mask, strict=True) if keep],
            "marker": {"color": color, "size": 8},
        }
        for label, mask, color in (("other designs", ~on_front, GREY), ("Pareto front", on_front, VERMILLION))
    ]
    axes = {"xaxis": axis(safe(_axis_title(x, scales[x][1]))), "yaxis": axis(safe(_axis_title(y, scales[y][1])))}
    caption = f"{title_of(y)} over {title_of(x)}".capitalize()
    return Figure("scatter", caption, "Point at a design for its parameters.", traces, layout(560, **axes))


def _scale(frame: pd.DataFrame, name: str) -> tuple[float, str]:
    """Factor and unit in which the middle one of the values is a number from 1 to 1000."""
    return unit_of(name).scale(float(frame[name].abs().median()))


def _axis_title(name: str, unit: str) -> str:
    return f"{title_of(name)} ({unit})" if unit else title_of(name)


def _dimension(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    values = frame[name]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        factor, unit = _scale(frame, name)
        numbers = (values.to_numpy(dtype=np.float64) * factor).tolist()
        dimension = {"label": _axis_title(name, unit), "values": numbers}
        few = sorted(set(numbers))
        return dimension | ({"tickvals": few, "ticktext": [f"{n:g}" for n in few]} if len(few) <= _MAX_TICKS else {})
    texts = [level(value) for value in values]
    names = list(dict.fromkeys(texts))
    return {
        "label": title_of(name),
        "values": [names.index(text) for text in texts],
        "tickvals": list(range(len(names))),
        "ticktext": names,
    }
