"""A whole comparison from one file: all rows with intervals, and the crossovers asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.baselines.evaluate import precisions_of
from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.comparison.changes import ChangedVerdict, read_changes
from hermes_sim.comparison.crossover import Crossover, check_axis, find_crossovers
from hermes_sim.comparison.schema import ComparisonFile
from hermes_sim.comparison.table import ComparisonRow, compare
from hermes_sim.config.files import YamlDocument, read_yaml
from hermes_sim.config.validate import validate
from hermes_sim.errors import ComparisonError, nearest
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hermes_sim.comparison.chips import ChipRow

FILE = "study.yaml"


@dataclass(frozen=True)
class Comparison:
    """The file, what came out, and verdicts that were others once."""

    file: ComparisonFile
    rows: tuple[ComparisonRow, ...]
    crossovers: tuple[Crossover, ...]
    changes: tuple[ChangedVerdict, ...] = ()
    chips: tuple[ChipRow, ...] = ()


def load_comparison(path: Path) -> ComparisonFile:
    """Check a comparison file, or the `study.yaml` of a folder, and every name in it before hours of work.

    Raises
    ------
    HermesSimError
        naming file, line, field, what was given and what is allowed
    """
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise ComparisonError(str(path), got="no such file", allowed=f"a comparison file, or a folder with a {FILE}")
    document = read_yaml(path, error=ComparisonError)
    file = validate(ComparisonFile, document, ComparisonError)
    for chip in file.chips:
        load_arch(chip)
    for work in file.workloads:
        load_workload(work.workload)
    for i, name in enumerate(file.baselines):
        _check_precision(file.precision, name, document, i)
    for line in file.crossovers:
        load_arch(line.chip)
        check_axis(line.workload, line.axis, line.low, line.high)
    return file


def changes_beside(path: Path, file: ComparisonFile) -> tuple[ChangedVerdict, ...]:
    """The table of changes that a comparison file names; none where it names none.

    Raises
    ------
    ComparisonError
        a table that cannot be used
    """
    folder = path if path.is_dir() else path.parent
    return tuple(read_changes(folder / file.changes)) if file.changes is not None else ()


def _check_precision(precision: str, name: str, document: YamlDocument, i: int) -> None:
    has = precisions_of(load_baseline(name))
    if precision not in has:
        allowed = f"a precision that every baseline has; {name} (baselines.{i}) has {', '.join(has)}"
        hint = nearest(precision, has)
        raise ComparisonError(document.place("precision"), got=repr(precision), allowed=allowed, hint=hint)


def run_comparison(file: ComparisonFile, *, progress: Callable[[str, float], None] | None = None) -> Comparison:
    """Simulate everything that a comparison file names."""
    rows: list[ComparisonRow] = []
    chips: list[ChipRow] = []
    parts = [(mapping, work) for work in file.workloads for mapping in file.mappings]
    for i, (mapping, work) in enumerate(parts):

        def inner(_: str, done: float, start: int = i) -> None:
            if progress:
                progress("chips, mappings and workloads", (start + done) / len(parts))

        one = compare(
            file.chips,
            [work.workload],
            file.baselines,
            inferences=work.inferences,
            mapping=mapping,
            precisions=[file.precision],
            samples=file.samples,
            seed=file.seed,
            progress=inner,
        )
        rows += one.rows
        chips += one.chips
    found = [
        crossover
        for line in file.crossovers
        for crossover in find_crossovers(
            line.chip, line.workload, file.baselines, axis=line.axis, low=line.low, high=line.high,
            precision=file.precision, mapping=line.mapping, seed=file.seed, progress=progress,
        )
    ]  # fmt: skip
    return Comparison(file, tuple(rows), tuple(found), chips=tuple(chips))
