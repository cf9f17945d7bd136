"""A study's folder: all points as CSV, its plots, its answers, and one page that shows them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from hermes_sim._version import __version__
from hermes_sim.config.files import written_whole
from hermes_sim.errors import OutputError
from hermes_sim.explore.charts import draw
from hermes_sim.explore.findings import level, short
from hermes_sim.explore.results import parameter_names
from hermes_sim.explore.units import format_value, title_of, unit_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hermes_sim.explore.study import Study

Cells = tuple[list[str], list[list[str]]]
_MAX_FRONT = 20
_DROPPED = ("key", "study", "inputs", "created_utc", "duration_s", "energy_pj_by_component", "error", "status", "code")


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of its name.

    Raises
    ------
    OutputError
        another ending, or a place that cannot be written
    """
    if path.suffix not in {".csv", ".parquet"}:
        raise OutputError(str(path), got=f"the ending {path.suffix!r}", allowed=".csv or .parquet")
    with written_whole(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False, float_format="%.10g")
        else:
            frame.to_parquet(temporary, index=False)


def write_study(study: Study, folder: Path) -> None:
    """Write ``points.csv``, one SVG per plot, ``report.md`` and ``report.html``."""
    frame = study.frame()
    columns = [name for name in frame if name not in _DROPPED and not frame[name].isna().all()]
    write_frame(frame[columns], folder / "points.csv")
    pictures = []
    usable = study.feasible() if study.space.after else frame
    for i, plot in enumerate(study.file.plots, start=1):
        svg = draw(plot, usable)
        if svg is not None:
            name = f"plot{i}.svg"
            _write_text(folder / name, svg)
            pictures.append((plot.title, name, svg))
    _write_text(folder / "report.md", _markdown(study, pictures))
    _write_text(folder / "report.html", _page(study, pictures))


def _write_text(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def front_cells(study: Study) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows of the Pareto front."""
    front, objectives = study.front(), list(study.file.objectives)
    names = [name for name in study.file.parameters if name in front]
    shown = front.head(_MAX_FRONT)
    rows = [
        [*(level(row[name]) for name in names), *(format_value(column, row[column]) for column in objectives)]
        for row in shown.to_dict("records")
    ]
    goals = ", ".join(f"{goal} {title_of(name)}" for name, goal in study.file.objectives.items())
    cut = f", the first {_MAX_FRONT} of {len(front)}" if len(front) > len(shown) else ""
    return f"Pareto front ({goals}){cut}", [short(name) for name in names] + [title_of(n) for n in objectives], rows


def effect_cells(study: Study) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows of main effects and strongest interactions on every objective."""
    objectives = list(study.file.objectives)
    names = parameter_names(study.file, study.feasible())
    shares: dict[str, dict[str, float]] = {}
    for column in objectives:
        for row in study.effects(column).to_dict("records"):
            shares.setdefault(short(row["parameter"]), {})[column] = row["share"]
        if len(names) > 1:
            for row in study.interactions(column).head(3).to_dict("records"):
                shares.setdefault(f"{short(row['parameter'])} with {short(row['with'])}", {})[column] = row["share"]
    rows = [
        [name, *(f"{of[column]:.1%}" if column in of else "-" for column in objectives)] for name, of in shares.items()
    ]
    return "Share of the variation that a parameter explains", ["parameter", *map(title_of, objectives)], rows


def finding_cells(study: Study) -> list[tuple[str, Cells]]:
    """Questions of the study with columns and rows of their answers."""
    return [(question, frame_cells(rows)) for question, rows in study.answers()]


def frame_cells(frame: pd.DataFrame) -> Cells:
    """Data frame as texts, values with their units."""
    columns = [short(title_of(str(name))) if unit_of(str(name))[1] else short(str(name)) for name in frame]
    return columns, [[_cell(str(name), value) for name, value in row.items()] for row in frame.to_dict("records")]


def _cell(name: str, value: Any) -> str:
    column = name.removeprefix("best ")
    return format_value(column, value) if unit_of(column)[1] else level(value)


def _command(study: Study) -> str:
    return f"hermes-sim sweep reports/{study.file.name}/study.yaml --store STORE --out reports/{study.file.name}"


def _summary(study: Study) -> str:
    frame = study.frame()
    done = int((frame["status"] == "done").sum())
    failed = int((frame["status"] == "failed").sum())
    return f"{len(frame):,} design points, {done:,} with results, {failed:,} failed; hermes_sim {__version__}."


def _tables(study: Study) -> list[tuple[str, Cells]]:
    if study.feasible().empty:
        return []
    tables = finding_cells(study)
    for title, columns, rows in (front_cells(study), effect_cells(study)):
        tables.append((title, (columns, rows)))
    return [(title, cells) for title, cells in tables if cells[1]]


def _markdown(study: Study, pictures: list[tuple[str, str, str]]) -> str:
    parts = [f"# {study.file.name}", study.file.description.strip(), _summary(study)]
    if study.file.conclusion:
        parts += ["## Conclusion", study.file.conclusion.strip()]
    parts += [f"![{title}]({name})" for title, name, _ in pictures]
    for title, (columns, rows) in _tables(study):
        lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *(f"| {' | '.join(r)} |" for r in rows)]
        parts += [f"### {title}", "\n".join(lines)]
    parts += [f"All points: [points.csv](points.csv). Made by `{_command(study)}`."]
    return "\n\n".join(parts) + "\n"


_STYLE = """
body { font: 15px/1.5 Helvetica, Arial, sans-serif; max-width: 1160px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: .5em 0 1.5em; font-size: 13px }
td, th { padding: 3px 10px; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto; display: block; margin: 1em 0 }
code { background: #f4f4f4; padding: 2px 4px }
"""


def _page(study: Study, pictures: list[tuple[str, str, str]]) -> str:
    parts = [f"<h1>{escape(study.file.name)}</h1>", _paragraphs(study.file.description), f"<p>{_summary(study)}</p>"]
    if study.file.conclusion:
        parts += ["<h2>Conclusion</h2>", _paragraphs(study.file.conclusion)]
    parts += [svg for _, _, svg in pictures]
    for title, (columns, rows) in _tables(study):
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        parts.append(f"<h3>{escape(title)}</h3><table><tr>{head}</tr>{body}</table>")
    parts.append(f"<p>Made by <code>{escape(_command(study))}</code>.</p>")
    title = escape(study.file.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body>{''.join(parts)}</body></html>\n"
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())
