"""`hermes-sim sweep STUDY.yaml --store DIR`, and what can be asked of a store afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from hermes_sim.cli.console import console, error_console, print_json, print_table, table
from hermes_sim.cli.options import Json, Set
from hermes_sim.cli.overrides import parse_overrides

if TYPE_CHECKING:
    import pandas as pd

    from hermes_sim.cli.documents.studies import StudyDocument
    from hermes_sim.explore.study import Study
    from hermes_sim.explore.sweep import Progress as Counts


class _RunByDefault(TyperGroup):
    """`sweep STUDY.yaml ...` means `sweep run STUDY.yaml ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


sweep_app = typer.Typer(
    cls=_RunByDefault,
    help="Architecture studies: `sweep STUDY.yaml --store DIR` runs one; the other commands ask its results.",
    no_args_is_help=True,
)

StoreArgument = Annotated[Path, typer.Argument(help="Folder of results, the --store of an earlier run.")]
StudyName = Annotated[str | None, typer.Option("--study", help="Which study, where the store has several.")]
Workers = Annotated[
    int | None, typer.Option(min=0, max=4096, help="Processes; 0: this process alone. Default: one per CPU.")
]
Scheduler = Annotated[str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://host:8786.")]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Run points again that failed before.")]
Out = Annotated[Path | None, typer.Option(help="Write tables, plots and conclusions into this folder.")]


@sweep_app.command()
def run(
    study: Annotated[Path, typer.Argument(help="Study file, or a folder with a study.yaml.")],
    store: Annotated[Path, typer.Option(help="Folder of results; points it has are not run again.")],
    workers: Workers = None,
    scheduler: Scheduler = None,
    retry_failed: Retry = False,
    out: Out = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Run every point of a study that the store does not have yet."""
    _start_early(workers, scheduler)
    from hermes_sim.explore.study import Study

    chosen = Study(study, store=store, overrides=parse_overrides(set_))
    _run(chosen, workers=workers, scheduler=scheduler, retry_failed=retry_failed, out=out, json_=json_)


@sweep_app.command()
def resume(
    store: StoreArgument,
    study: StudyName = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    retry_failed: Retry = False,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Go on with the study of a store, after Ctrl-C or a crash."""
    _start_early(workers, scheduler)
    from hermes_sim.explore.study import Study

    chosen = Study.from_store(store, study)
    _run(chosen, workers=workers, scheduler=scheduler, retry_failed=retry_failed, out=out, json_=json_)


def _start_early(workers: int | None, scheduler: str | None) -> None:
    """Let the server of workers load the package while this process loads its own part."""
    if workers != 0 and scheduler is None:
        from hermes_sim.explore.server import start_server

        start_server()


def _run(
    study: Study, *, workers: int | None, scheduler: str | None, retry_failed: bool, out: Path | None, json_: bool
) -> None:
    from hermes_sim.explore.report import write_study

    try:
        with _points_bar(study) as progress:
            study.run(workers=workers, scheduler=scheduler, retry_failed=retry_failed, progress=progress)
    except KeyboardInterrupt:
        error_console.print(
            f"interrupted: all finished points are kept; go on with `hermes-sim sweep resume {study.folder}`",
            style="red", highlight=False, soft_wrap=True,
        )  # fmt: skip
        raise typer.Exit(130) from None
    counts = study.progress
    if out is not None:
        write_study(study, out)
    if json_:
        from hermes_sim.cli.documents.studies import SweepDocument

        told = {"study": study.file.name, "changes": study.changes, "store": str(study.folder)}
        print_json(SweepDocument.model_validate({**told, **counts.document(), "other_code": study.other_code()}))
    else:
        _print_counts(study, counts)
        _print_study(study)
        if out is not None:
            console.print(f"Report: {out / 'report.html'}", soft_wrap=True, highlight=False)
    if counts.points and not len(study.feasible()):
        error_console.print("no point of the study has a result that fulfils its constraints", style="red")
        raise typer.Exit(1)


@sweep_app.command()
def show(
    store: StoreArgument,
    study: StudyName = None,
    csv: Annotated[Path | None, typer.Option(help="Write all points there as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write all points there as Parquet.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with parallel coordinates and a scatter.")] = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Pareto front, effects of the parameters, answers, failures."""
    from hermes_sim.explore.report import write_frame, write_study
    from hermes_sim.explore.study import Study

    chosen = Study.from_store(store, study)
    for path in (csv, parquet):
        if path is not None:
            write_frame(chosen.frame(), path)
    if html is not None:
        from hermes_sim.explore.interactive import write_interactive

        write_interactive(chosen, html)
    if out is not None:
        write_study(chosen, out)
    if json_:
        print_json(study_document(chosen))
    else:
        _print_study(chosen)


@sweep_app.command()
def best(
    store: StoreArgument,
    objective: Annotated[str | None, typer.Option(help="Column to be best in; default the first objective.")] = None,
    where: Annotated[
        str | None, typer.Option(help="Condition on columns and parameters, e.g. 'area_mm2 <= 40'.")
    ] = None,
    study: StudyName = None,
    json_: Json = False,
) -> None:
    """Best design under constraints, in words."""
    from hermes_sim.explore.columns import RESULTS
    from hermes_sim.explore.errors import StudyError
    from hermes_sim.explore.study import Study

    chosen = Study.from_store(store, study)
    if objective is not None and objective not in RESULTS:
        raise StudyError("--objective", got=repr(objective), allowed=", ".join(RESULTS))
    row = chosen.best(objective, where=where)
    scenarios = chosen.best_by_scenario(objective, where=where) if chosen.file.scenarios else None
    if json_:
        from hermes_sim.cli.documents.studies import BestDocument

        document = {"best": _plain_row(row), "words": chosen.in_words(row, objective)}
        more = {} if scenarios is None else {"scenarios": _rows(scenarios)}
        print_json(BestDocument.model_validate({**document, **more}))
        return
    console.print(f"Best {objective or next(iter(chosen.file.objectives))}:", style="bold")
    for one in [row] if scenarios is None else [one for _, one in scenarios.iterrows()]:
        console.print(chosen.in_words(one, objective), highlight=False, markup=False)


@sweep_app.command()
def compare(
    store: StoreArgument,
    other: Annotated[Path, typer.Argument(help="Another folder of results.")],
    study: StudyName = None,
    json_: Json = False,
) -> None:
    """The same designs in two stores, and what each reaches at best."""
    from hermes_sim.explore.compare import compare_studies
    from hermes_sim.explore.study import Study

    rows = compare_studies(Study.from_store(store, study), Study.from_store(other, study))
    if json_:
        from hermes_sim.cli.documents.studies import StoresDocument

        print_json(StoresDocument(stores=(str(store), str(other)), objectives=rows))
        return
    cells = [
        [str(row["objective"]), *("-" if row[name] is None else str(row[name]) for name in _COMPARED)] for row in rows
    ]
    columns = ("objective", *(name.replace("_", " ") for name in _COMPARED))
    console.print(table(f"{store} and {other}", columns, cells))


_COMPARED = ("common_points", "best_of_one", "best_of_other", "ratio_of_best", "median_ratio", "largest_change")


@contextmanager
def _points_bar(study: Study) -> Iterator[Callable[[Counts], None]]:
    """Bar of points with the time left, on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    total = study.space.n_grid if study.file.search is None else study.file.search.trials
    with Progress(*columns, console=error_console, transient=True) as bar:
        task = bar.add_task(study.file.name, total=total, rate="")

        def update(counts: Counts) -> None:
            failed = f", {counts.failed} failed" if counts.failed else ""
            bar.update(task, completed=counts.finished, rate=f"{counts.points_per_min:,.0f}/min{failed}")

        yield update


def _print_counts(study: Study, counts: Counts) -> None:
    console.print(
        f"{study.title}: {counts.points:,} points, {counts.done:,} run, {counts.skipped:,} there already, "
        f"{counts.failed:,} failed, {counts.pruned:,} pruned; {counts.points_per_min:,.0f} points a minute",
        highlight=False,
    )
    for failure in counts.failures[:5]:
        console.print(f"failed {failure['parameters']}: {failure['error']}", style="red", highlight=False, markup=False)
    if len(counts.failures) > 5:
        console.print(f"... and {counts.failed - 5:,} more, see `hermes-sim sweep show {study.folder} --csv FILE`")


def _print_study(study: Study) -> None:
    from hermes_sim.explore.report import answer_tables, effect_table, front_table

    frame = study.frame()
    _print_other_code(study, frame)
    if not len(study.feasible()):
        return
    effects = [effect_table(study)] if len(frame) > 2 else []
    for one in (front_table(study), *effects, *answer_tables(study)):
        print_table(one)


def _print_other_code(study: Study, frame: pd.DataFrame) -> None:
    """Say which points are of other code than the installed one."""
    from hermes_sim.fingerprint import code_fingerprint

    others = study.other_code()
    if not others:
        return
    listed = ", ".join(f"{n:,} of code {code}" for code, n in others.items())
    if set(frame["code"]) <= {code_fingerprint()}:
        text = f"The store has more points of this study, made with other code and left out here: {listed}."
    else:
        text = (
            f"Not made with the code installed, which is {code_fingerprint()}: {listed}; the latest are shown. "
            f"`hermes-sim sweep resume {study.folder}` runs them anew."
        )
    console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


def study_document(study: Study) -> StudyDocument:
    """Counts, front, effects, answers and failures of a study."""
    from hermes_sim.cli.documents.studies import StudyDocument

    frame = study.frame()
    counts = frame["status"].value_counts()
    failures = frame[frame["status"] == "failed"]
    return StudyDocument(
        study=study.file.name,
        changes=study.changes,
        points=len(frame),
        status={str(name): int(n) for name, n in counts.items()},
        other_code=study.other_code(),
        objectives={name: str(goal) for name, goal in study.file.objectives.items()},
        front=_rows(study.front()),
        effects=_rows(study.effects()) if len(study.feasible()) else [],
        findings=[{"question": question, "rows": _rows(rows)} for question, rows in study.answers()],
        failures=_rows(failures),
    )


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain_row(row) for _, row in frame.iterrows()]


def _plain_row(row: pd.Series) -> dict[str, Any]:
    """JSON-ready row without empty cells."""
    plain = {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}
    return {name: value for name, value in plain.items() if value is not None and value == value}  # noqa: PLR0124 - NaN
