"""A study from Python: what it varies, running it, and its results as data frames."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from hermes_sim.config.files import YamlDocument, read_yaml, setting, written_whole
from hermes_sim.explore.effects import interactions, main_effects
from hermes_sim.explore.errors import StoreError, StudyError
from hermes_sim.explore.executors import executor_for
from hermes_sim.explore.fields import ARCH, WORKLOAD
from hermes_sim.explore.findings import answer, best_row, describe, groups
from hermes_sim.explore.load import load_space, space_of
from hermes_sim.explore.pareto import front_of
from hermes_sim.explore.results import frame_of, parameter_names, select
from hermes_sim.explore.schema import Goal, StudyFile
from hermes_sim.explore.store import Store
from hermes_sim.explore.sweep import Progress, run_tasks
from hermes_sim.fingerprint import code_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.explore.space import Space


class Study:
    """An architecture study and the store of its results.

    Parameters
    ----------
    source : path of a study file, or of a folder with a ``study.yaml``; see also `Study.define`
    store : folder of results; made when the study is run
    overrides : dotted path -> value of a field of the base chip or workload, in all points of a study file; with
        ``arch.`` or ``workload.`` before the path where both have the field

    Raises
    ------
    StudyError
        naming file, line, field, what was given and what is allowed

    Examples
    --------
    >>> study = Study("reports/study_ldpu_lanes", store="out/lanes")
    >>> frame = study.run(workers=2)
    >>> study.front()
    """

    def __init__(
        self, source: Space | str | Path, *, store: str | Path, overrides: Mapping[str, Any] | None = None
    ) -> None:
        self.space = load_space(source, overrides) if isinstance(source, (str, Path)) else source
        self.source: str | None = str(source) if isinstance(source, (str, Path)) else None
        self.changes = dict(overrides or {})
        self.folder = Path(store)
        self.progress = Progress()

    @classmethod
    def define(cls, *, store: str | Path, **fields: Any) -> Study:
        """Study given as keyword arguments, named as the fields of a study file.

        Raises
        ------
        StudyError
            naming the field, what was given and what is allowed
        """
        defaults = {"schema_version": 1, "name": "study", "description": ""}
        return cls(space_of(YamlDocument(Path("study"), {**defaults, **fields})), store=store)

    @classmethod
    def from_store(cls, store: str | Path, name: str | None = None) -> Study:
        """Study that was run with a store.

        Raises
        ------
        StoreError
            no store there, or several studies in it and no `name`
        """
        folder = Path(store) / "studies"
        names = sorted(path.stem for path in folder.glob("*.json"))
        if not names:
            raise StoreError(str(store), got="no study", allowed="the folder of an earlier `hermes-sim sweep`")
        if name is None and len(names) > 1:
            raise StoreError(str(store), got=f"{len(names)} studies", allowed=f"--study, one of {', '.join(names)}")
        chosen = names[0] if name is None else name
        if chosen not in names:
            raise StoreError(str(store), got=f"no study {chosen!r}", allowed=", ".join(names))
        saved = read_yaml(folder / f"{chosen}.json", error=StoreError).data
        document = YamlDocument(Path(saved["folder"]) / "study.yaml", saved["study"])
        study = cls(space_of(document), store=store)
        study.source, study.changes = saved.get("source"), saved.get("changes", {})
        return study

    @property
    def file(self) -> StudyFile:
        """What the study says."""
        return self.space.study

    @property
    def title(self) -> str:
        """Name of the study, and what `overrides` changed in it."""
        return f"{self.file.name} with {self._changed}" if self.changes else self.file.name

    @property
    def about(self) -> list[str]:
        """Paragraphs: description of the study, what is changed in it, the chips and workloads that it is about."""
        files = self.space.files()
        parts = [self.file.description.strip()]
        if self.changes:
            parts.append(f"So far the study as it is written; changed here: {self._changed}.")
        parts.append(f"Chip: {', '.join(files[ARCH])}. Workload: {', '.join(files[WORKLOAD])}.")
        return [*filter(None, parts)]

    @property
    def _changed(self) -> str:
        return ", ".join(setting(path, value) for path, value in self.changes.items())

    def run(
        self,
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        retry_failed: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> pd.DataFrame:
        """Run every point that the store does not have, and return all of them.

        Parameters
        ----------
        workers : processes on this machine, 0 for this process alone; default one per CPU
        scheduler : address of a Dask scheduler that runs the points instead
        retry_failed : run points again that failed before

        Raises
        ------
        StudyError
            the scheduler cannot be reached
        StoreError
            the store cannot be written, a full disk for example
        """
        executor = executor_for(workers, scheduler)
        with Store(self.folder) as store:
            self._save()
            if self.file.search is None:
                tasks = self.space.grid()
                self.progress = run_tasks(
                    tasks,
                    store=store,
                    executor=executor,
                    study=self.file.name,
                    retry_failed=retry_failed,
                    progress=progress,
                )
            else:
                from hermes_sim.explore.search import run_search  # noqa: PLC0415 - an optional extra

                self.progress = run_search(self.space, store=store, executor=executor, progress=progress)
        return self.frame()

    def _save(self) -> None:
        """Keep the study beside its results, for `resume` and `show`."""
        content = {
            "folder": str(self.space.base.folder.absolute()),
            "source": self.source,
            "changes": self.changes,
            "study": self.file.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        }
        with written_whole(self.folder / "studies" / f"{self.file.name}.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def frame(self) -> pd.DataFrame:
        """All points that the store has of this study, one row each, parameters first.

        A point is the study's own if its parameters can have those values: points of other studies, or of this one
        before its levels were changed, are left out; one that another study has run counts, for it is the same design.
        Where chip and workload files have changed since, the points are those of the files as they were. All are of
        one code: of the installed one, or if there are none the latest; see `other_code`.
        """
        table = Store(self.folder, write=False).table()
        own = [json.loads(text) if text else {} for text in table["parameters"].to_pylist()]
        tasks = self.space.grid() if self.file.search is None else filter(None, map(self.space.own, own))
        points = [(task.key, task.point.names) for task in tasks]
        if not {key for key, _ in points}.isdisjoint(table["key"].to_pylist()):
            return frame_of(table, points=points)
        codes = {row: code for row, code in self._codes(table).items() if self.space.own(own[row]) is not None}
        chosen = code_fingerprint() if code_fingerprint() in codes.values() else next(reversed(codes.values()), None)
        mine = [row for row, code in codes.items() if code == chosen]
        return frame_of(table.take(pa.array(mine, type=pa.int64())))

    def _codes(self, table: pa.Table) -> dict[int, str | None]:
        """Row -> fingerprint of its code, of the rows that this study made."""
        names, codes = table["study"].to_pylist(), table["code"].to_pylist()
        return {i: code for i, (name, code) in enumerate(zip(names, codes, strict=True)) if name == self.file.name}

    def other_code(self) -> dict[str, int]:
        """Fingerprint of other code -> points of this study that the store has of it; they are run again."""
        codes = [code or "unknown" for code in self._codes(Store(self.folder, write=False).table()).values()]
        return {code: n for code, n in Counter(codes).items() if code != code_fingerprint()}

    def feasible(self) -> pd.DataFrame:
        """Finished points that fulfil the constraints of the study."""
        return select(self.frame(), *(rule.text for rule in self.space.after))

    def front(self) -> pd.DataFrame:
        """Pareto front of the objectives among the feasible points, one for each combination of the scenarios."""
        return front_of(self.feasible(), self.file.objectives, within=self.file.scenarios)

    def effects(self, column: str | None = None) -> pd.DataFrame:
        """Main effects of the parameters on a column, by default on the first objective, scenario by scenario."""
        frame, names = self._choices()
        return main_effects(frame, names, column or self._first, within=self.file.scenarios)

    def interactions(self, column: str | None = None) -> pd.DataFrame:
        """Pairs of parameters that act together on a column."""
        frame, names = self._choices()
        return interactions(frame, names, column or self._first, within=self.file.scenarios)

    def _choices(self) -> tuple[pd.DataFrame, list[str]]:
        """Finished points, and the parameters that are the architect's to choose."""
        frame = select(self.frame())
        names = [name for name in parameter_names(self.file, frame) if name not in self.file.scenarios]
        return frame, names

    @property
    def _first(self) -> str:
        return next(iter(self.file.objectives))

    def best_by_scenario(self, column: str | None = None, *, where: str | None = None) -> pd.DataFrame:
        """Best feasible point of an objective in each combination of the scenarios."""
        column = column or self._first
        goal = self.file.objectives.get(column, Goal.MINIMIZE)
        rows = [best_row(part, column, goal) for _, part in groups(select(self.feasible(), where), self.file.scenarios)]
        return pd.DataFrame([row for row in rows if row is not None])

    def in_words(self, row: pd.Series, column: str | None = None) -> str:
        """A point as a sentence: its parameters and what it reaches, one column, the objectives, area and power."""
        columns = dict.fromkeys([column or self._first, *self.file.objectives, "area_mm2", "power_w"])
        return describe(row, parameter_names(self.file, self.frame()), [c for c in columns if c in row])

    def best(self, column: str | None = None, *, where: str | None = None) -> pd.Series:
        """Best feasible point of an objective (or any result column, then the smallest), whatever the scenario.

        Raises
        ------
        StudyError
            no point fulfils the conditions
        """
        column = column or self._first
        row = best_row(select(self.feasible(), where), column, self.file.objectives.get(column, Goal.MINIMIZE))
        if row is None:
            raise StudyError(self.file.name, got="no point that fulfils all conditions", allowed="weaker conditions")
        return row

    def best_in_words(self, column: str | None = None, *, where: str | None = None) -> str:
        """Best feasible point as a sentence."""
        return self.in_words(self.best(column, where=where), column)

    def answers(self) -> list[tuple[str, pd.DataFrame]]:
        """Questions of the study file and the tables that answer them."""
        frame = self.frame()
        rules = [rule.text for rule in self.space.after]
        usable = select(frame, *rules)
        return [(f.question, answer(f, usable, parameter_names(self.file, frame))) for f in self.file.findings]
