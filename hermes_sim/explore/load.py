"""Study file -> checked study and its space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes_sim.arch.validation import validate
from hermes_sim.errors import nearest
from hermes_sim.explore.columns import RESULTS, SCHEMA
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.expressions import parse
from hermes_sim.explore.fields import BaseFields
from hermes_sim.explore.schema import StudyFile
from hermes_sim.explore.space import Space
from hermes_sim.files import YamlDocument, read_yaml


def load_space(path: str | Path) -> Space:
    """Space of a study file.

    Raises
    ------
    StudyError
        naming file, line, field, what was given and what is allowed
    """
    path = Path(path)
    if path.is_dir() and (path / "study.yaml").is_file():
        path /= "study.yaml"
    if not path.is_file():
        raise StudyError(str(path), got="no such file", allowed="the path of a study file")
    return space_of(read_yaml(path, error=StudyError))


def space_from(description: dict[str, Any]) -> Space:
    """Space of a study given as plain data."""
    return space_of(YamlDocument(Path("study"), description))


def space_of(document: YamlDocument) -> Space:
    """Check a study and all names in it.

    Raises
    ------
    StudyError
        for the first thing that is wrong
    """
    study = validate(StudyFile, document, StudyError)
    folder = document.path.parent
    space = Space(study, BaseFields(folder), document.place)
    _check_columns(study, document)
    if study.search is None:
        _ = space.n_grid
    return space


def _check_columns(study: StudyFile, document: YamlDocument) -> None:
    """Every column that objectives, plots and findings name must come out of a run or be a parameter."""
    known = {*SCHEMA.names, *study.parameters, *study.linked}
    for i, name in enumerate(study.scenarios):
        _check_column(name, set(study.parameters), document.place(f"scenarios.{i}"))
    for name in study.objectives:
        _check_column(name, set(RESULTS), document.place(f"objectives.{name}"))
    for i, plot in enumerate(study.plots):
        for role in ("x", "y", "by", "panel", "color"):
            if (name := getattr(plot, role)) is not None:
                _check_column(name, known, document.place(f"plots.{i}.{role}"))
        _check_where(plot.where, known, document.place(f"plots.{i}.where"))
    for i, finding in enumerate(study.findings):
        columns = [finding.column, finding.knob, *finding.by, *finding.show]
        for name in (column for column in columns if column is not None):
            _check_column(name, known, document.place(f"findings.{i}"))
        _check_where(finding.where, known, document.place(f"findings.{i}.where"))


def _check_column(name: str, known: set[str], where: str) -> None:
    if name not in known:
        allowed = ", ".join(sorted(known))
        raise StudyError(where, got=repr(name), allowed=allowed, hint=nearest(name, known))


def _check_where(text: str | None, known: set[str], where: str) -> None:
    for name in parse(text, where).names if text else ():
        _check_column(name, known, where)
