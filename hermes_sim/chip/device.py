"""What a chip file may say about the cells of a core: devices, their statistics, temperature."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from hermes_sim.config.quantity import Kind, Quantity
from hermes_sim.config.section import (
    Conductance,
    Fraction,
    Kelvin,
    LongTime,
    PerTemperature,
    Positive,
    Ratio,
    Section,
)
from hermes_sim.errors import FieldError
from hermes_sim.extensions import extension_names

_ROUNDING = 1 + 1e-9


def _floats(raw: Any) -> Any:
    return (
        tuple(float(x) if isinstance(x, int) and not isinstance(x, bool) else x for x in raw)
        if isinstance(raw, (list, tuple))
        else raw
    )


Numbers = Annotated[tuple[float, ...], BeforeValidator(_floats), Field(min_length=1)]


class Polynomial(Section):
    """A published polynomial of the relative conductance, lowest power first, with its unit and source."""

    coefficients: Numbers
    unit: Literal["uS", "count"]
    kind: Annotated[Kind, Field(strict=False)]
    source: str = Field(min_length=1)
    note: str = ""


class Curve(Polynomial):
    """Polynomial above `split`; below it clip(log_slope ln r + log_offset, low, high)."""

    split: float
    log_slope: float
    log_offset: float
    low: float
    high: float


class CellKind(StrEnum):
    """How cells answer: by the published curves of PCM, by a spread about their levels, or by a table of them."""

    PCM = "pcm"
    LEVELS = "levels"
    TABLE = "table"


class Statistics(Section):
    """PCM cells with so many devices per polarity, as published; curves of the conductance over `g_max`.

    `reset_error` is the deviation of a cell whose target is zero: it is RESET and never tuned.
    """

    devices: Positive
    g_max: Conductance
    reference_time: LongTime
    programming_error: Polynomial
    reset_error: Conductance
    drift_mean: Curve
    drift_sd: Curve
    read_noise: Curve


class LogDrift(Section):
    """Share of its conductance that a cell loses per decade of time after `reference_time`, and its spread."""

    per_decade: Ratio
    spread: Fraction
    reference_time: LongTime


class Levels(Section):
    """Cells with a spread about their targets, RRAM for example; every number is that of one device.

    A target of zero is held at `lowest`, and any other as much above it. Deviation of a device: `spread` plus
    `relative_spread` of its conductance. Without `count` it takes any conductance, else the nearest of so many levels.
    """

    lowest: Conductance
    spread: Conductance
    relative_spread: Fraction
    read_noise: Fraction
    stuck_high: Fraction
    count: Positive | None = None
    drift: LogDrift | None = None

    @model_validator(mode="after")
    def _two_levels(self) -> Levels:
        if self.count is not None and self.count.n < 2:
            raise FieldError("count", got=self.count.n, allowed="at least 2 levels, or no count for any conductance")
        return self


class CellColumns(Section):
    """Measured means and deviations of cells at rising targets, uS; drift exponents; relative read noise."""

    target_uS: Numbers
    mean_uS: Numbers
    sd_uS: Numbers
    nu_mean: Numbers | None = None
    nu_sd: Numbers | None = None
    read_noise: Numbers | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> CellColumns:
        targets = self.target_uS
        if targets[0] != 0 or any(b <= a for a, b in pairwise(targets)):
            raise FieldError("target_uS", got=", ".join(f"{t:g}" for t in targets[:8]), allowed="rising from 0")
        for name in type(self).model_fields:
            values = getattr(self, name)
            if values is not None and len(values) != len(targets):
                raise FieldError(name, got=f"{len(values)} values", allowed=f"{len(targets)}, one per target_uS")
            if name != "target_uS" and values is not None and min(values) < 0:
                raise FieldError(name, got=min(values), allowed="no negative value")
        return self


class CellTable(Section):
    """Measured cells with so many devices per polarity: `columns`, or the CSV `file` that has them.

    The path counts from the chip file; the loader puts what stands there in `columns`.
    """

    devices: Positive
    reference_time: LongTime
    kind: Annotated[Kind, Field(strict=False)]
    source: str = Field(min_length=1)
    file: str | None = None
    columns: CellColumns


def _ours_or_added(raw: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A model of cells of ours, or the name of one that another installed package adds."""
    is_added = isinstance(raw, str) and raw not in list(CellKind) and raw in extension_names("devices")
    return raw if is_added else validate(raw)


class Device(Section):
    """Both polarities of a unit cell alike: `devices` of its `cell_devices` are in use, the others stay RESET.

    `g_max` is the conductance range of a polarity with all devices of its cell; fewer have their share of it.
    What belongs to another `model` than the chosen one may stand beside it. A model of another installed package stands
    under its name, and reads of this section what it wants.
    """

    model: Annotated[CellKind, Field(strict=False), WrapValidator(_ours_or_added)]
    cell_devices: Positive
    devices: Positive
    g_max: Conductance
    read_time: LongTime
    statistics: dict[str, Statistics] | None = None
    levels: Levels | None = None
    tables: dict[str, CellTable] | None = None

    @property
    def range_uS(self) -> float:
        """Conductance range of the devices in use."""
        return self.g_max.u_s * (self.devices.n / self.cell_devices.n)

    @property
    def lowest_uS(self) -> float:
        """What the two polarities of a weight of zero conduct together."""
        return 2 * self.devices.n * self.levels.lowest.u_s if self.model is CellKind.LEVELS and self.levels else 0.0

    @property
    def conductance_factors(self) -> tuple[Quantity, ...]:
        """Config values behind the conductances of cells."""
        lowest = (self.levels.lowest,) if self.model is CellKind.LEVELS and self.levels else ()
        return (self.g_max, self.devices, self.cell_devices, *lowest)

    def measured(self) -> Statistics | CellTable:
        """Statistics or table of as many devices as are in use."""
        return self._by_devices()[self.devices.n][1]

    def _by_devices(self) -> dict[int, tuple[str, Statistics | CellTable]]:
        name, entries = ("tables", self.tables) if self.model is CellKind.TABLE else ("statistics", self.statistics)
        found: dict[int, tuple[str, Statistics | CellTable]] = {}
        for key, entry in (entries or {}).items():
            n, path = entry.devices.n, f"{name}.{key}"
            if n in found:
                raise FieldError(f"{path}.devices", got=n, allowed=f"another number than {found[n][0]}: one for each")
            found[n] = (path, entry)
        return found

    @model_validator(mode="after")
    def _of_the_model(self) -> Device:
        n, most = self.devices.n, self.cell_devices.n
        if n > most:
            raise FieldError("devices", got=n, allowed=f"at most {most}, which a cell has per polarity (cell_devices)")
        if self.model not in list(CellKind):
            return self
        if self.model is CellKind.LEVELS:
            if self.levels is None:
                raise FieldError("levels", got="nothing", allowed="the section of model: levels")
            return self
        found = self._by_devices()
        if not found:
            name = "tables" if self.model is CellKind.TABLE else "statistics"
            raise FieldError(name, got="nothing", allowed=f"what model: {self.model} knows of its cells")
        if n not in found:
            there = ", ".join(f"{number} ({path})" for number, (path, _) in sorted(found.items()))
            raise FieldError("devices", got=n, allowed=f"a number of devices that model: {self.model} has: {there}")
        path, entry = found[n]
        covered_uS = entry.g_max.u_s if isinstance(entry, Statistics) else entry.columns.target_uS[-1]
        if self.range_uS > covered_uS * _ROUNDING:
            got = f"{self.g_max.given}, which is {self.range_uS:g} uS with {n} of {most} devices"
            raise FieldError("g_max", got=got, allowed=f"up to {covered_uS:g} uS with {n}, which {path} covers")
        return self


class Temperature(Section):
    """Temperatures of the cells when they are programmed and read, and what one kelvin does to a conductance.

    Drift is compensated at `compensation`; without it, at the temperature of the inference.
    """

    programming: Kelvin
    inference: Kelvin
    compensation: Kelvin | None = None
    coefficient: PerTemperature
    coefficient_spread: PerTemperature

    @property
    def mean_factor(self) -> float:
        """Mean conductance at an inference over that at the temperature of programming; array currents follow it."""
        return max(0.0, 1 + self.coefficient.per_k * (self.inference.k - self.programming.k))

    @property
    def factors(self) -> tuple[Quantity, ...]:
        """Config values behind a `mean_factor` that is not 1."""
        return () if self.mean_factor == 1 else (self.programming, self.inference, self.coefficient)

    @model_validator(mode="after")
    def _spread_of_a_sign(self) -> Temperature:
        if self.coefficient_spread.per_k < 0:
            raise FieldError("coefficient_spread", got=self.coefficient_spread.given, allowed="no negative spread")
        return self
