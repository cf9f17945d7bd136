"""Around a run: `map`, `trace`, `load`, `explain`."""

from __future__ import annotations

from pydantic import Field

from hermes_sim.cli.documents.base import Document
from hermes_sim.explain.tree import Rule
from hermes_sim.metrics.open_loop import LoadPoint
from hermes_sim.result import Inputs, Record


class PlacedRegion(Record):
    """Part of a matrix on one core; ranges are [begin, end), from 0."""

    cluster: int
    core: int = Field(description="within its cluster")
    replica: int
    core_rows: tuple[int, int]
    core_columns: tuple[int, int]
    weight_rows: tuple[int, int]
    weight_columns: tuple[int, int]


class PlacedLayer(Record):
    """One matrix of the workload, and where it lies."""

    layer: str = Field(description="name of the matrix")
    rows: int
    columns: int
    weights: int
    shares_cells_of: str | None = Field(description="matrix whose cells it uses too")
    uses_per_inference: int = Field(description="places of the network that use it")
    products_per_inference: int = Field(description="vectors that it is multiplied with")
    replicas: int
    regions: tuple[PlacedRegion, ...]


class UsedCore(Record):
    """A core that holds weights."""

    cluster: int
    core: int = Field(description="within its cluster")
    weights: int
    occupancy: float = Field(description="share of its unit cells that hold weights")
    load_ns: float = Field(description="time that its crossbar is busy with one inference")
    reads_per_inference: float
    layers: tuple[str, ...]


class UsedMemory(Record):
    """A level of a digital unit's memory that holds something."""

    unit: str
    level: str
    capacity_bytes: float | None = Field(description="null for what is off the chip")
    held_bytes: float
    moved_bytes: float = Field(description="reads and writes of one inference")
    holds: tuple[str, ...] = Field(description="words such as `weights of fc1`, largest first")


class MappingTotals(Record):
    """The whole mapping."""

    cores_used: int
    cells_used: int
    occupancy: float = Field(description="share of the unit cells of the cores in use")
    chip_occupancy: float = Field(description="share of the unit cells of all cores")
    pieces: int
    bytes_hops_per_inference: float = Field(description="bytes that travel, times hops of the network")


class ProgrammingCost(Record):
    """What it takes to write the weights."""

    time_ms: float
    energy_uj: float


class ComparedMapping(Record):
    """A mapping in simulation."""

    mapping: str
    inferences: int = Field(description="half of those that ran one behind the other")
    cores_used: int
    pieces: int
    latency_us: float = Field(description="one inference on an empty chip")
    throughput_per_s: float = Field(description="inferences, in the long run")
    energy_uj: float = Field(description="per inference")
    bytes_hops: float = Field(description="per inference")
    bottleneck: str = Field(description="busiest resource")
    utilization: float = Field(description="share of the time that it is busy")
    busiest: dict[str, float] = Field(description="kind of resource -> share of the time that the busiest is busy")


class MapDocument(Document):
    """Where the weights of a workload lie."""

    arch: str = Field(description="name of the chip")
    workload: str
    mapping: str = Field(description="strategy, or name of the mapping file")
    note: str = Field(description="what the strategy says of its result; may be empty")
    digital: tuple[str, ...] = Field(description="matrices that stay on digital units")
    layers: tuple[PlacedLayer, ...]
    cores: tuple[UsedCore, ...]
    unit_memory: tuple[UsedMemory, ...] = Field(description="of digital units, nearest level first")
    totals: MappingTotals
    programming: ProgrammingCost | None = Field(description="null if nothing is placed or the chip does not say")
    comparison: tuple[ComparedMapping, ...] | None = Field(None, description="with --compare, this mapping first")


class TraceDocument(Document):
    """A timeline that was written."""

    file: str
    bytes: int = Field(description="size of the file")
    firings_written: int
    firings: int = Field(description="of the whole run")
    makespan_ns: float


class LoadDocument(Document):
    """Latency of requests against the load."""

    points: tuple[LoadPoint, ...] = Field(description="in order of offered load; one of recorded arrivals")
    capacity_per_s: float | None = Field(
        None, description="answers per second when all requests are there from the start; not with --arrivals"
    )
    knee_per_s: float | None = Field(
        None, description="load with the most throughput per mean latency; not with --arrivals"
    )
    unloaded_ns: float | None = Field(None, description="latency of a single request; not with --arrivals")


class Explanation(Record):
    """A number, the rule that made it, and the numbers that it was made from."""

    name: str
    value: float
    unit: str
    rule: Rule = Field(
        description="sum and product are exact; from: the parts enter by the formula in `note`; value: a count from "
        "workload, mapping or simulation; config: a value of a file"
    )
    kind: str | None = Field(None, description="of a config value: how certain it is")
    source: str | None = Field(None, description="of a config value: where it comes from")
    place: str | None = Field(None, description="of a config value: file and line")
    note: str | None = Field(None, description="formula or remark")
    power: int | None = Field(None, description="exponent with which it enters a product; 1 where it is left out")
    parts: tuple[Explanation, ...] | None = None


class ExplainDocument(Document, Explanation):
    """How a number came about, down to the lines of the config files."""

    inputs: Inputs
    quantity: str = Field(description="name that was asked for")


class QuantitiesDocument(Document):
    """Names that `explain` knows, with --list."""

    quantities: tuple[str, ...]
