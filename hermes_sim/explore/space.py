"""The space of a study: every assignment of its parameters that fulfils its constraints, as design points."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import HermesSimError
from hermes_sim.explore.columns import RESULTS
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.expressions import Expression, parse
from hermes_sim.explore.fields import ARCH, OPTIONS, WORKLOAD, BaseFields, check_name
from hermes_sim.explore.keys import Keys
from hermes_sim.explore.point import DesignPoint, new_record
from hermes_sim.explore.schema import MAX_POINTS, Parameter, Range, Scale, StudyFile

if TYPE_CHECKING:
    from hermes_sim.explore.schema import Level

Place = Callable[[str], str]


@dataclass(frozen=True)
class Task:
    """A design point and its key."""

    point: DesignPoint
    key: str

    def lost(self, study: str, error: str) -> dict[str, Any]:
        """Record of a point whose worker could not tell what went wrong."""
        return new_record(self.point, key=self.key, study=study, status="failed", error=error)


Outcome = tuple[Task, dict[str, Any]]


class _Variables(Mapping[str, Any]):
    """Names a formula may use: the assignment first, then the fields of the base files."""

    def __init__(self, assigned: Mapping[str, Any], base: BaseFields, files: dict[str, str]) -> None:
        self._assigned, self._base, self._files = assigned, base, files

    def __getitem__(self, name: str) -> Any:
        if name in self._assigned:
            return self._assigned[name]
        return self._base.value(name, self._files)

    def __iter__(self) -> Iterator[str]:
        return iter(self._assigned)

    def __len__(self) -> int:
        return len(self._assigned)


class Space:
    """Points of a study.

    Parameters
    ----------
    study : checked study file
    base : files the study starts from
    place : field of the study file -> file and line, for messages

    Raises
    ------
    StudyError
        an unknown field, option, variable or column
    """

    def __init__(self, study: StudyFile, base: BaseFields, place: Place) -> None:
        self.study, self.base = study, base
        self._linked = {
            name: parse(rule, place(f"linked.{name}")) if isinstance(rule, str) else rule
            for name, rule in study.linked.items()
        }
        rules = [parse(rule, place(f"constraints.{i}")) for i, rule in enumerate(study.constraints)]
        self.before = [rule for rule in rules if not set(rule.names) & set(RESULTS)]
        self.after = [rule for rule in rules if set(rule.names) & set(RESULTS)]
        self._place = place
        self._check_names(rules)
        self._keys = Keys(base)

    def _check_names(self, rules: Sequence[Expression]) -> None:
        study, place = self.study, self._place
        formulas = [*rules, *(rule for rule in self._linked.values() if isinstance(rule, Expression))]
        used = frozenset(name for rule in formulas for name in rule.names)
        files = self.files()
        for kind, names in files.items():
            for name in names:
                self._document(kind, name)
        known = [*study.parameters, *study.linked, *self._check_parameters(files, used)]
        for name in study.linked:
            self._check_target(name, place(f"linked.{name}"), files, used)
        for rule in rules:
            self._check_formula(rule, place("constraints"), files, frozenset([*known, *RESULTS]))
        for name, linked in self._linked.items():
            if isinstance(linked, Expression):
                self._check_formula(linked, place(f"linked.{name}"), files, frozenset(known))

    def _check_parameters(self, files: dict[str, list[str]], used: frozenset[str]) -> list[str]:
        """Check what the parameters set; return the fields that named levels set."""
        known: list[str] = []
        for name, parameter in self.study.parameters.items():
            if parameter.levels is None:
                self._check_target(name, self._place(f"parameters.{name}"), files, used)
                continue
            for label, fields in parameter.levels.items():
                known += fields
                for target in fields:
                    where = self._place(f"parameters.{name}.levels.{label}.{target}")
                    self._check_target(target, where, files, used)
        return known

    def _check_formula(self, rule: Expression, where: str, files: dict[str, list[str]], known: frozenset[str]) -> None:
        """Check that a formula names parameters, options, fields of the base files, or (where allowed) results."""
        for name in rule.names:
            if name in known or name in OPTIONS:
                continue
            if name.partition(".")[0] in files and "." in name:
                self.base.check(name, files, where)
            else:
                check_name(name, where, free=known)

    def _document(self, kind: str, name: str) -> None:
        try:
            self.base.document(kind, name)
        except HermesSimError as cause:
            raise StudyError(
                self._place(kind), got=f"{cause.where}: {cause.got}", allowed=cause.allowed, hint=cause.hint
            ) from None

    def _check_target(self, name: str, where: str, files: dict[str, list[str]], used: frozenset[str]) -> None:
        check_name(name, where, free=used)
        if name.partition(".")[0] in files and "." in name:
            self.base.check(name, files, where)

    def files(self) -> dict[str, list[str]]:
        """Chips and workloads that the study names."""
        return {ARCH: self._values_of(ARCH, self.study.arch), WORKLOAD: self._values_of(WORKLOAD, self.study.workload)}

    def _values_of(self, option: str, default: str) -> list[str]:
        """All chips (or workloads) that a study names."""
        parameter = self.study.parameters.get(option)
        names = [] if parameter is None else [str(value) for value in parameter.values or []]
        for other in self.study.parameters.values():
            names += [str(fields[option]) for fields in (other.levels or {}).values() if option in fields]
        return names or [default]

    @property
    def n_grid(self) -> int:
        """Points of the grid before constraints.

        Raises
        ------
        StudyError
            a range without step or count, or an absurd number of points
        """
        n = math.prod(len(self.axis(name)) for name in self.study.parameters)
        if n > MAX_POINTS:
            raise StudyError(self._place("parameters"), got=f"{n:,} points", allowed=f"at most {MAX_POINTS:,}")
        return n

    def axis(self, name: str) -> list[Level]:
        """Values of one parameter in a grid."""
        return grid_values(self.study.parameters[name], self._place(f"parameters.{name}.range"))

    def grid(self) -> Iterator[Task]:
        """All points of the grid that fulfil the constraints; the last parameter changes fastest."""
        _ = self.n_grid
        names = list(self.study.parameters)
        for values in itertools.product(*(self.axis(name) for name in names)):
            task = self.task(dict(zip(names, values, strict=True)))
            if task is not None:
                yield task

    def task(self, chosen: Mapping[str, Level]) -> Task | None:
        """Point of one assignment, or None if it breaks a constraint on the inputs."""
        assigned: dict[str, Any] = {}
        for name, value in chosen.items():
            levels = self.study.parameters[name].levels
            assigned |= {name: value, **(levels[str(value)] if levels is not None else {})}
        files = {
            ARCH: str(assigned.get(ARCH, self.study.arch)),
            WORKLOAD: str(assigned.get(WORKLOAD, self.study.workload)),
        }
        variables = _Variables(assigned, self.base, files)
        for name, rule in self._linked.items():
            where = self._place(f"linked.{name}")
            assigned[name] = rule.value(variables, where=where) if isinstance(rule, Expression) else rule
        if not all(rule.value(variables, where=self._place("constraints")) for rule in self.before):
            return None
        point = self._point(assigned, files, {**chosen, **{n: assigned[n] for n in self._linked}})
        return Task(point, self._keys.key(point))

    def own(self, names: Mapping[str, Any]) -> Task | None:
        """Point that recorded parameters stand for; None where they are no point of this space.

        A store may hold points of other studies, and of this one with other levels: they are no candidates.
        """
        if any(name not in names or not self._takes(name, names[name]) for name in self.study.parameters):
            return None
        task = self.task({name: names[name] for name in self.study.parameters})
        return task if task is not None and task.point.names == dict(names) else None

    def _takes(self, name: str, value: Any) -> bool:
        """Whether a parameter can have a value."""
        span = self.study.parameters[name].range
        if span is None or span.count is not None:
            return value in self.axis(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not span.start <= value <= span.stop:
            return False
        steps = (value - span.start) / span.step if span.step else 0.0
        return math.isclose(steps, round(steps), abs_tol=1e-9) and (not span.is_whole or value == int(value))

    def _point(self, assigned: dict[str, Any], files: dict[str, str], names: dict[str, Any]) -> DesignPoint:
        study = self.study

        def fields(kind: str) -> dict[str, Any]:
            prefix = f"{kind}."
            return {name.removeprefix(prefix): v for name, v in assigned.items() if name.startswith(prefix)}

        return DesignPoint(
            arch=self.base.file(ARCH, files[ARCH]),
            workload=self.base.file(WORKLOAD, files[WORKLOAD]),
            arch_fields=fields(ARCH),
            workload_fields=fields(WORKLOAD),
            mapping=str(assigned.get("mapping", study.mapping)),
            inferences=_whole(assigned.get("inferences", study.inferences)),
            in_flight=_whole(assigned.get("in_flight", study.in_flight)),
            seed=_whole(assigned.get("seed", study.seed)) or 0,
            accuracy=bool(assigned.get("accuracy", study.accuracy)),
            data_dir=self.base.folder_beside(study.data_dir),
            names=names,
        )


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def grid_values(parameter: Parameter, where: str) -> list[Level]:
    """Values of a parameter in a grid.

    Raises
    ------
    StudyError
        a range without step or count
    """
    if parameter.values is not None:
        return parameter.values
    if parameter.levels is not None:
        return list(parameter.levels)
    span = parameter.range
    assert span is not None
    if span.step is not None:
        n = math.floor((span.stop - span.start) / span.step + 1e-9) + 1
        if n > MAX_POINTS:
            raise StudyError(where, got=f"{n:,} steps", allowed=f"at most {MAX_POINTS:,}")
        return [span.start + i * span.step for i in range(n)]
    if span.count is None:
        raise StudyError(where, got="neither step nor count", allowed="one of them in a study without search")
    return _spaced(span, span.count)


def _spaced(span: Range, count: int) -> list[Level]:
    fracs = [i / (count - 1) for i in range(count)]
    if span.scale is Scale.LOG:
        values = [span.start * (span.stop / span.start) ** frac for frac in fracs]
    else:
        values = [span.start + (span.stop - span.start) * frac for frac in fracs]
    if span.is_whole:
        return list(dict.fromkeys(round(value) for value in values))
    return list(values)
