"""What stands beside a result of changed reads: fields that act on nothing here, pulses that had to be longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.chip.analog import InputCoding, Keep, RangeScope
from hermes_sim.chip.core import OutputFormat
from hermes_sim.chip.costs import ldpu_cost
from hermes_sim.chip.device import CellKind
from hermes_sim.cli.console import error_console
from hermes_sim.config.vocabulary import ReadMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hermes_sim.chip.schema import Chip
    from hermes_sim.result import Metrics

_A = "core.analog."
# Field, when it acts on nothing, and why.
_INACTIVE: tuple[tuple[str, Callable[[Chip], bool], str], ...] = (
    (f"{_A}bit_pulse", lambda c: c.core.analog.input_coding is InputCoding.PULSE_WIDTH, "input_coding is pulse_width"),
    (f"{_A}input_step", lambda c: c.core.analog.input_coding is InputCoding.BIT_SERIAL, "input_coding is bit_serial"),
    (f"{_A}input_step", lambda c: c.core.analog.input_keeps is Keep.COUNTS, "input_keeps is counts"),
    (f"{_A}input_keeps", lambda c: c.core.analog.input_coding is InputCoding.BIT_SERIAL, "input_coding is bit_serial"),
    (f"{_A}polarity_error", lambda c: c.read_mode is ReadMode.FOUR_PHASE, "read_mode is four_phase"),
    (f"{_A}adc.four_phase_noise", lambda c: c.read_mode is ReadMode.ONE_PHASE, "read_mode is one_phase"),
    (f"{_A}adc.noise", lambda c: c.read_mode is ReadMode.FOUR_PHASE, "read_mode is four_phase: see four_phase_noise"),
    (f"{_A}range.search_", lambda c: c.core.analog.range.per is not RangeScope.VECTOR, "range.per is not vector"),
    (f"{_A}range.vectors", lambda c: c.core.analog.range.per is not RangeScope.VECTOR, "range.per is not vector"),
    (f"{_A}device.statistics", lambda c: c.core.analog.device.model is not CellKind.PCM, "device.model is not pcm"),
    (f"{_A}device.levels", lambda c: c.core.analog.device.model is not CellKind.LEVELS, "device.model is not levels"),
    ("core.output.full_scale", lambda c: c.core.output.format is OutputFormat.FP16, "core.output.format is fp16"),
    ("core.output.partial_sums", lambda c: c.core.output.format is OutputFormat.FP16, "core.output.format is fp16"),
)  # fmt: skip
# Fields that only what a read returns depends on.
_VALUES_ONLY = (
    "input_dead_time", "polarity_error", "wire_resistance", "weight_limit", "fit_to_converter", "inference_time",
    "compensation_time", "stuck_cells", "device.statistics", "device.read_time", "adc.noise", "adc.four_phase_noise",
    "adc.gain_spread", "adc.offset_spread", "adc.cubic_loss", "adc.rounding", "adc.calibrated_counts",
    "adc.saturation_current", "range.policy", "range.value",
)  # fmt: skip


def note_reads(chip: Chip, settings: Sequence[str], metrics: Metrics | None = None) -> None:
    """Say on standard error what a reader of a result would not see in it.

    settings : ``FIELD=VALUE``, as given
    """
    for text in _notes(chip, [setting.partition("=")[0].strip() for setting in settings], metrics):
        error_console.print(f"note: {text} (docs/crossbar.md)", highlight=False, soft_wrap=True)


def _notes(chip: Chip, fields: Sequence[str], metrics: Metrics | None) -> Iterator[str]:
    for field in fields:
        name = field.removeprefix("arch.")
        inactive = next((why for path, acts_not, why in _INACTIVE if name.startswith(path) and acts_not(chip)), None)
        values_only = name.startswith(_A) and name.removeprefix(_A).startswith(_VALUES_ONLY)
        if inactive is not None:
            yield f"{name}: it changes nothing here, since {inactive}"
        elif values_only and metrics is not None and metrics.accuracy is None:
            yield f"{name}: what a read returns depends on it, and this result has no accuracy: it changed nothing"
    reading = chip.reading()
    if reading.is_lengthened:
        yield (
            f"full pulses of {reading.asked_ps / 1000:g} ns are lengthened to {reading.pulse_ps / 1000:g} ns, twice "
            "the dead time of the inputs; time, energy and counts are those of the longer ones"
        )
    columns = chip.core.weight_columns
    read_ps, ldpu_ps = reading.read_ps(chip.core.read), ldpu_cost(chip, columns).interval_ps
    if read_ps < ldpu_ps and any(
        field.removeprefix("arch.").startswith(("core.analog", "core.read")) for field in fields
    ):
        yield (
            f"a read takes {read_ps / 1000:g} ns and the LDPU behind it {ldpu_ps / 1000:g} ns for {columns} columns: "
            "cores with full columns are bound by their LDPU"
        )
