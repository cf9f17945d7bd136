"""Multi-objective search with Optuna: designs are asked for, run by the same executors, and told back.

A design that no result could make good enough is given up before it is simulated: its area is known from the chip,
and its time, energy and power have lower bounds (see `hermes_sim.explore.bounds`).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim._version import __version__
from hermes_sim.errors import HermesSimError
from hermes_sim.explore.bounds import optimistic_results
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.pareto import costs_of
from hermes_sim.explore.results import frame_of, rows_of
from hermes_sim.explore.schema import Goal, Sampler, Scale
from hermes_sim.explore.sweep import Progress

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
        the disk is full or broken; what is stored stays
    """
    return _Search(space, store, progress).run(executor)


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
        self._trials: dict[str, optuna.Trial] = {}
        self._started_s = time.monotonic()
        self._known = {row["key"]: row for row in rows_of(frame_of(store.table()))}
        self._goals = space.study.objectives
        self._costs = np.empty((0, len(self._goals)))
        for row in self._known.values():
            self._note(row)

    def _open_study(self) -> Any:
        optuna, search = self._optuna, self._search
        samplers: dict[Sampler, Callable[[], Any]] = {
            Sampler.NSGA2: lambda: optuna.samplers.NSGAIISampler(seed=search.seed),
            Sampler.TPE: lambda: optuna.samplers.TPESampler(seed=search.seed, multivariate=True),
            Sampler.GP: lambda: optuna.samplers.GPSampler(seed=search.seed),
            Sampler.RANDOM: lambda: optuna.samplers.RandomSampler(seed=search.seed),
        }
        storage = search.storage or f"sqlite:///{self._store.folder.absolute() / 'search.db'}"
        try:
            return optuna.create_study(
                study_name=self._space.study.name,
                storage=storage,
                sampler=samplers[search.sampler](),
                directions=[str(goal) for goal in self._space.study.objectives.values()],
                load_if_exists=True,
            )
        except ImportError as cause:
            raise StudyError("search.sampler", got=f"{search.sampler}: {cause}", allowed="its extra package") from None
        except Exception as cause:  # noqa: BLE001 - the storage layer raises errors of its own and of its database driver
            raise StudyError("search.storage", got=f"{storage}: {cause}", allowed="an Optuna storage URL") from None

    def run(self, executor: Executor) -> Progress:
        states = self._optuna.trial.TrialState
        for trial in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            self._study.tell(trial.number, state=states.FAIL)  # its process is gone
        for task, record in executor.run(self._tasks(), study=self._space.study.name):
            self._store.append(record)
            self._store.release(task.key)
            self._finish(self._trials.pop(task.key), record)
            self._count(record)
        self._report()
        return self._counts

    def _tasks(self) -> Iterator[Task]:
        """Designs that must be simulated; those known or hopeless are told to Optuna at once."""
        states = self._optuna.trial.TrialState
        finished = self._study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
        for _ in range(len(finished), self._search.trials):
            task, trial = self._ask()
            self._counts.points += 1
            if task.key in self._known or task.key in self._trials or not self._store.claim(task.key):
                self._finish(trial, self._known.get(task.key))
                self._counts.skipped += 1
            elif self._search.prune and (reason := self._hopeless(task)):
                self._prune(task, trial, reason)
            else:
                self._trials[task.key] = trial
                yield task
                continue
            self._report()

    def _ask(self) -> tuple[Task, Any]:
        """Next design that the constraints on inputs allow.

        Raises
        ------
        StudyError
            none in many tries
        """
        for _ in range(_MAX_EMPTY_ASKS):
            trial = self._study.ask()
            task = self._space.task(self._suggest(trial))
            if task is not None:
                return task, trial
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        got = f"{_MAX_EMPTY_ASKS} designs in a row refused"
        raise StudyError("constraints", got=got, allowed="constraints that some design meets")

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for name, parameter in self._space.study.parameters.items():
            span = parameter.range
            if span is None or span.count is not None:
                values = self._space.axis(name)
                labels = [value if isinstance(value, (bool, int, float, str)) else str(value) for value in values]
                label: Any = trial.suggest_categorical(name, labels)
                chosen[name] = values[labels.index(label)]
            elif span.is_whole:
                log = span.scale is Scale.LOG
                step = {} if log else {"step": int(span.step or 1)}
                chosen[name] = trial.suggest_int(name, int(span.start), int(span.stop), log=log, **step)
            else:
                log = span.scale is Scale.LOG
                chosen[name] = trial.suggest_float(name, span.start, span.stop, log=log, step=span.step)
        return chosen

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

    def _prune(self, task: Task, trial: optuna.Trial, reason: str) -> None:
        record = {
            "key": task.key,
            "study": self._space.study.name,
            "status": "pruned",
            "error": reason,
            "hermes_sim_version": __version__,
            "parameters": dict(task.point.names),
            "inputs": task.point.record(),
        }
        self._store.append(record)
        self._store.release(task.key)
        self._known[task.key] = record
        self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)
        self._counts.pruned += 1

    def _finish(self, trial: optuna.Trial, record: dict[str, Any] | None) -> None:
        """Tell Optuna a result, or that there is none."""
        values = [record.get(name) for name in self._goals] if record else []
        if record is None or record["status"] != "done" or any(value is None for value in values):
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            return
        variables = {**record, **(record["parameters"] if isinstance(record.get("parameters"), dict) else {})}
        for rule in self._space.after:
            trial.set_constraint(rule.text, float(not rule.value(variables, where="constraints")))
        self._study.tell(trial, [float(record[name]) for name in self._goals])
        self._known[record["key"]] = record
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
