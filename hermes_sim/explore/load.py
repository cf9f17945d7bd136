"""Study file -> checked study and its space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.changes import sort_changes
from hermes_sim.config.files import YamlDocument, read_yaml
from hermes_sim.config.validate import validate
from hermes_sim.errors import nearest
from hermes_sim.explore.columns import RESULTS, SCHEMA
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.expressions import parse
from hermes_sim.explore.fields import ARCH, WORKLOAD, BaseFields
from hermes_sim.explore.schema import StudyFile
from hermes_sim.explore.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_space(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Space:
    """Space of a study file.

    Parameters
    ----------
    overrides : see `Study`

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
    document = read_yaml(path, error=StudyError)
    if overrides:
        _fix(document, overrides)
    return space_of(document)


def _fix(document: YamlDocument, overrides: Mapping[str, Any]) -> None:
    """Another base chip or workload, parameters of one value for the fields that `overrides` sets, no conclusion.

    Raises
    ------
    StudyError
        a field that the study itself sets
    """
    bases = {name: value for name, value in overrides.items() if name in {ARCH, WORKLOAD}}
    for name, value in bases.items():
        if name in document.data.get("parameters", {}):
            raise StudyError(f"--set {name}", got="a parameter of the study", allowed="another field")
        document.data[name] = value
        document.places[name] = f"--set {name}={value}"
    document.data.pop("conclusion", None)  # words about the study as it is written
    study = validate(StudyFile, document, StudyError)
    base = BaseFields(document.path.parent)
    overrides = {path: value for path, value in overrides.items() if path not in bases}
    files = base.file(ARCH, study.arch), base.file(WORKLOAD, study.workload)
    fields = sort_changes(overrides, *files, said="--set", besides=(ARCH, WORKLOAD))
    levels = (fields for one in study.parameters.values() for each in (one.levels or {}).values() for fields in each)
    taken = {*study.parameters, *study.linked, *levels}
    for kind, changes in zip((ARCH, WORKLOAD), fields, strict=True):
        for path, value in changes.items():
            name = f"{kind}.{path}"
            if name in taken:
                raise StudyError(f"--set {path}", got="a field that the study sets itself", allowed="another field")
            document.data["parameters"][name] = [value]
            document.places[f"parameters.{name}"] = f"--set {path}={value}"


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
