"""Everything the crossbar numerics need, as plain numbers; the chip file holds them with unit, kind and source."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermes_sim.chip.analog import RangePolicy, RangeScope
from hermes_sim.chip.converters import CountingConverter, IdealConverter, Rounding
from hermes_sim.chip.core import OutputFormat, PartialSums
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.device.cells import device_spec, warmth_of
from hermes_sim.device.spec import AS_PROGRAMMED, CellModel, Warmth
from hermes_sim.errors import DeviceModelError, nearest

if TYPE_CHECKING:
    from hermes_sim.chip.converters import Converter
    from hermes_sim.chip.core import Core
    from hermes_sim.chip.reading import Reading

# Largest cubic loss: beyond a third the transfer would turn back below its saturation.
MAX_CUBIC_FRAC = 1 / 3

# Parts of the longest pulse to which pulses are rounded, at most.
_FINEST = 1024


@dataclass(frozen=True)
class Effects:
    """Which imperfections are on. All off gives the float64 product to rounding."""

    weight_clipping: bool = True
    weight_quantisation: bool = True
    programming: bool = True
    stuck_cells: bool = True
    temperature: bool = True
    drift: bool = True
    drift_compensation: bool = True
    cell_read_noise: bool = True
    polarity: bool = True
    ir_drop: bool = True
    input_quantisation: bool = True
    input_clipping: bool = True
    input_dead_time: bool = True
    adc_gain: bool = True
    adc_offset: bool = True
    adc_noise: bool = True
    adc_nonlinearity: bool = True
    adc_saturation: bool = True
    adc_quantisation: bool = True
    ldpu_fp16: bool = True
    output_format: bool = True

    @classmethod
    def none(cls) -> Effects:
        """Every effect off."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, False))

    @classmethod
    def device_only(cls) -> Effects:
        """Only what the cells do; no weight too large for them, ideal converters."""
        return replace(
            cls.none(),
            programming=True,
            stuck_cells=True,
            temperature=True,
            drift=True,
            drift_compensation=True,
            cell_read_noise=True,
        )

    @classmethod
    def of(cls, text: str) -> Effects:
        """Effects of ``none``, ``all``, or a comma list of those that are on.

        Raises
        ------
        DeviceModelError
            an unknown name, or one beside ``none`` or ``all``
        """
        names = [name.strip() for name in text.split(",")]
        whole = {"none": cls.none(), "all": cls()}
        if len(names) == 1 and names[0] in whole:
            return whole[names[0]]
        known = list(cls.__dataclass_fields__)
        for name in names:
            if name not in known:
                allowed = f"none alone, all alone, or a comma list of {', '.join(known)}"
                hint = "" if name in whole else nearest(name.lower(), [*whole, *known])
                raise DeviceModelError("effects", got=repr(text if name in whole else name), allowed=allowed, hint=hint)
        return replace(cls.none(), **dict.fromkeys(names, True))

    @property
    def names(self) -> tuple[str, ...]:
        """Effects that are on."""
        return tuple(name for name in self.__dataclass_fields__ if getattr(self, name))

    def named(self) -> str | tuple[str, ...]:
        """``all``, ``none``, or the names of those that are on."""
        return "all" if self == Effects() else self.names or "none"

    def without(self, *names: str) -> Effects:
        """The same with some effects off."""
        return replace(self, **dict.fromkeys(names, False))


@dataclass(frozen=True)
class CrossbarSpec:
    """One analog core.

    Parameters
    ----------
    rows, columns : size of the crossbar
    device : one polarity of a unit cell
    inference_s, compensation_s : time after programming of the inference, and of the last drift compensation
    stuck_frac : share of cells (per polarity) that cannot be programmed
    input_levels : longest pulse in steps (127 for 8 signed bits, 1 for a bit)
    input_dead_levels : pulse-width steps that every pulse loses while its word line rises
    range_batch : consecutive vectors that share one input range, where it is searched for
    range_policy, range_per, range_value : how the input that gets a full pulse is found, see `core.analog.range`
    counts_per_cell : ADC counts that one cell at g_max gives with a full input pulse
    adc_noise_counts, adc_four_phase_noise_counts : standard deviation of one conversion in either read mode
    adc_gain_sd, adc_offset_sd_counts : spread over the columns left after calibration
    adc_cubic_frac : loss of gain at the saturation current, growing with the square of the current; at most a third
    adc_saturation_counts : counts at the largest current that the converter follows, over the longest pulse; infinite
        where any current is held
    weight_limit_sd : largest representable weight in standard deviations of the block (0: its largest weight)
    inference_warmth, compensation_warmth : how much warmer than at programming it is then
    adc_count_limit : largest count; adc_counts : whether there are counts, or an exact number; adc_toward_zero :
        whether only finished counts count; adc_calibrated_counts : counts of the largest output of calibration data,
        0 where the gain is not set by it
    planes : bits of an input that have pulses and conversions of their own; 1 for one pulse
    polarity_frac : what conductances lose at negative read voltage
    wire_ohm : resistance of a line per cell; activity_inputs : mean pulse over all rows, of the longest
    weight_bits, slice_bits : of a weight with its sign, and of each of its slices; 0 for weights that are not cut
    cell_slices, column_slices : slices of a weight in cells of one column, and in columns beside each other
    fit_to_converter : whether weights are scaled to the range of the converters
    output_int8 : whether 8 bits leave a core, else FP16; output_full_sd : the largest number in standard deviations of
        the outputs; output_after : whether partial sums have this format before they are added
    """

    rows: int
    columns: int
    device: CellModel
    inference_s: float
    compensation_s: float
    stuck_frac: float
    input_levels: int
    input_dead_levels: float
    range_batch: int
    counts_per_cell: float
    adc_noise_counts: float
    adc_four_phase_noise_counts: float
    adc_gain_sd: float
    adc_offset_sd_counts: float
    adc_cubic_frac: float
    adc_saturation_counts: float
    weight_limit_sd: float
    inference_warmth: Warmth = AS_PROGRAMMED
    compensation_warmth: Warmth = AS_PROGRAMMED
    adc_count_limit: float = math.inf
    adc_counts: bool = True
    adc_toward_zero: bool = False
    adc_calibrated_counts: float = 0.0
    planes: int = 1
    polarity_frac: float = 0.0
    wire_ohm: float = 0.0
    activity_inputs: float = 0.5
    weight_bits: int = 0
    slice_bits: int = 0
    cell_slices: int = 1
    column_slices: int = 1
    fit_to_converter: bool = False
    output_int8: bool = False
    output_full_sd: float = 4.0
    output_after: bool = False
    range_policy: RangePolicy = RangePolicy.LARGEST
    range_per: RangeScope = RangeScope.VECTOR
    range_value: float = 0.0
    effects: Effects = Effects()

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "input_levels", "range_batch", "counts_per_cell", "output_full_sd"):
            _check(name, getattr(self, name), above=0)
        for name in ("adc_saturation_counts", "adc_count_limit"):
            if not getattr(self, name) > 0:
                raise DeviceModelError(_where(name), got=getattr(self, name), allowed="a number above 0")
        for name in (
            "inference_s",
            "adc_noise_counts",
            "adc_four_phase_noise_counts",
            "adc_gain_sd",
            "adc_offset_sd_counts",
            "adc_calibrated_counts",
            "weight_limit_sd",
            "wire_ohm",
        ):
            _check(name, getattr(self, name), low=0)
        for name in ("stuck_frac", "polarity_frac", "activity_inputs"):
            _check(name, getattr(self, name), low=0, high=1)
        _check("adc_cubic_frac", self.adc_cubic_frac, low=0, high=MAX_CUBIC_FRAC)
        _check("compensation_s", self.compensation_s, low=0, high=self.inference_s)
        _check("input_dead_levels", self.input_dead_levels, low=0)
        if self.input_dead_levels >= self.input_levels:
            raise DeviceModelError(
                _where("input_dead_levels"),
                got=f"a dead time of {self.input_dead_levels:g} steps, a longest pulse of {self.input_levels}",
                allowed="a dead time shorter than the longest pulse, 2^(input_bits - 1) - 1 steps: else no input acts",
            )

    @property
    def slices(self) -> int:
        """Slices of a weight."""
        return self.cell_slices * self.column_slices

    @property
    def slice_factors(self) -> tuple[float, ...]:
        """What a count of each slice of a weight is worth beside one of the first."""
        return tuple(float((2 * (2**self.slice_bits - 1)) ** -cut) for cut in range(self.slices))

    @property
    def plane_worth(self) -> float:
        """The largest input in its first bit; 1 for one pulse."""
        return float((2**self.planes - 1) / 2 ** (self.planes - 1))

    @property
    def largest_input(self) -> int:
        """Steps of the largest input."""
        return int(self.input_levels * (2**self.planes - 1))

    @property
    def weight_columns(self) -> int:
        """Weights that fit side by side."""
        return self.columns // self.column_slices

    @property
    def used_columns(self) -> int:
        """Columns of the crossbar that hold weights."""
        return self.weight_columns * self.column_slices

    @property
    def current_limit_cells(self) -> float:
        """Largest current that the converters follow, in cells at g_max."""
        return self.adc_saturation_counts / self.counts_per_cell

    def negative(self, mode: ReadMode) -> float:
        """Conductance at negative read voltage of that at positive, which alone four-phase reads have."""
        polar = self.effects.polarity and mode is ReadMode.ONE_PHASE
        return 1.0 - self.polarity_frac if polar else 1.0

    @property
    def _finest_steps(self) -> int:
        """Parts of a step to which pulses are rounded: an eighth of one of 127, as fine in time for others."""
        return 1 << max(0, math.floor(math.log2(_FINEST / self.input_levels)))

    def width_steps(self, mode: ReadMode) -> int:
        """Parts of a pulse-width step in which all pulses are whole numbers: a power of two."""
        if not self.effects.input_quantisation:
            return 1
        finest = self._finest_steps
        if self.negative(mode) != 1:
            return finest
        n = 1
        while n < finest and not (n * self.dead_levels).is_integer():
            n *= 2
        return n

    @property
    def dead_levels(self) -> float:
        """Dead time as it acts, to the nearest eighth of a step (of 127) where inputs are quantised."""
        if not self.effects.input_dead_time:
            return 0.0
        if not self.effects.input_quantisation:
            return self.input_dead_levels
        return round(self.input_dead_levels * self._finest_steps) / self._finest_steps

    def noise_counts(self, mode: ReadMode) -> float:
        """Standard deviation of one conversion in a read mode."""
        return self.adc_noise_counts if mode is ReadMode.ONE_PHASE else self.adc_four_phase_noise_counts

    def with_effects(self, effects: Effects) -> CrossbarSpec:
        """The same core with other imperfections switched on."""
        return replace(self, effects=effects)

    def ideal(self) -> CrossbarSpec:
        """The same core without any imperfection."""
        return self.with_effects(Effects.none())


# Fields of the chip file behind the numbers of a crossbar.
_FIELDS = {
    "input_levels": "core.analog.input_bits",
    "input_dead_levels": "core.analog.input_dead_time",
    "range_batch": "core.analog.range.vectors",
    "stuck_frac": "core.analog.stuck_cells",
    "inference_s": "core.analog.inference_time",
    "compensation_s": "core.analog.compensation_time",
    "weight_limit_sd": "core.analog.weight_limit",
    "counts_per_cell": "core.analog.adc.counts_per_cell",
    "adc_noise_counts": "core.analog.adc.noise",
    "adc_four_phase_noise_counts": "core.analog.adc.four_phase_noise",
    "adc_gain_sd": "core.analog.adc.gain_spread",
    "adc_offset_sd_counts": "core.analog.adc.offset_spread",
    "adc_cubic_frac": "core.analog.adc.cubic_loss",
    "adc_saturation_counts": "core.analog.adc.saturation_current",
    "adc_count_limit": "core.analog.adc.bits",
    "adc_calibrated_counts": "core.analog.adc.calibrated_counts",
    "polarity_frac": "core.analog.polarity_error",
    "wire_ohm": "core.analog.wire_resistance",
    "activity_inputs": "core.analog.activity.inputs",
    "output_full_sd": "core.output.full_scale",
}


def _where(name: str) -> str:
    return f"crossbar {name} ({_FIELDS[name]})" if name in _FIELDS else name


def _check(
    name: str, value: float, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
) -> None:
    """Refuse a number that is not finite or lies outside of its limits."""
    if math.isfinite(value) and low <= value <= high and value > above:
        return
    start = f"above {above:g}" if above > -math.inf else f"from {low:g}"
    end = f" to {high:g}" if high < math.inf else ""
    raise DeviceModelError(_where(name), got=value, allowed=f"a finite number {start}{end}")


def core_crossbar(core: Core, *, effects: Effects | None = None) -> CrossbarSpec:
    """Crossbar of a chip's core: plain numbers from the chip file's `core.analog` section.

    Raises    DeviceModelError  for values with which the model does not hold
    """
    analog, reading = core.analog, core.reading(ReadMode.ONE_PHASE)
    slices = analog.slices
    _check("core.analog.read_voltage", analog.read_voltage.v, above=0)
    inference_warmth, compensation_warmth = warmth_of(analog.temperature)
    adc = analog.adc
    if isinstance(adc, IdealConverter):
        errors = dict.fromkeys(_ADC_ERRORS, 0.0)
    else:
        found = (adc.noise, adc.four_phase_noise, adc.gain_spread, adc.offset_spread, adc.cubic_loss)
        errors = dict(zip(_ADC_ERRORS, (quantity.ratio for quantity in found), strict=True))
    return CrossbarSpec(
        rows=core.rows.n,
        columns=core.columns.n,
        device=device_spec(analog.device),
        inference_s=analog.inference_time.s,
        compensation_s=analog.compensation_time.s,
        stuck_frac=analog.stuck_cells.ratio,
        input_levels=reading.input_levels,
        input_dead_levels=reading.dead_ps / reading.step_ps,
        range_batch=analog.range.vectors.n,
        counts_per_cell=reading.counts_per_cell,
        adc_saturation_counts=reading.current_limit * reading.counts_per_cell,
        weight_limit_sd=analog.weight_limit.ratio,
        inference_warmth=inference_warmth,
        compensation_warmth=compensation_warmth,
        adc_count_limit=reading.count_limit,
        adc_counts=not isinstance(adc, IdealConverter),
        adc_toward_zero=not isinstance(adc, IdealConverter) and adc.rounding is Rounding.TOWARD_ZERO,
        adc_calibrated_counts=_calibrated_counts(adc, reading),
        planes=reading.planes,
        polarity_frac=analog.polarity_error.ratio,
        wire_ohm=analog.wire_resistance.ohm,
        activity_inputs=analog.activity.inputs.ratio,
        cell_slices=reading.cell_slices,
        column_slices=reading.column_slices,
        fit_to_converter=analog.fit_to_converter,
        output_int8=core.output.format is OutputFormat.INT8,
        output_full_sd=core.output.full_scale.ratio,
        output_after=core.output.partial_sums is PartialSums.AFTER,
        range_policy=analog.range.policy,
        range_per=analog.range.per,
        range_value=0.0 if analog.range.value is None else analog.range.value.ratio,
        weight_bits=0 if slices is None else slices.weight_bits.n,
        slice_bits=0 if slices is None else slices.bits.n,
        effects=effects or Effects(),
        **errors,
    )


def _calibrated_counts(adc: Converter, reading: Reading) -> float:
    """Counts of the largest output; a counter has the share that pulses, voltage and cells have of its read point."""
    if isinstance(adc, IdealConverter) or not adc.calibrated_counts:
        return 0.0
    gain = adc.counts_per_cell.ratio if isinstance(adc, CountingConverter) else 0.0
    drive = reading.counts_per_cell / gain if gain > 0 else 1.0  # a gain of 0 is refused elsewhere
    return adc.calibrated_counts.ratio * drive


_ADC_ERRORS = (
    "adc_noise_counts",
    "adc_four_phase_noise_counts",
    "adc_gain_sd",
    "adc_offset_sd_counts",
    "adc_cubic_frac",
)
