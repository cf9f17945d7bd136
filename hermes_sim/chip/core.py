"""What a chip file may say about a core: size, area, read, ports, LDPU, programming; cells in `analog`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from hermes_sim.chip.analog import Analog, Read, SliceOrder
from hermes_sim.chip.area import AreaPart
from hermes_sim.chip.converters import CountingConverter, IdealConverter
from hermes_sim.chip.reading import Reading, check_energies, reading_of
from hermes_sim.config.section import (
    Area,
    Current,
    Energy,
    EnergyPerByte,
    Fraction,
    Positive,
    PositiveBytes,
    Power,
    Ratio,
    Section,
    Time,
    Voltage,
)
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.errors import FieldError

if TYPE_CHECKING:
    from hermes_sim.config.quantity import Quantity


def _refuse_more_than_all(**shares: Quantity) -> None:
    """Shares of a whole may not add up to more than 1."""
    whole = sum(share.ratio for share in shares.values())
    if whole > 1:
        got = " + ".join(f"{share.ratio:g}" for share in shares.values())
        allowed = f"{', '.join(shares)} that may not add up to more than 1"
        raise FieldError("", got=f"{got} = {whole:g}", allowed=allowed)


class OutputFormat(StrEnum):
    """Number format of what leaves a core."""

    FP16 = "fp16"
    INT8 = "int8"


class PartialSums(StrEnum):
    """Whether partial sums of cut rows are added before they get the output format, or after it."""

    BEFORE = "before"
    AFTER = "after"


class SharedReads(StrEnum):
    """Which blocks of a core are read at once.

    none: each by itself. same_input: those on the same rows that take the same vector. block_diagonal: those on rows
    and columns of their own, too, with vectors of their own.
    """

    NONE = "none"
    SAME_INPUT = "same_input"
    BLOCK_DIAGONAL = "block_diagonal"


class Output(Section):
    """What leaves a core: counts, made numbers by the LDPU in FP16, then in this format.

    `full_scale` is the largest number of the format int8, in standard deviations of a matrix' outputs on calibration
    data.
    """

    format: Annotated[OutputFormat, Field(strict=False)]
    full_scale: Ratio
    partial_sums: Annotated[PartialSums, Field(strict=False)]


class Port(Section):
    """A core's way in or out: bytes moved per core clock cycle, and what a byte costs."""

    width: PositiveBytes
    energy: EnergyPerByte


class Ldpu(Section):
    """Local digital processing unit: per-column affine in FP16, ReLU, partial-sum additions.

    `lanes` columns take `group_time` for the affine and `add_group_time` for an addition.
    """

    lanes: Positive
    group_time: Time
    add_group_time: Time
    affine_energy: Energy
    add_energy: Energy


class Programming(Section):
    """Writing weights: a diagonal (one device per bit and source line) at a time, pulse and verify until it fits.

    Every device in use (`analog.device.devices` per polarity) gets a RESET pulse, then `iterations` tuning pulses on
    average, each followed by a verify read of the diagonal. Half of these devices, those of the other polarity, stay
    RESET. What a cell has beyond them was RESET once and for all before, and gets no pulse.
    """

    cycles_per_diagonal: Positive
    polarities: Positive
    reset_time: Time
    reset_current: Current
    pulse_time: Time
    pulse_current: Current
    voltage: Voltage
    iterations: Positive
    verify_time: Time
    parallel_cores: Positive


class KnownVectors(Section):
    """Known vectors that are read and compared with what they gave: for one scale of a core that undoes its drift, or
    for gains and offsets of its converters.
    """

    vectors: Positive


class ReferenceSize(Section):
    """Size of the core whose area and read energies a file gives; other sizes are scaled from it."""

    rows: Positive
    columns: Positive
    cell_devices: Positive
    ldpu_lanes: Positive


class AreaSplit(Section):
    """Shares of the area of a core of the reference size; what they leave is control, buffers and ports."""

    array: Fraction
    drivers: Fraction
    converters: Fraction
    ldpu: Fraction

    @model_validator(mode="after")
    def _leaves_a_rest(self) -> AreaSplit:
        _refuse_more_than_all(array=self.array, drivers=self.drivers, converters=self.converters, ldpu=self.ldpu)
        return self


class Core(Section):
    """One analog core: crossbar with converters, LDPU, ports and buffers.

    `area` and the energies of `read` are those of a full core of `reference_size`. `calibration` of the converters
    reads known vectors, as `compensation` of the drift does.
    """

    rows: Positive
    columns: Positive
    reference_size: ReferenceSize
    area: Area
    area_split: AreaSplit
    read: Read
    input_port: Port
    output_port: Port
    shared_reads: Annotated[SharedReads, Field(strict=False)]
    output: Output
    ldpu: Ldpu
    input_buffers: Positive
    output_buffers: Positive
    static_power: Power
    programming: Programming | None = None
    compensation: KnownVectors | None = None
    calibration: KnownVectors | None = None
    analog: Analog

    @model_validator(mode="after")
    def _can_be_read(self) -> Core:
        for mode in ReadMode:
            self.reading(mode)
        size = self.reference_size
        check_energies(self.read, rows=size.rows.n, columns=size.columns.n)
        return self

    def reading(self, mode: ReadMode) -> Reading:
        """How the core is read in a mode."""
        return reading_of(self.read, self.analog, mode, n_columns=self.columns.n)

    def area_parts(self) -> list[AreaPart]:
        """Parts of the area; a core of the reference size is as large as published, whatever the split.

        In one of another size the array grows with rows, columns and devices of a cell, drivers with rows, converters
        with columns over those that share one, the LDPU with its lanes; the rest (control, buffers, ports) stays.
        Converters of other kinds than counters bring their own area.
        """
        given, split, adc = self.reference_size, self.area_split, self.analog.adc
        sizes = (
            (self.rows, given.rows),
            (self.columns, given.columns),
            (self.analog.device.cell_devices, given.cell_devices),
            (self.ldpu.lanes, given.ldpu_lanes),
        )
        is_published = isinstance(adc, CountingConverter) and adc.columns.n == 1
        if is_published and all(size.n == reference.n for size, reference in sizes):
            return [AreaPart("core", (self.area,))]
        rows, columns, devices, lanes = sizes
        shares = {
            "array": (split.array, (rows, columns, devices)),
            "drivers": (split.drivers, (rows,)),
            "ldpu": (split.ldpu, (lanes,)),
        }
        parts = [
            AreaPart(name, (self.area, share, *(size for size, _ in grows)), tuple(reference for _, reference in grows))
            for name, (share, grows) in shares.items()
        ]
        if isinstance(adc, CountingConverter):
            parts.append(
                AreaPart("converters", (self.area, split.converters, self.columns), (given.columns, adc.columns))
            )
        elif not isinstance(adc, IdealConverter):
            parts.append(AreaPart("converters", (adc.area, self.columns), (adc.columns,)))
        rest_of = (split.array, split.drivers, split.converters, split.ldpu)
        return [*parts, AreaPart("rest", (self.area,), rest_of=rest_of)]

    @property
    def weight_columns(self) -> int:
        """Columns of weights that fit side by side: fewer than columns where a weight is cut over several."""
        slices = self.analog.slices
        return self.columns.n // (slices.count if slices is not None and slices.over is SliceOrder.COLUMNS else 1)

    @property
    def area_mm2(self) -> float:
        """Area of one core of this size."""
        return sum(part.mm2 for part in self.area_parts())
