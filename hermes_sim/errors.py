"""Errors a user can cause, each with what was wrong, where, what is allowed and what to try."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")
_CLOSE = 0.65  # share of letters in the same order: b200 and h100 have half of them


class HermesSimError(Exception):
    """Base of all errors that are the input's fault; the command line turns them into exit code 2.

    Parameters
    ----------
    where : file, and field inside it, e.g. ``"hermes_64.yaml: core.rows"``
    got : what was found there
    allowed : what would have been accepted
    hint : what to try next

    Every class has a `code` of its own, which machines go by: once given, it never changes (docs/machines.md).
    """

    code: ClassVar[str] = "bad_input"

    def __init__(self, where: str, *, got: object = None, allowed: str = "", hint: str = "") -> None:
        self.where = where
        self.got = got
        self.allowed = allowed
        self.hint = hint
        super().__init__(self.__str__())

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}: {self.where}"]
        for label, text in (("got", self.got), ("allowed", self.allowed), ("try", self.hint)):
            if text is not None and text != "":
                lines.append(f"  {label:<9}{text}")
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """Plain form, as `--json` prints it."""
        return {
            "code": self.code,
            "type": type(self).__name__,
            "where": self.where,
            "got": None if self.got is None or self.got == "" else str(self.got),
            "allowed": self.allowed or None,
            "hint": self.hint or None,
        }

    def __reduce__(self) -> tuple[object, ...]:
        state = {"where": self.where, "got": self.got, "allowed": self.allowed, "hint": self.hint}
        return (_rebuild, (type(self), state))


def _rebuild(cls: type[HermesSimError], state: dict[str, object]) -> HermesSimError:
    """Unpickle an error without calling a subclass's own constructor."""
    error = cls.__new__(cls)
    Exception.__init__(error)
    error.__dict__.update(state)
    return error


class FieldError(HermesSimError, ValueError):
    """A field that does not go with the others (a ValueError, so that pydantic adds the section).

    ``where`` is the field inside its section; the loader adds file and section, and takes the class of its layer.
    """

    code = "bad_field"


class QuantityError(FieldError):
    """A physical value with a wrong, missing or inexact unit."""

    code = "bad_quantity"


class ArchConfigError(HermesSimError):
    """A chip description that cannot be used."""

    code = "bad_chip"


class BaselineError(ArchConfigError):
    """A description of a digital accelerator that cannot be used."""

    code = "bad_baseline"


class WorkloadError(HermesSimError):
    """A workload description or operator graph that cannot be used."""

    code = "bad_workload"


class ComparisonError(HermesSimError):
    """A comparison of chips with accelerators that cannot be made."""

    code = "bad_comparison"


class MappingError(HermesSimError):
    """A mapping that overlaps, leaves the array, or misses weights."""

    code = "bad_mapping"


class MappingInfeasible(MappingError):  # noqa: N818 - a result as much as an error, see design page
    """The workload does not fit on the chip: demand, capacity, gap and what would help."""

    code = "does_not_fit"

    def __init__(self, where: str, *, demand: int, capacity: int, unit: str, levers: Iterable[str]) -> None:
        self.demand = demand
        self.capacity = capacity
        self.gap = demand - capacity
        self.unit = unit
        self.levers = tuple(levers)
        super().__init__(
            where,
            got=f"demand {demand} {unit}, capacity {capacity} {unit}, gap {self.gap} {unit}",
            allowed=f"at most {capacity} {unit}",
            hint="; or ".join(self.levers),
        )

    def record(self) -> dict[str, Any]:
        """Plain form, with the numbers."""
        numbers = {"demand": self.demand, "capacity": self.capacity, "gap": self.gap, "unit": self.unit}
        return {**super().record(), **numbers, "levers": list(self.levers)}

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), dict(self.__dict__)))


class ProgramError(HermesSimError):
    """A dataflow program that no engine may run: dangling references, negative times, overflow."""

    code = "bad_program"


class EngineError(HermesSimError):
    """A run that cannot go on, a deadlock for example."""

    code = "run_failed"


class DeviceModelError(HermesSimError):
    """A device or crossbar parameter outside the range where its model holds."""

    code = "bad_device"


class DataError(HermesSimError):
    """A data set or measurement table that cannot be used."""

    code = "bad_data"


class ExtensionError(HermesSimError):
    """Something that another installed package adds, and that cannot be used."""

    code = "bad_extension"


class OutputError(HermesSimError):
    """A result that cannot be written where it was asked for."""

    code = "bad_output"


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names with commas between; of a long list the first ones and how many more there are."""
    every = list(names)
    return ", ".join(every[:most]) + (f", and {len(every) - most} more" if len(every) > most else "")


def chosen(where: str, name: object, allowed: Iterable[T], *, error: type[HermesSimError]) -> T:
    """The allowed choice of that name.

    Raises
    ------
    HermesSimError
        of class `error`, naming all choices and the closest one
    """
    choices = {str(choice): choice for choice in allowed}
    if str(name) not in choices:
        raise error(where, got=repr(str(name)), allowed=", ".join(choices), hint=nearest(str(name), choices))
    return choices[str(name)]


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Sentence naming the closest allowed name, one with most letters in common or begun alike, or an empty string."""
    choices = [str(choice) for choice in allowed]
    matches = difflib.get_close_matches(name, choices, n=1, cutoff=_CLOSE)
    matches = matches or [one for one in choices if name and one.startswith(name)]
    return f"did you mean {matches[0]!r}?" if matches else ""
