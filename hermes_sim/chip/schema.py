"""What a chip file may say. Every physical number is a `Quantity`; there are no defaults for numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_sim.chip.area import AreaPart
from hermes_sim.chip.core import Core
from hermes_sim.chip.places import Place, Role, refuse_ambiguous_names
from hermes_sim.chip.reading import Reading
from hermes_sim.config.section import (
    Area,
    Bandwidth,
    Bytes,
    Count,
    Energy,
    EnergyPerByte,
    EnergyPerByteLength,
    Frequency,
    Positive,
    PositiveBytes,
    Power,
    SchemaVersion,
    Section,
    Time,
    TimePerLength,
)
from hermes_sim.config.vocabulary import Function, ReadMode
from hermes_sim.errors import FieldError

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


class Cores(Section):
    """How many cores there are and how they are grouped."""

    clusters: Positive
    """Groups of cores; the topology `cluster_p2p` joins them by switches, a mapping names cores by them."""
    per_cluster: Positive
    """Cores of a cluster."""


class Wire(Section):
    """What a millimetre of link costs beyond the first pitch of a core, which `hop_cycles` and `energy` hold.

    Wires are pipelined: length adds to the time of a packet, not to the time between two.
    """

    energy: EnergyPerByteLength
    """Energy of a byte per millimetre."""
    delay: TimePerLength
    """Time of a packet per millimetre."""


class Buffering(StrEnum):
    """What shares the buffers behind a link."""

    STREAM = "stream"
    LINK = "link"


class Network(Section):
    """On-chip links: every hop is one link, a flit takes one cycle.

    With `cut_through` (assumed: how the published chip does it is not public) LDPU, ports and links hand a
    result on in groups of columns, bytes and flits, and each begins as soon as it can run through without a gap; with
    `store_and_forward` each waits for the whole result, only links hand on flits among themselves.
    """

    topology: Annotated[Topology, Field(strict=False)]
    """Which nodes have a link between them."""
    switching: Annotated[Switching, Field(strict=False)] = Switching.CUT_THROUGH
    """Whether a stage of a transfer begins with the first groups of a result or when all of it is there."""
    clock: Frequency
    """Clock of links and switches."""
    flit: PositiveBytes
    """What a link moves per cycle."""
    hop_cycles: Count
    """Cycles that a flit takes over a hop."""
    header: Bytes | None = None
    """Data ahead of every packet, in flits of their own; left out: none."""
    credit: Bytes | None = None
    """Data that come back over every hop of a packet and free its place, on wires of their own and while the head
    goes over the hop: they cost energy alone; left out: none.
    """
    energy: EnergyPerByte
    """Energy of a byte over one hop."""
    buffers: Positive
    """Whole packets, of any size, that fit behind a link."""
    static_power: Power
    """Power of all links and switches together, drawn all the time."""
    buffering: Annotated[Buffering, Field(strict=False)] = Buffering.STREAM
    """What shares the buffers behind a link: `stream`, each stream of packets has its own, which cannot deadlock;
    `link`, first-in first-out for all.
    """
    virtual_channels: Positive | None = None
    """With `buffering: link`, so many buffers behind every link, which operators take in turn; left out: one."""
    wire: Wire | None = None
    """What length costs; left out: a hop costs the same at any length."""
    links: list[Annotated[list[str], Field(min_length=2, max_length=2)]] | None = None
    """Links of a `custom` topology: pairs of node names, each a link in both directions. Names that are none of the
    chip's are nodes of the file's own, where at least two links must end.
    """

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
    """Data per time in each direction."""
    latency: Time
    """Time from the first byte sent to its arrival."""
    energy: EnergyPerByte
    """Energy of a byte."""
    static_power: Power
    """Power of the channel, drawn all the time."""


class FunctionCost(Section):
    """What one function of a digital unit costs."""

    lanes: Positive
    """Values worked on at once: a group."""
    cycles: Positive
    """Cycles of the unit's clock per group."""
    energy: Energy
    """Energy of the arithmetic of one value."""
    unexplained: Energy | None = None
    """Energy of one value that a published total holds and no term of the chip accounts for; a component of that
    name in reports.
    """


class MemoryLevel(Section):
    """One level of a digital unit's memory."""

    capacity: Bytes
    """Size of the level."""
    width: PositiveBytes
    """Data read or written per cycle of the unit's clock."""
    energy: EnergyPerByte
    """Energy of a byte read or written."""
    area: Area
    """Area of the level."""


class DigitalUnit(Section):
    """A kind of digital unit."""

    place: Literal["on_chip", "host"]
    """On the chip, or on the host behind the off-chip channel."""
    count: Positive
    """How many there are, spread evenly over the chip if on it."""
    clock: Frequency
    """Clock of the unit."""
    start_cycles: Count
    """Cycles before an operator's first value."""
    functions: dict[Annotated[Function, Field(strict=False)], FunctionCost] = Field(min_length=1)
    """What the unit can compute, by name of the function."""
    memory: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], MemoryLevel] = Field(min_length=1)
    """Levels of its memory by name, nearest first: what does not fit one goes to the next, and from the last of an
    on-chip unit off the chip.
    """
    token_block: Positive
    """Tokens that are collected and then share one reading (and writing) of weights and state beyond the nearest
    level.
    """
    buffers: Positive
    """Input vectors that the unit holds: two blocks of tokens."""
    area: Area
    """Area of the unit without its memory; 0 for a host."""
    static_power: Power
    """Power of one unit, drawn all the time."""

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
    """Width of a number on its way to a core."""
    digital: PositiveBytes
    """Width of a number between digital units, and from cores in FP16."""
    state: PositiveBytes
    """Width of a sum over tokens and of a cell state."""


class Chip(Section):
    """A whole chip with its host."""

    schema_version: SchemaVersion
    """Version of this format."""
    name: str = Field(min_length=1)
    """Name in reports."""
    description: str
    """What the chip is, in a sentence."""
    read_mode: Annotated[ReadMode, Field(strict=False)]
    """Whether a read applies both signs of the inputs at once, or each pair of input sign and weight polarity by
    itself.
    """
    clock: Frequency
    """Clock of the cores' digital part."""
    cores: Cores
    """How many cores there are."""
    core: Core
    """What every core is."""
    numbers: Numbers
    """Widths of numbers."""
    network: Network
    """Links between cores and units."""
    off_chip: OffChip
    """Channel to the host."""
    digital_units: dict[str, DigitalUnit]
    """Kinds of digital units, on the chip and on the host, by a name without `.` and `>`."""

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
