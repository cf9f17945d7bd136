"""A study's folder: all points as CSV, its plots, its answers, and one page that shows them."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING

from pandas.api.types import is_numeric_dtype

from hermes_sim._version import __version__
from hermes_sim.config.files import Changed, write_text, written_whole
from hermes_sim.errors import OutputError
from hermes_sim.explore.charts import draw
from hermes_sim.explore.findings import cell_of, head_of, level, short, title_of
from hermes_sim.explore.results import parameter_names
from hermes_sim.kit.markup import Markdown
from hermes_sim.kit.page import Chapter, Command, Picture, html_page, markdown_page
from hermes_sim.kit.tables import Column, Table, number

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hermes_sim.explore.study import Study

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
    pictures = _pictures(study)
    for picture in pictures:
        write_text(folder / picture.file, picture.svg)
    about, chapters = _about(study), _chapters(study, pictures, folder)
    write_text(folder / "report.md", markdown_page(study.title, [Chapter("", about), *chapters]))
    sections = [chapter.section() for chapter in chapters]
    write_text(folder / "report.html", html_page(study.title, about, sections, version=__version__))


def _pictures(study: Study) -> list[Picture]:
    usable = study.feasible() if study.space.after else study.frame()
    drawn = [(i, plot.title, draw(plot, usable)) for i, plot in enumerate(study.file.plots, start=1)]
    return [Picture(title, f"plot{i}.svg", svg) for i, title, svg in drawn if svg is not None]


def _about(study: Study) -> list[str]:
    frame = study.frame()
    done, failed = (int((frame["status"] == status).sum()) for status in ("done", "failed"))
    counts = f"{len(frame):,} design points, {done:,} with results, {failed:,} failed; hermes_sim {__version__}."
    return [*map(Markdown, study.about), counts]


def _chapters(study: Study, pictures: list[Picture], folder: Path) -> list[Chapter]:
    """What both pages show after the description."""
    conclusion = [Markdown(part) for part in study.file.conclusion.split("\n\n") if part.strip()]
    chapters = [
        Chapter("Conclusion", conclusion),
        Chapter("Plots", pictures),
        Chapter("Answers", [table for table in tables_of(study) if table.rows]),
    ]
    made_by = Chapter("Made by", [*_command(study, folder), Markdown("All points are in `points.csv`.")])
    return [*(chapter for chapter in chapters if chapter.parts), made_by]


def _command(study: Study, folder: Path) -> list[Command]:
    """What makes the folder again; a study defined in Python has no command."""
    if study.source is None:
        return []
    source, options = shlex.quote(study.source), Changed(study.source, study.changes).options
    return [Command(f"hermes-sim sweep {source}{options} --store STORE --out {shlex.quote(str(folder))}")]


def tables_of(study: Study) -> list[Table]:
    """Answers to the questions of the study, its front, and what its parameters matter; none without results."""
    if study.feasible().empty:
        return []
    return [*answer_tables(study), front_table(study), effect_table(study)]


def front_table(study: Study) -> Table:
    """The Pareto front."""
    front, objectives = study.front(), list(study.file.objectives)
    names = [name for name in study.file.parameters if name in front]
    kept = front.head(_MAX_FRONT)
    goals = ", ".join(f"{goal} {title_of(name)}" for name, goal in study.file.objectives.items())
    cut = f", the first {_MAX_FRONT} of {len(front)}" if len(front) > len(kept) else ""
    columns = [
        *(Column(short(name), level) for name in names),
        *(number(head_of(name), partial(cell_of, name)) for name in objectives),
    ]
    return Table(
        "front", f"Pareto front ({goals}){cut}", columns, kept[[*names, *objectives]].astype(object).to_numpy().tolist()
    )


def effect_table(study: Study) -> Table:
    """Main effects and strongest interactions on every objective."""
    objectives = list(study.file.objectives)
    names = parameter_names(study.file, study.feasible())
    shares: dict[str, dict[str, float]] = {}
    for column in objectives:
        for row in study.effects(column).to_dict("records"):
            shares.setdefault(short(row["parameter"]), {})[column] = row["share"]
        if len(names) > 1:
            for row in study.interactions(column).head(3).to_dict("records"):
                shares.setdefault(f"{short(row['parameter'])} with {short(row['with'])}", {})[column] = row["share"]
    columns = [Column("parameter"), *(number(title_of(column), "{:.1%}".format) for column in objectives)]
    rows = [[name, *(of.get(column) for column in objectives)] for name, of in shares.items()]
    return Table("effects", "Share of the variation that a parameter explains", columns, rows)


def answer_tables(study: Study) -> list[Table]:
    """Questions of the study with their answers."""
    return [_answer_table(f"answer-{i}", question, rows) for i, (question, rows) in enumerate(study.answers())]


def _answer_table(name: str, question: str, frame: pd.DataFrame) -> Table:
    columns = [
        Column(head_of(str(column)), partial(cell_of, str(column)), is_number=is_numeric_dtype(frame[column]))
        for column in frame
    ]
    return Table(name, question, columns, frame.astype(object).to_numpy().tolist())
