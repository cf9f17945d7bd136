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
    """What leaves a core: counts, made numbers by the LDPU in FP16, then in this format."""

    format: Annotated[OutputFormat, Field(strict=False)]
    """Number format of results on their way to other cores and units; bytes on the links follow."""
    full_scale: Ratio
    """Largest number of `int8`, in standard deviations of a matrix' outputs on calibration data; without effect on
    fp16.
    """
    partial_sums: Annotated[PartialSums, Field(strict=False)]
    """Whether partial sums of cut rows are added before they get the format, or after it."""


class Port(Section):
    """A core's way in or out."""

    width: PositiveBytes
    """Data moved per cycle of the core's clock."""
    energy: EnergyPerByte
    """What moving a byte through the port costs."""


class Ldpu(Section):
    """Local digital processing unit: per-column affine in FP16, ReLU, partial-sum additions."""

    lanes: Positive
    """Columns that are worked on at once: a group."""
    group_time: Time
    """Time of the affine (scale, offset, ReLU) of one group of `lanes` columns."""
    add_group_time: Time
    """Time of one addition of partial sums of one group."""
    affine_energy: Energy
    """Energy of the affine of one column."""
    add_energy: Energy
    """Energy of one addition."""


class Programming(Section):
    """Writing weights: a diagonal (one device per bit and source line) at a time, pulse and verify until it fits.

    Every device in use (`analog.device.devices` per polarity) gets a RESET pulse, then `iterations` tuning pulses on
    average, each followed by a verify read of the diagonal. Half of these devices, those of the other polarity, stay
    RESET. What a cell has beyond them was RESET once and for all before, and gets no pulse.
    """

    cycles_per_diagonal: Positive
    """Pulses one after the other that reach all cells of a diagonal, per polarity and device."""
    polarities: Positive
    """Polarities of a cell, programmed one after the other."""
    reset_time: Time
    """Length of a RESET pulse."""
    reset_current: Current
    """Current of a RESET pulse."""
    pulse_time: Time
    """Length of a tuning pulse."""
    pulse_current: Current
    """Mean current of a tuning pulse."""
    voltage: Voltage
    """Supply from which the pulses draw their current."""
    iterations: Positive
    """Tuning pulses of a device until it fits, on average."""
    verify_time: Time
    """Time of the read of a diagonal that follows a pulse."""
    parallel_cores: Positive
    """Cores that are programmed at once."""


class KnownVectors(Section):
    """Known vectors that are read and compared with what they gave: for one scale of a core that undoes its drift, or
    for gains and offsets of its converters.
    """

    vectors: Positive
    """How many known vectors are read."""


class ReferenceSize(Section):
    """Size of the core whose area and read energies a file gives; other sizes are scaled from it."""

    rows: Positive
    """Rows of that core."""
    columns: Positive
    """Columns of that core."""
    cell_devices: Positive
    """Devices per polarity of its cells."""
    ldpu_lanes: Positive
    """Lanes of its LDPU."""


class AreaSplit(Section):
    """Shares of the area of a core of the reference size; what they leave is control, buffers and ports."""

    array: Fraction
    """Share of the cells; grows with rows, columns and devices of a cell."""
    drivers: Fraction
    """Share of the drivers of the rows; grows with the rows."""
    converters: Fraction
    """Share of the converters; grows with the columns, over those that share one."""
    ldpu: Fraction
    """Share of the LDPU; grows with its lanes."""

    @model_validator(mode="after")
    def _leaves_a_rest(self) -> AreaSplit:
        _refuse_more_than_all(array=self.array, drivers=self.drivers, converters=self.converters, ldpu=self.ldpu)
        return self


class Core(Section):
    """One analog core: crossbar with converters, LDPU, ports and buffers."""

    rows: Positive
    """Rows of the crossbar: inputs of a read."""
    columns: Positive
    """Columns of the crossbar: outputs of a read."""
    reference_size: ReferenceSize
    """Size of the core for which `area` and the energies of `read` are given."""
    area: Area
    """Area of a full core of `reference_size`."""
    area_split: AreaSplit
    """How the area divides, so that cores of other sizes can be scaled."""
    read: Read
    """Time and energy of a matrix-vector product of a full core of `reference_size`."""
    input_port: Port
    """How input vectors get into the core."""
    output_port: Port
    """How results leave the core."""
    shared_reads: Annotated[SharedReads, Field(strict=False)]
    """Which blocks of the core are read at once."""
    output: Output
    """Number format of results."""
    ldpu: Ldpu
    """The digital unit behind the converters."""
    input_buffers: Positive
    """Input vectors that the core holds, the one being read included."""
    output_buffers: Positive
    """Results that wait in the core to be sent."""
    static_power: Power
    """Power drawn all the time, beside what a read takes."""
    programming: Programming | None = None
    """Writing of weights, for workloads whose life cycle programs them; left out: no such life cycle."""
    compensation: KnownVectors | None = None
    """Reads of known vectors for the one scale of a core that undoes its drift; left out: no such life cycle."""
    calibration: KnownVectors | None = None
    """Reads of known vectors for gain and offset of every converter; left out: no such life cycle."""
    analog: Analog
    """Cells, inputs and converters: what a read costs and what it returns."""

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
