"""What a read of a core is, in numbers: both what it costs and what it returns follow from this one description."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.chip.analog import InputCoding, Keep, SliceOrder
from hermes_sim.chip.converters import CountingConverter, IdealConverter, SamplingConverter
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.errors import FieldError

if TYPE_CHECKING:
    from hermes_sim.chip.analog import Analog, Read
    from hermes_sim.chip.converters import Converter
    from hermes_sim.config.quantity import Quantity

# A full pulse is at least so many dead times long: half of it acts.
_DEAD_TIMES = 2
_PJ_PER_V_UA_PS = 1e-6
_MOST_BITS = 32
# Pairs of an input's and a weight's sign that are read one after the other.
SIGN_PHASES = {ReadMode.ONE_PHASE: 1, ReadMode.FOUR_PHASE: 4}


@dataclass(frozen=True)
class Reading:
    """One read of a core in a mode.

    Parameters
    ----------
    sign_phases, planes, cell_slices, turns : phases for the signs, for the bits of a bit-serial input, for slices of a
        weight in cells of one column, and for columns that share a counter; a read has one phase for each combination
    column_slices : columns of one weight
    input_levels : largest input in steps of a pulse, 1 of a bit plane
    step_ps : of the pulse width; pulse_ps : the longest pulse; asked_ps : the same before it was lengthened
    dead_ps : what a pulse loses at its start
    convert_ps : of each phase after its pulses
    counts_per_cell : counts of a cell at g_max under the longest pulse
    current_limit : of a column at any instant, cells at g_max; infinite where nothing limits it
    count_limit : largest count of a conversion
    """

    sign_phases: int
    planes: int
    cell_slices: int
    turns: int
    column_slices: int
    input_levels: int
    step_ps: float
    pulse_ps: int
    asked_ps: int
    dead_ps: int
    convert_ps: int
    counts_per_cell: float
    current_limit: float
    count_limit: float

    @property
    def phases(self) -> int:
        """Phases of a read."""
        return self.sign_phases * self.planes * self.cell_slices * self.turns

    def read_ps(self, read: Read) -> int:
        """Time that a read holds its core."""
        return read.time.ps + self.phases * (self.pulse_ps + read.phase_time.ps + self.convert_ps)

    @property
    def is_lengthened(self) -> bool:
        """Whether pulses are longer than asked, since their rows would hardly rise in them."""
        return self.pulse_ps > self.asked_ps


def reading_of(read: Read, analog: Analog, mode: ReadMode, *, n_columns: int) -> Reading:
    """One read of a core with so many columns.

    Raises
    ------
    FieldError
        bits, times and currents that cannot be together, naming the relation that is broken
    """
    point = read.point
    serial = analog.input_coding is InputCoding.BIT_SERIAL
    levels: int = 1 if serial else 2 ** (analog.input_bits.n - 1) - 1
    asked_ps = _asked_ps(read, analog, levels)
    pulse_ps = max(asked_ps, _DEAD_TIMES * analog.input_dead_time.ps)
    slices = analog.slices
    over = None if slices is None else slices.over
    count = 1 if slices is None else slices.count
    # the shipped point is the shipped setting: its ratios are exactly one
    drive = (
        pulse_ps
        / point.pulse.ps
        * (analog.read_voltage.v / point.read_voltage.v)
        * (analog.device.range_uS / point.g_max.u_s)
    )
    full_cell_ua = analog.read_voltage.v * analog.device.range_uS
    counts, current_limit, count_limit = _counts(analog.adc, drive, full_cell_ua)
    reading = Reading(
        sign_phases=SIGN_PHASES[mode],
        planes=analog.input_bits.n - 1 if serial else 1,
        cell_slices=count if over is SliceOrder.CELLS else 1,
        turns=analog.adc.columns.n if isinstance(analog.adc, CountingConverter) else 1,
        column_slices=count if over is SliceOrder.COLUMNS else 1,
        input_levels=levels,
        step_ps=pulse_ps / levels,
        pulse_ps=pulse_ps,
        asked_ps=asked_ps,
        dead_ps=analog.input_dead_time.ps,
        convert_ps=_convert_ps(analog.adc),
        counts_per_cell=counts,
        current_limit=current_limit,
        count_limit=count_limit,
    )
    _check(analog, reading, n_columns)
    return reading


def _asked_ps(read: Read, analog: Analog, levels: int) -> int:
    if analog.input_coding is InputCoding.BIT_SERIAL:
        return analog.bit_pulse.ps
    if analog.input_keeps is Keep.COUNTS:
        return read.point.pulse.ps
    return levels * analog.input_step.ps


def _counts(adc: Converter, drive: float, full_cell_ua: float) -> tuple[float, float, float]:
    """Counts per cell, largest current in cells, largest count."""
    if isinstance(adc, IdealConverter):
        return drive, math.inf, math.inf
    if adc.bits.n > _MOST_BITS:
        raise FieldError("analog.adc.bits", got=adc.bits.n, allowed=f"at most {_MOST_BITS}")
    if isinstance(adc, CountingConverter):
        current_limit = adc.saturation_current.u_a / full_cell_ua if full_cell_ua > 0 else math.inf
        return adc.counts_per_cell.ratio * drive, current_limit, 2.0**adc.bits.n - 1
    largest = 2.0 ** (adc.bits.n - 1) - 1
    return largest / adc.full_scale.ratio * drive, math.inf, largest


def _convert_ps(adc: Converter) -> int:
    """Time of a phase after its pulses, for all columns that share a converter."""
    return adc.columns.n * adc.conversion_ps if isinstance(adc, SamplingConverter) else 0


def _check(analog: Analog, reading: Reading, n_columns: int) -> None:
    adc = analog.adc
    if reading.pulse_ps <= 0:
        raise FieldError("analog.input_step", got=analog.input_step.given, allowed="above 0: a pulse takes time")
    if isinstance(adc, IdealConverter):
        return
    if n_columns % adc.columns.n:
        allowed = f"a divisor of core.columns = {n_columns}: every converter serves as many columns"
        raise FieldError("analog.adc.columns", got=adc.columns.n, allowed=allowed)
    if isinstance(adc, CountingConverter):
        needed = reading.current_limit * reading.counts_per_cell
        if needed > reading.count_limit:
            got = f"{adc.bits.n} bits, which hold {reading.count_limit:g} counts"
            allowed = (
                f"a counter for the {needed:.0f} counts of saturation_current = {adc.saturation_current.given} over a "
                f"pulse of {reading.pulse_ps / 1000:g} ns"
            )
            most = math.floor(10 * adc.counts_per_cell.ratio * reading.count_limit / needed) / 10
            bits = math.ceil(math.log2(needed + 1))
            hint = f"{bits} bits, counts_per_cell of at most {most:g}, a shorter pulse or a lower saturation_current"
            raise FieldError("analog.adc.bits", got=got, allowed=allowed, hint=hint)
    elif adc.bits.n < 2:
        raise FieldError("analog.adc.bits", got=adc.bits.n, allowed="at least 2, one of them the sign")


def factors_of_pulse(read: Read, analog: Analog) -> tuple[Quantity, ...]:
    """Config values that set the longest pulse."""
    if analog.input_coding is InputCoding.BIT_SERIAL:
        asked: tuple[Quantity, ...] = (analog.bit_pulse,)
    elif analog.input_keeps is Keep.COUNTS:
        asked = (read.point.pulse,)
    else:
        asked = (analog.input_bits, analog.input_step)
    asked_ps = _asked_ps(read, analog, 2 ** (analog.input_bits.n - 1) - 1)
    return (analog.input_dead_time,) if _DEAD_TIMES * analog.input_dead_time.ps > asked_ps else asked


def point_cell_pj(read: Read) -> float:
    """Energy of a mean cell in a phase of the published point, pJ: current times supply voltage times pulse."""
    point = read.point
    mean_ua = point.read_voltage.v * point.g_max.u_s * point.inputs.ratio * point.weights.ratio
    return mean_ua * point.supply_voltage.v * point.pulse.ps * _PJ_PER_V_UA_PS


def check_energies(read: Read, *, rows: int, columns: int) -> None:
    """Refuse energies of the published point that are less than their parts, for a full core of so many rows.

    Raises
    ------
    FieldError
        cells and drivers that take more than a phase, or pulses that take more than their drivers
    """
    phase_pj, cells_pj = read.phase_energy.pj, point_cell_pj(read) * rows * columns
    left_pj = phase_pj * (1 - read.drivers.ratio) - cells_pj
    if left_pj < 0:
        got = f"{cells_pj:.4g} pJ for the cells, {phase_pj * read.drivers.ratio:.4g} pJ for the drivers"
        allowed = f"at most phase_energy = {read.phase_energy.given} together"
        hint = "less in point.inputs, point.weights, point.pulse or drivers"
        raise FieldError("read.phase_energy", got=got, allowed=allowed, hint=hint)
    of_row_pj = phase_pj * read.drivers.ratio / rows
    if read.pulse_energy.pj > of_row_pj:
        allowed = f"at most the {of_row_pj:.4g} pJ that drivers x phase_energy leave for a row"
        raise FieldError("read.pulse_energy", got=read.pulse_energy.given, allowed=allowed)
