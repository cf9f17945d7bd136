"""Where the winner changes: the size of a workload at which a ratio to a baseline crosses 1."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes_sim.baselines.evaluate import evaluate_baseline, precisions_of
from hermes_sim.baselines.load import load_baselines
from hermes_sim.baselines.sizing import beside
from hermes_sim.chip.load import load_arch
from hermes_sim.errors import MappingError, WorkloadError, nearest
from hermes_sim.flow import map_workload
from hermes_sim.kit.formatting import times
from hermes_sim.kit.ratios import MODELLED, RATIO_OF, RATIOS
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import Source
    from hermes_sim.metrics.figures import Figures
    from hermes_sim.workload.graph import OpGraph

# axis -> smallest and largest value looked at, unless the user says otherwise
AXES = {
    "inferences": (1, 4096),
    "sequence_length": (32, 32768),
    "features": (4, 512),
    "log2_ratio": (0, 8),
    "projection_rows": (16, 1024),
}
_STEPS = 8  # intervals between the ends in which a change is looked for


@dataclass(frozen=True)
class Change:
    """Winner below and from a value on."""

    at: int
    before: str
    after: str


@dataclass(frozen=True)
class Crossover:
    """Where the winner changes along one axis, against one baseline, precision and case.

    Parameters
    ----------
    low, high : range looked at; `high` is the largest value that fits on the chip, if not all do
    changes : in order; none if one side wins everywhere
    ratio_low, ratio_high : ratio at both ends
    """

    chip: str
    workload: str
    axis: str
    baseline: str
    precision: str
    case: str
    ratio: str
    low: int
    high: int
    ratio_low: float
    ratio_high: float
    changes: tuple[Change, ...]

    @property
    def sentence(self) -> str:
        """In words."""
        head = f"{self.workload} on {self.chip}, {RATIO_OF[self.ratio]}, {self.baseline} {self.precision} {self.case}"
        if not self.changes:
            name = winner(self.ratio_low)
            ends = f"{times(self.ratio_low)} and {times(self.ratio_high)}"
            return f"{head}: {name} wins from {self.axis} {self.low:,} to {self.high:,} ({ends})"
        turns = ", ".join(f"{change.after} wins from {self.axis} {change.at:,} on" for change in self.changes)
        return f"{head}: {self.changes[0].before} wins from {self.low:,}, {turns} (looked at up to {self.high:,})"

    def record(self) -> dict[str, Any]:
        """Plain row."""
        record = {key: value for key, value in vars(self).items() if key != "changes"}
        return record | {"changes": [vars(change) for change in self.changes], "sentence": self.sentence}


def winner(ratio: float) -> str:
    """Side that a ratio favours."""
    return "the chip" if ratio > 1 else "digital"


class _Size(NamedTuple):
    """Graph and chip figures at one value of the axis."""

    graph: OpGraph
    figures: Figures


class _Axis:
    """Chip and graph along one axis; every value is simulated once."""

    def __init__(
        self, chip: Chip, workload: Source, axis: str, mapping: str, inferences: int | None, seed: int
    ) -> None:
        self.chip, self._workload, self._axis, self._mapping = chip, workload, axis, mapping
        self._inferences, self._seed = inferences, seed
        self._points: dict[int, _Size | None] = {}

    def point(self, value: int) -> _Size | None:
        """Figures at a value, None where the workload does not fit on the chip."""
        if value not in self._points:
            self._points[value] = self._made(value)
        return self._points[value]

    def _made(self, value: int) -> _Size | None:
        work = load_workload(self._workload, {} if self._axis == "inferences" else {self._axis: value})
        n = value if self._axis == "inferences" else (self._inferences or work.inferences)
        try:
            mapped = map_workload(self.chip, work, self._mapping, seed=self._seed)
        except MappingError:
            return None
        return _Size(mapped.graph, mapped.figures(n, throughput=False))


def find_crossovers(
    arch: Source,
    workload: Source,
    baselines: Sequence[Source],
    *,
    axis: str,
    low: int | None = None,
    high: int | None = None,
    inferences: int | None = None,
    precision: str = "",
    mapping: str = DEFAULT_MAPPING,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> list[Crossover]:
    """Where energy and time change their winner along an axis, by bisection between changes of a coarse grid.

    Parameters
    ----------
    axis : ``inferences``, or a field of the workload: ``sequence_length``, ``features``, ...
    low, high : range; default: that of `AXES`
    inferences : along other axes; default: what the workload file says
    precision : of the baselines; default: the first that each has
    mapping, seed : mapping strategy or file, and the seed of its annealing

    Raises
    ------
    WorkloadError
        unknown axis, one that the workload does not have, an empty range, nothing that fits
    """
    low, high = check_axis(workload, axis, low, high)
    line = _Axis(load_arch(arch), workload, axis, mapping, inferences, seed)
    grid = _grid(low, high)
    fitting = [value for value in grid if line.point(value) is not None]
    if not fitting:
        raise WorkloadError(f"crossover: {axis}", got=f"{low} to {high}", allowed="sizes that fit on the chip")
    found = []
    devices = beside(load_baselines(baselines), line.chip)
    for i, (device, case, ratio) in enumerate(itertools.product(devices, MODELLED, RATIOS)):
        chosen = precision or precisions_of(device)[0]
        if chosen in precisions_of(device):
            found.append(_search(line, str(workload), axis, device, chosen, case, ratio, fitting))
        if progress:
            progress(f"crossover over {axis}", (i + 1) / (len(devices) * len(MODELLED) * len(RATIOS)))
    return found


def _search(
    line: _Axis,
    workload: str,
    axis: str,
    device: Baseline,
    precision: str,
    case: str,
    ratio: str,
    grid: Sequence[int],
) -> Crossover:
    def at(value: int) -> float:
        point = line.point(value)
        assert point is not None  # between two values that fit, sizes fit
        return _ratio(point, device, precision, case, ratio)

    ratios = [at(value) for value in grid]
    changes = []
    for (left, r_left), (right, r_right) in itertools.pairwise(zip(grid, ratios, strict=True)):
        if winner(r_left) != winner(r_right):
            first, last = left, right
            while last - first > max(1, first // 200):
                middle = (first + last) // 2
                first, last = (middle, last) if winner(at(middle)) == winner(r_left) else (first, middle)
            changes.append(Change(last, winner(r_left), winner(r_right)))
    return Crossover(
        line.chip.name, workload, axis, device.name, precision, case, ratio, grid[0], grid[-1], ratios[0], ratios[-1],
        tuple(changes),
    )  # fmt: skip


def _ratio(point: _Size, device: Baseline, precision: str, case: str, ratio: str) -> float:
    figures = point.figures
    theirs = getattr(evaluate_baseline(device, point.graph, precision=precision, batch=figures.inferences), case)
    if ratio == "energy_ratio":
        return float(theirs.energy_pj / figures.energy_pj)
    return float(theirs.latency_ns / (figures.makespan_ns / figures.inferences))


def check_axis(workload: Source, axis: str, low: int | None, high: int | None) -> tuple[int, int]:
    """Range along an axis, its usual ends filled in.

    Raises
    ------
    WorkloadError
        unknown axis, one that the workload does not have, an empty range
    """
    if axis not in AXES:
        raise WorkloadError("crossover: axis", got=repr(axis), allowed=", ".join(AXES), hint=nearest(axis, AXES))
    work = load_workload(workload)
    if axis != "inferences" and axis not in type(work).model_fields:
        mine = [name for name in AXES if name == "inferences" or name in type(work).model_fields]
        raise WorkloadError(f"crossover: {workload}", got=f"no field {axis!r}", allowed=", ".join(mine))
    low, high = AXES[axis][0] if low is None else low, AXES[axis][1] if high is None else high
    if not min(1, AXES[axis][0]) <= low < high:
        raise WorkloadError(
            f"crossover: {axis}", got=f"{low} to {high}", allowed="a range of whole numbers, low < high"
        )
    return low, high


def _grid(low: int, high: int) -> list[int]:
    """Whole numbers from low to high, evenly spaced in the logarithm."""
    if high - low <= _STEPS:
        return list(range(low, high + 1))
    start = max(low, 1)
    values = {round(start * (high / start) ** (i / _STEPS)) for i in range(_STEPS + 1)}
    return sorted(values | {low, high})
