"""Multi-objective search with Optuna: designs are asked for, run by the same executors, and told back.

A design that no result could make good enough is given up before it is simulated: its area is known from the chip,
and its time, energy and power have lower bounds (see `hermes_sim.explore.bounds`).

Design i is asked for when the results of the designs up to i - `in_flight`, and of no others, have been told, in the
order in which they were asked for, by a sampler seeded from the seed and i. So a seed gives the same search with any
number of workers, and a search that is extended goes on instead of asking for its first designs again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import HermesSimError
from hermes_sim.explore.bounds import optimistic_results
from hermes_sim.explore.errors import StoreError, StudyError
from hermes_sim.explore.pareto import costs_of
from hermes_sim.explore.point import new_record
from hermes_sim.explore.schema import Goal, Scale, SearchSampler
from hermes_sim.explore.sweep import Progress
from hermes_sim.fingerprint import code_fingerprint
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import optuna

    from hermes_sim.explore.executors import Executor
    from hermes_sim.explore.space import Space, Task
    from hermes_sim.explore.store import Store

_MAX_EMPTY_ASKS = 1000  # designs in a row that the constraints on inputs refuse
_MAX_FAILURES = 100


def run_search(
    space: Space, *, store: Store, executor: Executor, progress: Callable[[Progress], None] | None = None
) -> Progress:
    """Search until the study has as many trials as its file says; those of earlier runs count.

    Raises
    ------
    StudyError
        Optuna is missing, its storage cannot be used, or the constraints leave no design
    StoreError
        another process runs this search; the disk is full or broken; what is stored stays
    """
    return _Search(space, store, progress).run(executor)


@dataclass
class _Asked:
    """A design that was asked for, and what is to be told of it."""

    trial: optuna.Trial
    task: Task
    record: dict[str, Any] | None = None
    is_settled: bool = False


class _Search:
    """One run of a search: the Optuna study, what is in flight, and the best results so far."""

    def __init__(self, space: Space, store: Store, progress: Callable[[Progress], None] | None) -> None:
        self._space, self._store, self._tell = space, store, progress
        search = space.study.search
        assert search is not None
        self._search = search
        self._optuna: Any = _import_optuna()
        self._study = self._open_study()
        self._counts = Progress()
        self._asked: deque[_Asked] = deque()  # not told yet, in the order in which they were asked for
        self._started_s = time.monotonic()
        self._goals = space.study.objectives
        self._costs = np.empty((0, len(self._goals)))
        self._known = self._own_points()
        for record in self._known.values():
            self._note(record)

    def _own_points(self) -> dict[str, dict[str, Any]]:
        """Finished points of this space, by key, whichever study ran them.

        Others are no candidates, so nothing is pruned by them; what was pruned was so for the goals of its study.
        """
        found = {}
        for record in self._store.table().to_pylist():
            names = json.loads(record["parameters"]) if record["parameters"] else {}
            task = self._space.own(names) if record["status"] != "pruned" else None
            if task is not None and task.key == record["key"]:
                found[task.key] = {**record, "parameters": names}
        return found

    @cached_property
    def _identity(self) -> str:
        """Hash of all that makes trials comparable: with other files, fields or code a search starts from nothing."""
        study, search = self._space.study, self._search
        parts = {"arch", "workload", "mapping", "inferences", "seed", "accuracy", "parameters", "linked", "constraints"}
        content = {
            "study": study.model_dump(mode="json", include=parts | {"objectives"}),
            "search": [str(search.sampler), search.seed],
            "files": self._space.base.contents(),
            "code": code_fingerprint(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def _open_study(self) -> Any:
        optuna, search = self._optuna, self._search
        storage = search.storage or f"sqlite:///{self._store.folder.absolute() / 'search.db'}"
        try:
            return optuna.create_study(
                study_name=f"{self._space.study.name} {self._identity[:12]}",
                storage=storage,
                sampler=self._sampler(0),
                directions=[str(goal) for goal in self._space.study.objectives.values()],
                load_if_exists=True,
            )
        except ImportError as cause:
            raise StudyError("search.sampler", got=f"{search.sampler}: {cause}", allowed="its extra package") from None
        except Exception as cause:  # noqa: BLE001 - the storage layer raises errors of its own and of its database driver
            raise StudyError("search.storage", got=f"{storage}: {cause}", allowed="an Optuna storage URL") from None

    def _sampler(self, i: int) -> Any:
        """Sampler of design i. All that it knows of the designs before is in the trials, so a new one is no loss."""
        samplers, seed = self._optuna.samplers, child_key(self._search.seed, "search", i) % 2**32
        makers: dict[SearchSampler, Callable[[], Any]] = {
            SearchSampler.NSGA2: lambda: samplers.NSGAIISampler(seed=seed),
            SearchSampler.TPE: lambda: samplers.TPESampler(seed=seed, multivariate=True),
            SearchSampler.GP: lambda: samplers.GPSampler(seed=seed),
            SearchSampler.RANDOM: lambda: samplers.RandomSampler(seed=seed),
        }
        return makers[self._search.sampler]()

    def run(self, executor: Executor) -> Progress:
        if not self._store.claim(self._identity):
            allowed = "one at a time; --workers or --scheduler make it faster"
            raise StoreError(str(self._store.folder), got="another process runs this search", allowed=allowed)
        self._settle_interrupted()
        for task, record in executor.run(self._tasks(), study=self._space.study.name):
            self._store.append(record)
            self._store.release(task.key)
            asked = next(one for one in self._asked if one.task.key == task.key)
            asked.record, asked.is_settled = record, True
            self._count(record)
        while self._asked:
            self._tell_first()
        self._report()
        return self._counts

    def _settle_interrupted(self) -> None:
        """Tell the results of designs that an earlier process asked for; those it did not finish have none."""
        for trial in self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,)):
            task = None
            if set(trial.params) == set(self._space.study.parameters):
                task = self._space.task({name: self._choices(name).get(v, v) for name, v in trial.params.items()})
            live = self._optuna.trial.Trial(self._study, trial._trial_id)  # noqa: SLF001 - no public way to it
            self._finish(live, self._known.get(task.key) if task else None)

    def _tasks(self) -> Iterator[Task | None]:
        """Designs that must be simulated; None where the next has to wait for a result."""
        states = self._optuna.trial.TrialState
        finished = self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
        for _ in range(len(finished), self._search.trials):
            while len(self._asked) >= self._search.in_flight:
                if self._asked[0].is_settled:
                    self._tell_first()
                else:
                    yield None
            asked = self._ask()
            self._counts.points += 1
            is_twin = any(one.task.key == asked.task.key for one in self._asked)
            self._asked.append(asked)
            if is_twin or asked.task.key in self._known or not self._store.claim(asked.task.key):
                asked.is_settled = True
                self._counts.skipped += 1
            elif self._search.prune and (reason := self._hopeless(asked.task)):
                self._prune(asked, reason)
            else:
                yield asked.task
                continue
            self._report()

    def _tell_first(self) -> None:
        asked = self._asked.popleft()
        self._finish(asked.trial, asked.record or self._known.get(asked.task.key))

    def _ask(self) -> _Asked:
        """Next design that the constraints on inputs allow.

        Raises
        ------
        StudyError
            none in many tries
        """
        n_before = len(self._study.get_trials(deepcopy=False))
        for i in range(n_before, n_before + _MAX_EMPTY_ASKS):
            self._study.sampler = self._sampler(i)
            trial = self._study.ask()
            task = self._space.task(self._suggest(trial))
            if task is not None:
                return _Asked(trial, task)
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        got = f"{_MAX_EMPTY_ASKS} designs in a row refused"
        raise StudyError("constraints", got=got, allowed="constraints that some design meets")

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for name, parameter in self._space.study.parameters.items():
            span = parameter.range
            if span is None or span.count is not None:
                choices = self._choices(name)
                chosen[name] = choices[trial.suggest_categorical(name, list(choices))]
            elif span.is_whole:
                log = span.scale is Scale.LOG
                step = {} if log else {"step": int(span.step or 1)}
                chosen[name] = trial.suggest_int(name, int(span.start), int(span.stop), log=log, **step)
            else:
                log = span.scale is Scale.LOG
                chosen[name] = trial.suggest_float(name, span.start, span.stop, log=log, step=span.step)
        return chosen

    def _choices(self, name: str) -> dict[Any, Any]:
        """Label -> value of a parameter that takes listed values, empty for one of a continuous range."""
        span = self._space.study.parameters[name].range
        values = self._space.axis(name) if span is None or span.count is not None else []
        return {value if isinstance(value, (bool, int, float, str)) else str(value): value for value in values}

    def _hopeless(self, task: Task) -> str:
        """Why even the bounds of a design rule it out: a constraint, or a known point better in everything."""
        try:
            best = optimistic_results(task.point, self._goals)
        except HermesSimError:
            return ""  # the run itself will say what is wrong
        variables = {**task.point.names, **best}
        for rule in self._space.after:
            if set(rule.names) <= set(variables) and not rule.value(variables, where="constraints"):
                return f"even at best not {rule.text}"
        if all(name in best for name in self._goals):
            signs = [1 if goal is Goal.MINIMIZE else -1 for goal in self._goals.values()]
            costs = np.array([best[name] * sign for name, sign in zip(self._goals, signs, strict=True)])
            if ((self._costs <= costs).all(axis=1) & (self._costs < costs).any(axis=1)).any():
                return "a known design is better than its bounds in every objective"
        return ""

    def _prune(self, asked: _Asked, reason: str) -> None:
        task = asked.task
        record = new_record(task.point, key=task.key, study=self._space.study.name, status="pruned", error=reason)
        self._store.append(record)
        self._store.release(task.key)
        asked.record, asked.is_settled = record, True
        self._counts.pruned += 1

    def _finish(self, trial: optuna.Trial, record: dict[str, Any] | None) -> None:
        """Tell Optuna a result, or that there is none."""
        states = self._optuna.trial.TrialState
        if record is not None:
            self._known[record["key"]] = record
        values = [record.get(name) for name in self._goals] if record else []
        if record is None or record["status"] != "done" or any(value is None for value in values):
            is_pruned = record is not None and record["status"] == "pruned"
            self._study.tell(trial, state=states.PRUNED if is_pruned else states.FAIL)
            return
        variables = {**record, **(record["parameters"] if isinstance(record.get("parameters"), dict) else {})}
        for rule in self._space.after:
            trial.set_constraint(rule.text, float(not rule.value(variables, where="constraints")))
        self._study.tell(trial, [float(record[name]) for name in self._goals])
        self._note(record)

    def _note(self, record: dict[str, Any]) -> None:
        """Remember a feasible result; hopeless designs are compared with it."""
        if record.get("status") != "done" or any(record.get(name) is None for name in self._goals):
            return
        if all(rule.value(_flat(record), where="constraints") for rule in self._space.after):
            import pandas as pd  # noqa: PLC0415

            self._costs = np.vstack([self._costs, costs_of(pd.DataFrame([record]), self._goals)])

    def _count(self, record: dict[str, Any]) -> None:
        if record["status"] == "done":
            self._counts.done += 1
        else:
            self._counts.failed += 1
            if len(self._counts.failures) < _MAX_FAILURES:
                self._counts.failures.append({name: record[name] for name in ("error", "parameters", "key")})
        self._report()

    def _report(self) -> None:
        self._counts.elapsed_s = time.monotonic() - self._started_s
        if self._tell:
            self._tell(self._counts)


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    parameters = record.get("parameters")
    return {**record, **parameters} if isinstance(parameters, dict) else record


def _import_optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise StudyError(
            "search", got="Optuna is not installed", allowed="the extra: pip install 'hermes-sim[explore]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("optuna").setLevel(logging.WARNING)
    return optuna
