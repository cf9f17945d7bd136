"""What a chip file may say. Every physical number is a `Quantity`; there are no defaults for numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_sim.chip.analog import Analog, Read, SliceOrder
from hermes_sim.chip.area import AreaPart
from hermes_sim.chip.converters import CountingConverter, IdealConverter
from hermes_sim.chip.places import Place, Role, refuse_ambiguous_names
from hermes_sim.chip.reading import Reading, check_energies, reading_of
from hermes_sim.config.quantity import Quantity
from hermes_sim.config.section import (
    Area,
    Bandwidth,
    Bytes,
    Count,
    Current,
    Energy,
    EnergyPerByte,
    EnergyPerByteLength,
    Fraction,
    Frequency,
    Positive,
    PositiveBytes,
    Power,
    Ratio,
    SchemaVersion,
    Section,
    Time,
    TimePerLength,
    Voltage,
)
from hermes_sim.config.vocabulary import Function, ReadMode
from hermes_sim.errors import FieldError


def _refuse_more_than_all(**shares: Quantity) -> None:
    """Shares of a whole may not add up to more than 1."""
    whole = sum(share.ratio for share in shares.values())
    if whole > 1:
        got = " + ".join(f"{share.ratio:g}" for share in shares.values())
        allowed = f"{', '.join(shares)} that may not add up to more than 1"
        raise FieldError("", got=f"{got} = {whole:g}", allowed=allowed)


OFF_CHIP_LEVEL = "off_chip"
_OFF_CHIP_IS = f"another name: {OFF_CHIP_LEVEL} is where what fits no level of an on-chip unit goes"


class Topology(StrEnum):
    """Shape of the on-chip link network."""

    CLUSTER_P2P = "cluster_p2p"
    MESH = "mesh"
    ALL_TO_ALL = "all_to_all"
    BUS = "bus"
    CUSTOM = "custom"


class Switching(StrEnum):
    """Whether a stage of a transfer begins with the first groups of a result or when all of it is there."""

    CUT_THROUGH = "cut_through"
    STORE_AND_FORWARD = "store_and_forward"


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


class Cores(Section):
    """How many cores there are and how they are grouped."""

    clusters: Positive
    per_cluster: Positive


class Wire(Section):
    """What a millimetre of link costs beyond the first pitch of a core, which `hop_cycles` and `energy` hold.

    Wires are pipelined: length adds to the time of a packet, not to the time between two.
    """

    energy: EnergyPerByteLength
    delay: TimePerLength


class Buffering(StrEnum):
    """What shares the buffers behind a link."""

    STREAM = "stream"
    LINK = "link"


class Network(Section):
    """On-chip links: every hop is one link, a flit takes one cycle.

    `buffers` counts whole packets behind a link, of any size: with `buffering: stream` for each stream of packets, as
    with a virtual channel per stream, which no routing can deadlock; with `link` first-in first-out for all streams.
    `virtual_channels` are then so many such buffers behind every link, which operators take in turn; without it, one.
    Without `wire` a hop costs the same at any length.
    `switching`: with `cut_through` (assumed: how the published chip does it is not public) LDPU, ports and links hand a
    result on in groups of columns, bytes and flits, and each begins as soon as it can run through without a gap; with
    `store_and_forward` each waits for the whole result, only links hand on flits among themselves.
    `header` goes ahead of every packet in flits of its own. `credit` comes back over every hop of a packet and frees
    its place, on wires of its own and while the head goes over the hop, so that it costs energy alone.
    `links` describes a `custom` topology as data: pairs of node names, each a link in both directions.
    Names that are none of the chip's are nodes of the file's own, where at least two links must end.
    """

    topology: Annotated[Topology, Field(strict=False)]
    switching: Annotated[Switching, Field(strict=False)] = Switching.CUT_THROUGH
    clock: Frequency
    flit: PositiveBytes
    hop_cycles: Count
    header: Bytes | None = None
    credit: Bytes | None = None
    energy: EnergyPerByte
    buffers: Positive
    static_power: Power
    buffering: Annotated[Buffering, Field(strict=False)] = Buffering.STREAM
    virtual_channels: Positive | None = None
    wire: Wire | None = None
    links: list[Annotated[list[str], Field(min_length=2, max_length=2)]] | None = None

    @model_validator(mode="after")
    def _links_belong_to_custom(self) -> Network:
        if (self.topology is Topology.CUSTOM) != (self.links is not None):
            got = f"{'nothing' if self.links is None else 'links'} beside topology: {self.topology}"
            raise FieldError("links", got=got, allowed="links for, and only for, topology: custom")
        return self

    @model_validator(mode="after")
    def _channels_belong_to_links(self) -> Network:
        if self.virtual_channels is not None and self.buffering is Buffering.STREAM:
            allowed = "virtual_channels only with buffering: link; with stream every stream has its own"
            raise FieldError("virtual_channels", got="a number beside buffering: stream", allowed=allowed)
        return self


class OffChip(Section):
    """The channel between the chip and its host, one per direction."""

    bandwidth: Bandwidth
    latency: Time
    energy: EnergyPerByte
    static_power: Power


class FunctionCost(Section):
    """One function of a digital unit: values in parallel, cycles per group of them, energy of its arithmetic per value.

    `unexplained` is energy per value that a published total holds and none of the chip's terms accounts for; it is
    reported as a component of that name.
    """

    lanes: Positive
    cycles: Positive
    energy: Energy
    unexplained: Energy | None = None


class MemoryLevel(Section):
    """One level of a digital unit's memory: bytes in all, bytes read or written per clock cycle, energy of a byte."""

    capacity: Bytes
    width: PositiveBytes
    energy: EnergyPerByte
    area: Area


class DigitalUnit(Section):
    """A kind of digital unit; `count` of them, spread evenly over the chip, or off the chip.

    `memory` lists the levels of its memory by name, nearest first: what does not fit one goes to the next, and from the
    last of an on-chip unit off the chip. Weights and state beyond the nearest level are read (and written) once per
    block of `token_block` tokens, which are collected first; `buffers` input vectors hold two such blocks.
    """

    place: Literal["on_chip", "host"]
    count: Positive
    clock: Frequency
    start_cycles: Count
    functions: dict[Annotated[Function, Field(strict=False)], FunctionCost] = Field(min_length=1)
    memory: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], MemoryLevel] = Field(min_length=1)
    token_block: Positive
    buffers: Positive
    area: Area
    static_power: Power

    @model_validator(mode="after")
    def _names_of_levels(self) -> DigitalUnit:
        if OFF_CHIP_LEVEL in self.memory:
            raise FieldError(f"memory.{OFF_CHIP_LEVEL}", got="a level of that name", allowed=_OFF_CHIP_IS)
        return self

    @model_validator(mode="after")
    def _two_blocks_fit(self) -> DigitalUnit:
        most = max(1, self.buffers.n // 2)
        if self.token_block.n > most:
            allowed = f"at most {most}, half of buffers = {self.buffers.n}: one block is collected while one is in use"
            raise FieldError("token_block", got=self.token_block.n, allowed=allowed)
        return self


class Numbers(Section):
    """Widths of the numbers that travel, and of those that digital units add up over tokens and keep meanwhile."""

    core_input: PositiveBytes
    digital: PositiveBytes
    state: PositiveBytes


class Chip(Section):
    """A whole chip with its host."""

    schema_version: SchemaVersion
    name: str = Field(min_length=1)
    description: str
    read_mode: Annotated[ReadMode, Field(strict=False)]
    clock: Frequency
    cores: Cores
    core: Core
    numbers: Numbers
    network: Network
    off_chip: OffChip
    digital_units: dict[str, DigitalUnit]

    @model_validator(mode="after")
    def _names_differ(self) -> Chip:
        units = {kind: unit.count.n for kind, unit in self.digital_units.items()}
        refuse_ambiguous_names({"core": self.n_cores, "switch": self.cores.clusters.n, **units}, list(units))
        return self

    @model_validator(mode="after")
    def _levels_hold_an_operand(self) -> Chip:
        least = self.numbers.digital.n_bytes
        for kind, unit in self.digital_units.items():
            for name, level in unit.memory.items():
                if level.capacity.n_bytes < least:
                    allowed = f"at least one operand of numbers.digital = {self.numbers.digital.given}"
                    where = f"digital_units.{kind}.memory.{name}.capacity"
                    raise FieldError(where, got=level.capacity.given, allowed=allowed)
        return self

    def core_places(self) -> list[Place]:
        """All cores."""
        return [Place.core(i) for i in range(self.n_cores)]

    def unit_places(self) -> list[Place]:
        """All digital units, on the chip and off it."""
        return [self.unit_place(kind, i) for kind, unit in self.digital_units.items() for i in range(unit.count.n)]

    def unit_place(self, kind: str, index: int) -> Place:
        """A digital unit of a kind."""
        on_chip = self.digital_units[kind].place == "on_chip"
        return Place(Role.UNIT if on_chip else Role.HOST_UNIT, kind, (index,))

    @property
    def n_cores(self) -> int:
        """Number of analog cores."""
        return self.cores.clusters.n * self.cores.per_cluster.n

    @property
    def area_mm2(self) -> float:
        """Area of the cores and on-chip digital units."""
        return self.n_cores * self.core.area_mm2 + sum(part.mm2 for part in self.unit_area_parts())

    def unit_area_parts(self) -> list[AreaPart]:
        """Area of the on-chip digital units, and of the levels of their memories."""
        parts = []
        for kind, unit in self.digital_units.items():
            if unit.place == "on_chip":
                parts.append(AreaPart(kind, (unit.count, unit.area)))
                parts += [AreaPart(f"{kind} {name}", (unit.count, level.area)) for name, level in unit.memory.items()]
        return parts

    def reading(self, mode: ReadMode | None = None) -> Reading:
        """How a core is read in a mode, the chip's own by default."""
        return self.core.reading(self.read_mode if mode is None else mode)
