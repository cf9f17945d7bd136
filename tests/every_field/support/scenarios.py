"""Small runs that feel a field: a chip file with settings, a graph of a few tokens, and the figures that come out."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from small_graphs import GRAPHS

from hermes_sim.chip.costs import static_powers
from hermes_sim.chip.load import read_with_parents, validate_chip
from hermes_sim.chip.schema import Chip
from hermes_sim.config.files import YamlDocument, shipped_dir
from hermes_sim.config.override import override
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import ArchConfigError
from hermes_sim.flow import map_operators
from hermes_sim.numerics.programmed import Compared, Deviation, ProgrammedChip, weights_of
from hermes_sim.numerics.ranges import RangeRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.crossbar.converters import Floats
    from hermes_sim.crossbar.spec import CrossbarSpec
    from hermes_sim.flow import Mapped
    from hermes_sim.workload.graph import Operator, OpGraph

ERROR = "error"
FIGURES = ("latency", "makespan", "energy", "dynamic", "static", "area")
SEEDS = range(6)
INFERENCES = 4
HERE = Path(__file__).parents[1]
VECTORS = 24


@dataclass(frozen=True, eq=False)
class Scenario:
    """A run.

    Parameters
    ----------
    chip : shipped name; graph : one of `GRAPHS`; mapping : a strategy, or the path of a file
    settings : dotted path -> value, as `--set` takes them; a quantity that the file leaves out as ``"1 pJ/byte"``;
        nothing takes a field out
    """

    chip: str
    graph: str
    mapping: str = "packed"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def operators(self) -> OpGraph:
        """Graph, as the chip of the scenario itself asks for it."""
        return GRAPHS[self.graph](validate_chip(self.document({})))

    def document(self, settings: Mapping[str, Any]) -> YamlDocument:
        """Chip file with all settings."""
        shipped = _shipped(self.chip)
        document = YamlDocument(shipped.path, copy.deepcopy(shipped.data))
        for pattern, value in {**self.settings, **settings}.items():
            for path in concrete_paths(document.data, pattern):
                if value is None:
                    parent, _, name = path.rpartition(".")
                    node_at(document.data, parent).pop(name, None)
                else:
                    override(document, path, full(value), model=Chip, error=ArchConfigError)
        return document

    def measure(self, settings: Mapping[str, Any]) -> Measured:
        """Figures of the run with some settings more."""
        chip = validate_chip(self.document(settings))
        mapped = map_operators(chip, self.operators, full(self.mapping))
        found = mapped.figures(INFERENCES, throughput=False)
        dynamic_pj = (found.total_pj - found.static_pj) / INFERENCES
        figures = {
            "latency": found.latency_ns,
            "makespan": found.makespan_ns,
            "energy": found.energy_pj,
            "dynamic": dynamic_pj,
            "static": sum(power.value for power in static_powers(chip)),
            "area": chip.area_mm2,
        }
        return Measured(figures, *_products(mapped))


@dataclass(frozen=True)
class Measured:
    """What a run says.

    Parameters
    ----------
    figures : latency and makespan in ns, energies per inference in pJ, static power in mW, area in mm2
    errors : (seeds,) of all analog products of the graph, relative to the exact ones
    outputs : of these products
    """

    figures: Mapping[str, float]
    errors: Floats
    outputs: Floats


def node_at(data: Any, path: str) -> Any:
    """What a file says at a dotted path."""
    for key in filter(None, path.split(".")):
        data = data[key]
    return data


def concrete_paths(data: Any, pattern: str) -> list[str]:
    """Paths of a file that a path of the schema stands for."""
    paths = [""]
    for key in pattern.split("."):
        name = key.partition("[")[0]
        paths = [
            f"{path}.{found}".removeprefix(".")
            for path in paths
            for found in (node_at(data, path) if name == "*" else [name])
        ]
    return paths


def full(value: Any) -> Any:
    """A quantity of number and unit as a whole record, sections of such too; paths of shipped files."""
    if isinstance(value, dict):
        return value if "value" in value else {key: full(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    number, _, unit = value.partition(" ")
    if not unit or not number[0].isdigit():
        return value.format(arch_configs=shipped_dir("arch_configs"), here=HERE) if value[0] == "{" else value
    return {"value": float(number), "unit": unit, "kind": "assumed", "source": "test"}


@cache
def _shipped(name: str) -> YamlDocument:
    return read_with_parents(name)


_KEPT: dict[str, tuple[Floats, Floats]] = {}


def _products(mapped: Mapped) -> tuple[Floats, Floats]:
    """Errors and outputs of the analog products, by all that they depend on."""
    spec, mode = core_crossbar(mapped.chip.core), mapped.chip.read_mode
    key = repr((mapped.graph.name, mapped.mapping.blocks, mapped.mapping.replicas, spec, mode))
    if key not in _KEPT:
        runs = [_run(mapped, spec, seed) for seed in SEEDS]
        _KEPT[key] = np.array([run[0] for run in runs]), np.concatenate([run[1] for run in runs])
    return _KEPT[key]


def _run(mapped: Mapped, spec: CrossbarSpec, seed: int) -> tuple[float, Floats]:
    graph, rule = mapped.graph, RangeRule.of(spec)
    chip = Compared(ProgrammedChip(graph, mapped.mapping, spec=spec, mode=mapped.chip.read_mode, seed=seed))
    rng = np.random.default_rng(seed)
    chip.program(_weights(graph, rng))
    analog = [op for op in graph.operators if op.on_crossbar]
    for number, op in enumerate(analog):
        chip.calibrate(op.name, _inputs(op, number, rng))
    outputs = []
    for number, op in enumerate(analog):
        x = _inputs(op, number, rng)
        outputs.append(chip.project(op.name, x, input_range=rule.searched(x, vectors=spec.range_batch)).ravel())
    sums = np.array([Deviation(), *chip.deviations.values()]).sum(axis=0)
    return Deviation(*sums).relative, np.concatenate([np.zeros(0, np.float32), *outputs])


def _inputs(op: Operator, number: int, rng: np.random.Generator) -> Floats:
    """(VECTORS, rows) as after ReLU; of one operator after the other twice as large."""
    return (2**number * np.abs(rng.standard_normal((VECTORS, op.in_values)))).astype(np.float32)


def _weights(graph: OpGraph, rng: np.random.Generator) -> dict[str, Floats]:
    names = sorted({weights_of(graph)[op.name] for op in graph.operators if op.on_crossbar})
    return {name: rng.standard_normal((graph.matrix(name).rows, graph.matrix(name).columns)) for name in names}
