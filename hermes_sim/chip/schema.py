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
