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
    """A published polynomial of the relative conductance, with its unit and source."""

    coefficients: Numbers
    """Coefficients, lowest power first."""
    unit: Literal["uS", "count"]
    """Unit of the result: microsiemens, or a pure number."""
    kind: Annotated[Kind, Field(strict=False)]
    """How certain the curve is."""
    source: str = Field(min_length=1)
    """Where the curve comes from."""
    note: str = Field(default="", examples=["read off figure 3"])
    """What else is to be known of it."""


class Curve(Polynomial):
    """Polynomial above `split`; below it clip(log_slope ln r + log_offset, low, high)."""

    split: float
    """Relative conductance below which the logarithm holds."""
    log_slope: float
    """Slope of the logarithm."""
    log_offset: float
    """Offset of the logarithm."""
    low: float
    """Lowest value of the curve."""
    high: float
    """Highest value of the curve."""


class CellKind(StrEnum):
    """How cells answer: by the published curves of PCM, by a spread about their levels, or by a table of them."""

    PCM = "pcm"
    LEVELS = "levels"
    TABLE = "table"


class Statistics(Section):
    """PCM cells with so many devices per polarity, as published; curves of the conductance over `g_max`."""

    devices: Positive
    """Devices per polarity for which the curves hold."""
    g_max: Conductance
    """Conductance at which the relative conductance of the curves is 1."""
    reference_time: LongTime
    """Age from which drift is counted."""
    programming_error: Polynomial
    """Deviation of a cell after programming."""
    reset_error: Conductance
    """Deviation of a cell whose target is zero: it is RESET and never tuned."""
    drift_mean: Curve
    """Mean exponent of drift."""
    drift_sd: Curve
    """Spread of the exponent over cells."""
    read_noise: Curve
    """Scale of the 1/f noise of a read, relative."""


class LogDrift(Section):
    """Loss of conductance that grows with the logarithm of time."""

    per_decade: Ratio
    """Share of its conductance that a cell loses per decade of time after `reference_time`."""
    spread: Fraction
    """Spread of that share over cells."""
    reference_time: LongTime
    """Age from which drift is counted."""


class Levels(Section):
    """Cells with a spread about their targets, RRAM for example; every number is that of one device."""

    lowest: Conductance
    """Conductance at a target of zero; any other target is held as much above it."""
    spread: Conductance
    """Deviation after programming."""
    relative_spread: Fraction
    """Deviation after programming, as a share of the conductance; both add up."""
    read_noise: Fraction
    """Deviation of a read, as a share of the conductance."""
    stuck_high: Fraction
    """Share of cells that always conduct as much as they can."""
    count: Positive | None = None
    """Levels from zero to `g_max`, at least 2, of which a target takes the nearest; left out: any conductance."""
    drift: LogDrift | None = None
    """Loss of conductance with time; left out: none."""

    @model_validator(mode="after")
    def _two_levels(self) -> Levels:
        if self.count is not None and self.count.n < 2:
            raise FieldError("count", got=self.count.n, allowed="at least 2 levels, or no count for any conductance")
        return self


class CellColumns(Section):
    """Measured cells, one entry per target."""

    target_uS: Numbers
    """Targets in microsiemens, rising from 0 to at least the range in use."""
    mean_uS: Numbers
    """Mean conductance at each target; what is drawn below zero is zero."""
    sd_uS: Numbers
    """Its standard deviation over cells."""
    nu_mean: Numbers | None = None
    """Mean exponent of drift; left out: no drift."""
    nu_sd: Numbers | None = None
    """Its standard deviation over cells."""
    read_noise: Numbers | None = None
    """Deviation of a read over the conductance; left out: none."""

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
    """Measured cells with so many devices per polarity.

    The path of `file` counts from the chip file; the loader puts what stands there in `columns`.
    """

    devices: Positive
    """Devices per polarity of the cells in the table."""
    reference_time: LongTime
    """Age of the cells in the table."""
    kind: Annotated[Kind, Field(strict=False)]
    """How certain the table is."""
    source: str = Field(min_length=1)
    """Where the table comes from."""
    file: str | None = Field(default=None, examples=["cells.csv"])
    """CSV file with the columns."""
    columns: CellColumns
    """The columns themselves, instead of a file."""


def _ours_or_added(raw: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """A model of cells of ours, or the name of one that another installed package adds."""
    is_added = isinstance(raw, str) and raw not in list(CellKind) and raw in extension_names("devices")
    return raw if is_added else validate(raw)


class Device(Section):
    """Both polarities of a unit cell alike: `devices` of its `cell_devices` are in use, the others stay RESET.

    What belongs to another `model` than the chosen one may stand beside it. A model of another installed package stands
    under its name, and reads of this section what it wants.
    """

    model: Annotated[CellKind, Field(strict=False), WrapValidator(_ours_or_added)]
    """How cells answer, and with it which of the sections below counts."""
    cell_devices: Positive
    """Devices that a cell has per polarity."""
    devices: Positive
    """Devices in use per polarity, at most `cell_devices`."""
    g_max: Conductance
    """Conductance range of a polarity with all devices of its cell; fewer have their share of it."""
    read_time: LongTime
    """Time of a read, over which 1/f noise is averaged."""
    statistics: dict[str, Statistics] | None = None
    """For `model: pcm`: statistics under a name of your own, one for each number of devices."""
    levels: Levels | None = None
    """For `model: levels`: spreads about the targets."""
    tables: dict[str, CellTable] | None = None
    """For `model: table`: measured cells under a name of your own, one for each number of devices."""

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
    """Temperatures of the cells when they are programmed and read, and what one kelvin does to a conductance."""

    programming: Kelvin
    """Temperature at programming."""
    inference: Kelvin
    """Temperature when a workload is run."""
    compensation: Kelvin | None = None
    """Temperature when drift is compensated; left out: that of the inference."""
    coefficient: PerTemperature
    """Relative change of a conductance per kelvin."""
    coefficient_spread: PerTemperature
    """Spread of that change over cells, not negative."""

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
