"""What a read of a core costs: time by phases and pulses; energy by cells, rows and conversions (docs/crossbar.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermes_sim.chip.analog import RangeScope
from hermes_sim.chip.converters import CountingConverter, IdealConverter, SamplingConverter
from hermes_sim.chip.cost import FREE, Cost, Term, term
from hermes_sim.chip.reading import factors_of_pulse, point_cell_pj

if TYPE_CHECKING:
    from hermes_sim.chip.core import Core
    from hermes_sim.chip.reading import Reading
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.quantity import Quantity

_PJ_PER_FJ = 1e-3  # V uA ns is fJ
_CELLS = "cells x current x supply voltage x longest pulse x phases"
_ROWS = "rows x phases x (a pulse + its length)"
_COUNTS = "columns x conversions x (share of the counts + share of the time)"
_STEPS = "columns x conversions x 2^bits x energy of a step"
_PULSE = (
    "phases x longest pulse: (2^(bits - 1) - 1) steps, or what input_coding, input_keeps and the dead time make of it"
)
_AFTER = "phases x columns in turn x time of a conversion"
_PHASES = "phases x time of each"


def read_cost(
    chip: Chip, n_rows: int, n_columns: int, *, n_cells: int | None = None, range_known: bool = False
) -> Cost:
    """One matrix-vector product: time of its phases, energy of the rows, columns and cells in use.

    Parameters
    ----------
    n_rows, n_columns : rows that are driven, columns of weights that are converted
    n_cells : weights at their crossings, all by default
    range_known : whether the range of the inputs need not be searched for, whatever the chip does with others
    """
    reading = chip.reading()
    read = chip.core.read
    cells = n_rows * n_columns if n_cells is None else n_cells
    energies = read_energies(chip.core, reading, n_rows, n_columns, cells)
    pulses_ps, after_ps = reading.phases * reading.pulse_ps, reading.phases * reading.convert_ps
    times = [
        term(read.time.ps, "crossbar", read.time),
        _formula(pulses_ps, "crossbar", _PULSE, *_pulse_factors(chip.core)),
        _formula(reading.phases * read.phase_time.ps, "crossbar", _PHASES, read.phase_time),
    ]
    if after_ps:
        times.append(_formula(after_ps, "crossbar", _AFTER, *_conversion_factors(chip.core)))
    busy_ps = sum(int(part.value) for part in times)
    search = FREE if range_known else _search(chip, n_rows)
    return Cost(busy_ps, busy_ps + search.latency_ps, (*search.times, *times), (*search.energies, *energies))


def read_energies(core: Core, reading: Reading, n_rows: int, n_columns: int, n_cells: int) -> tuple[Term, ...]:
    """Energy terms of a read, without the search for a range."""
    read = core.read
    terms = [term(read.energy.pj, "crossbar control", read.energy)]
    terms.append(_cells(core, reading, n_cells))
    terms.append(_drivers(core, reading, n_rows))
    terms += _converters(core, reading, n_columns, n_cells)
    if n_rows * n_columns == n_cells == core.reference_size.rows.n * core.reference_size.columns.n and _at_point(
        core, reading
    ):
        # a full core is as measured, whatever the split
        terms = [replace(each, kind=read.phase_energy.kind) for each in terms]
    return tuple(each for each in terms if each.value)


def read_pj(chip: Chip) -> float:
    """Energy of a read of a full core."""
    rows, columns = chip.core.rows.n, chip.core.columns.n // chip.reading().column_slices
    return sum(each.value for each in read_energies(chip.core, chip.reading(), rows, columns, rows * columns))


def verify_pj(chip: Chip, n_columns: int) -> float:
    """Energy of the converters of some columns in a whole read: what a verify read of single cells is charged."""
    found = _converters(chip.core, chip.reading(), n_columns, n_columns * chip.core.rows.n)
    return sum(each.value for each in found)


def _formula(value: float, component: str, formula: str, *factors: Quantity) -> Term:
    return replace(term(value, component, *factors), formula=formula)


def _pulse_factors(core: Core) -> tuple[Quantity, ...]:
    return factors_of_pulse(core.read, core.analog)


def _pulse_phases(reading: Reading) -> int:
    """Phases in which a cell conducts: of the columns that share a counter only those whose turn it is do."""
    return reading.phases // reading.turns


def _cells(core: Core, reading: Reading, n_cells: int) -> Term:
    analog, device, warm = core.analog, core.analog.device, core.analog.temperature
    mean_uS = device.range_uS * analog.activity.weights.ratio + device.lowest_uS
    mean_ua = analog.read_voltage.v * mean_uS * warm.mean_factor * analog.activity.inputs.ratio
    one_pj = mean_ua * analog.supply_voltage.v * reading.pulse_ps / 1e3 * _PJ_PER_FJ
    value = one_pj * n_cells * reading.column_slices * _pulse_phases(reading)
    factors = (analog.supply_voltage, analog.read_voltage, analog.activity.inputs, analog.activity.weights)
    conductance = (*device.conductance_factors, *warm.factors)
    return _formula(value, "crossbar array", _CELLS, *factors, *conductance, *_pulse_factors(core))


def _drivers(core: Core, reading: Reading, n_rows: int) -> Term:
    read = core.read
    of_row_pj = read.phase_energy.pj * read.drivers.ratio / core.reference_size.rows.n
    length = reading.pulse_ps / read.point.pulse.ps
    one_pj = read.pulse_energy.pj + (of_row_pj - read.pulse_energy.pj) * length
    factors = (read.phase_energy, read.drivers, read.pulse_energy, read.point.pulse, *_pulse_factors(core))
    return _formula(one_pj * n_rows * reading.phases, "crossbar drivers", _ROWS, *factors)


def _converters(core: Core, reading: Reading, n_columns: int, n_cells: int) -> list[Term]:
    conversions = n_columns * reading.column_slices * _pulse_phases(reading)
    adc = core.analog.adc
    if isinstance(adc, IdealConverter):
        return []
    if not isinstance(adc, CountingConverter):
        value = conversions * 2.0**adc.bits.n * adc.step_energy.pj
        return [_formula(value, "crossbar converters", _STEPS, adc.bits, adc.step_energy)]
    read, point, analog = core.read, core.read.point, core.analog
    of_column_pj = _point_converters_pj(core) / core.reference_size.columns.n
    length = reading.pulse_ps / point.pulse.ps
    charge = (
        reading.counts_per_cell
        / point.counts_per_cell.ratio
        * (analog.activity.inputs.ratio / point.inputs.ratio)
        * (analog.activity.weights.ratio / point.weights.ratio)
        * analog.temperature.mean_factor
    )
    rows = n_cells / n_columns / core.reference_size.rows.n if n_columns else 0.0
    share = adc.counting.ratio
    one_pj = of_column_pj * (share * charge * rows + (1 - share) * length)
    cells_at_point = (point.pulse, point.supply_voltage, point.read_voltage, point.g_max, point.inputs, point.weights)
    measured = (read.phase_energy, read.drivers, *cells_at_point, point.counts_per_cell)
    now = (analog.read_voltage, analog.device.g_max, analog.activity.inputs, analog.activity.weights)
    factors = (*measured, *now, *analog.temperature.factors, adc.counting, adc.counts_per_cell, *_pulse_factors(core))
    return [_formula(conversions * one_pj, "crossbar converters", _COUNTS, *factors)]


def _point_converters_pj(core: Core) -> float:
    """Energy that cells and drivers leave of a phase of a full core at the published point."""
    size = core.reference_size
    cells_pj = point_cell_pj(core.read) * size.rows.n * size.columns.n
    return core.read.phase_energy.pj * (1 - core.read.drivers.ratio) - cells_pj


def _conversion_factors(core: Core) -> tuple[Quantity, ...]:
    adc = core.analog.adc
    if isinstance(adc, IdealConverter):
        return ()
    return (adc.columns, adc.bits, *(adc.conversion_times if isinstance(adc, SamplingConverter) else ()))


def _at_point(core: Core, reading: Reading) -> bool:
    """Whether a core is read as it was where the energies were published."""
    analog, point = core.analog, core.read.point
    pairs = (
        (analog.supply_voltage, point.supply_voltage),
        (analog.read_voltage, point.read_voltage),
        (analog.activity.inputs, point.inputs),
        (analog.activity.weights, point.weights),
    )
    same = all(one.value == other.value for one, other in pairs) and reading.pulse_ps == point.pulse.ps
    same = same and reading.phases == reading.sign_phases
    same = same and analog.device.range_uS == point.g_max.u_s and not analog.temperature.factors
    adc = analog.adc
    return same and isinstance(adc, CountingConverter) and adc.counts_per_cell.ratio == point.counts_per_cell.ratio


def _search(chip: Chip, n_rows: int) -> Cost:
    """The search for the range of a vector, while the read of the one before goes on."""
    how = chip.core.analog.range
    if how.per is not RangeScope.VECTOR:
        return FREE
    time_ps = chip.clock.cycles_ps(-(-n_rows // how.search_lanes.n))
    return Cost(
        time_ps,
        time_ps,
        (term(time_ps, "range search", chip.clock, how.search_lanes),),
        (term(n_rows * how.search_energy.pj, "range search", how.search_energy),),
    )
