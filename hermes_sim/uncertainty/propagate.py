"""From ranges of assumptions to intervals on results, and to the assumptions that move them most."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.baselines.compare import compare_with
from hermes_sim.baselines.sizing import share_boundary
from hermes_sim.config.quantity import CERTAINTY_ORDER
from hermes_sim.config.vocabulary import Timing
from hermes_sim.errors import EngineError, HermesSimError, WorkloadError
from hermes_sim.kit.ratios import CASES, RATIOS, RatioKey
from hermes_sim.rng import generator
from hermes_sim.uncertainty.assumptions import Assumption, baseline_assumptions, chip_assumptions
from hermes_sim.uncertainty.substitute import with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.flow import Simulated
    from hermes_sim.metrics.figures import ChipPoint, Figures

LOW_PERCENT, HIGH_PERCENT = 5.0, 95.0
HEADLINE_SAMPLES = 32
_SMALL_FIRINGS, _SMALL_ACTORS = 100_000, 50  # of a program that is drawn for without being asked
_MOVES = 1e-9  # smallest relative swing that counts
_MIN_SAMPLES, _MAX_SAMPLES = 2, 100_000
Values = dict[str, float]


def uncertainty_of(
    result: Simulated,
    *,
    samples: int = 64,
    seed: int = 0,
    tornado: bool = True,
    baselines: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Intervals and tornado of a result, ready to be the `uncertainty` entry of its document.

    Every value with a range that the result depends on, of the chip and of the baselines beside it, is drawn
    from its range by a Latin hypercube, all at once (`Assumption.at` says how); mapping and workload stay.

    Parameters
    ----------
    result : what `simulate` gave
    samples : draws, each a simulation of its own
    seed : of the draws
    tornado : whether to look at one assumption at a time as well
    baselines : whether to draw the values of the baselines too, for intervals of the ratios
    progress : called with a stage name and the fraction done

    Returns
    -------
    ``quantities`` : name -> value, low, high (5th and 95th percentile), median, p25, p75
    ``by_kind`` : with a tornado, quantity -> kind of value -> share of the quantity's squared swings
    ``tornado`` : rows path, quantity, low, high (the quantity with the value at either end of its range),
        elasticity (mean over the range), swing; of latency, energy and, against the first baseline, of the
        realistic energy and time ratios at its first precision and largest batch; widest first
    ``samples``, ``failed`` (buffers too small to run), ``seed``, ``distribution``, ``assumptions``, ``kept`` (values
        with a range that are not drawn, and why: none at present)

    Raises
    ------
    WorkloadError
        too few samples, or a result with arrival times of its own
    ArchConfigError
        ranges that allow contradictory values
    EngineError
        if no sample can run
    """
    if not _MIN_SAMPLES <= samples <= _MAX_SAMPLES:
        raise WorkloadError(
            "uncertainty: samples", got=samples, allowed=f"a whole number from {_MIN_SAMPLES} to {_MAX_SAMPLES:,}"
        )
    model = _Model(result, result.devices if baselines else ())
    nominal = model.nominal()
    rows = _one_at_a_time(model, nominal, progress) if tornado else []
    swings = _tornado(rows, _headline(result, nominal))
    drawn, failed = _draw(model, samples, seed, progress)
    return {
        "samples": samples - failed,
        "failed": failed,
        "seed": seed,
        "distribution": "Latin hypercube; the value of the file is the median, each side of it uniform, or "
        "log-uniform where it spans more than a factor of 10",
        "quantities": {name: interval(value, drawn[name]) for name, value in nominal.items() if name in drawn},
        "tornado": swings,
        "by_kind": _by_kind(swings),
        "assumptions": [_record(assumption) for assumption in model.assumptions],
        "kept": [],
    }


def headline_uncertainty(result: Simulated, *, seed: int = 0) -> dict[str, Any]:
    """Medians and intervals of the chip's own figures, for the headline of a small program nobody asked them for.

    Whether a program is small is decided by its actors and firings, so equal inputs give equal documents anywhere.

    Returns
    -------
    entries of the document: ``uncertainty`` as `uncertainty_of` gives it, without ratios and tornado; or
    ``uncertainty_missing`` for a large program, or where no sample can run
    """
    record = result.runs.all.record
    if record.n_firings > _SMALL_FIRINGS or record.program.n_actors > _SMALL_ACTORS:
        most = f"up to {_SMALL_ACTORS} actors and {_SMALL_FIRINGS:,} firings"
        here = f"this program has {record.program.n_actors:,} and {record.n_firings:,}"
        return {"uncertainty_missing": f"intervals come unasked for {most}, and {here}"}
    try:
        found = uncertainty_of(result, samples=HEADLINE_SAMPLES, seed=seed, tornado=False, baselines=False)
    except HermesSimError:  # what contradicts is told where intervals are asked for
        return {"uncertainty_missing": "no draw of the values from their ranges can run"}
    return {"uncertainty": found}


class _Model:
    """All quantities of one result as a function of its assumptions."""

    def __init__(self, result: Simulated, devices: Sequence[Baseline]) -> None:
        self._result, self._devices = result, {device.name: device for device in devices}
        self._points = result.figures.points()
        self._of_devices: dict[str, tuple[object, list[dict[str, Any]]]] = {}
        self.assumptions = chip_assumptions(result.chip, result.runs.all.lowered)
        for device in devices:
            self.assumptions += baseline_assumptions(device)

    def nominal(self) -> Values:
        """Quantities with every value as given.

        Raises
        ------
        WorkloadError
            if they are not those of the document
        """
        values = self.quantities({})
        metrics = self._result.metrics
        for name, told in (("latency_ns", metrics.latency_ns), ("makespan_ns", metrics.makespan_ns)):
            if not math.isclose(values[name], told, rel_tol=1e-9):
                raise WorkloadError(
                    "uncertainty",
                    got=f"a run of {told:g} ns, {values[name]:g} ns when run again",
                    allowed="a run whose inferences all wait from the start, without arrival times",
                )
        return values

    def quantities(self, values: Mapping[Assumption, float]) -> Values:
        """Quantities with some assumptions at other values."""
        chip = with_values(self._result.chip, by_path("", values))
        figures = self._result.mapped.on(chip).figures(self._result.metrics.inputs.inferences)
        found, points = _own(figures), figures.points()
        for name in self._devices:
            found.update(_ratios(self._rows(name, by_path(name, values), chip), points))
        return found

    def _rows(self, name: str, values: Mapping[str, float], chip: Chip) -> list[dict[str, Any]]:
        """Rows of a baseline beside a chip; those of its values as given are worked out once per boundary."""
        shared = share_boundary(self._devices[name], chip)
        if values:
            return compare_with(with_values(shared, values, check=False), self._result.graph, self._points)
        known = self._of_devices.get(name)
        if known is None or known[0] != (shared.link, shared.host):
            rows = compare_with(shared, self._result.graph, self._points)
            known = self._of_devices[name] = (shared.link, shared.host), rows
        return known[1]


def _own(figures: Figures) -> Values:
    """The chip's own figures, under their paths in the document."""
    assert figures.throughput_inferences_per_s is not None
    return {
        "latency_ns": figures.latency_ns,
        "makespan_ns": figures.makespan_ns,
        "throughput_inferences_per_s": figures.throughput_inferences_per_s,
        "energy_alone_pj": figures.energy_alone_pj,
        "energy_pj.per_inference": figures.energy_pj,
        "energy_pj.on_chip_per_inference": figures.energy_on_chip_pj,
        "power_w": figures.power_w,
        "tops": figures.tops,
        "tops_per_w": figures.tops_per_w,
    }


def by_path(owner: str, values: Mapping[Assumption, float]) -> Values:
    """Drawn values of the chip (no owner) or of a baseline, by the paths of their fields."""
    return {path: value for one, value in values.items() if one.owner == owner for path in one.paths}


def _ratios(rows: Iterable[Mapping[str, Any]], chip: Mapping[tuple[int, Timing], ChipPoint]) -> Values:
    """Ratios of a baseline's rows to the chip, under the names that the report looks for."""
    found = {}
    for row in rows:
        ours = chip[row["batch"], Timing(row["timing"])]
        for case in (case for case in CASES if case in row):
            found[str(RatioKey.of(row, "latency_ratio", case))] = row[case]["latency_ns"] / ours.time_ns
            if row[case]["energy_pj"] is not None:
                found[str(RatioKey.of(row, "energy_ratio", case))] = row[case]["energy_pj"] / ours.energy_pj
    return found


def _one_at_a_time(
    model: _Model, nominal: Values, progress: Callable[[str, float], None] | None
) -> list[tuple[Assumption, Values, Values]]:
    """Quantities with each assumption at either end of its range."""
    rows = []
    for i, assumption in enumerate(model.assumptions):
        ends = []
        for value in (assumption.low, assumption.high):
            same = value == assumption.quantity.value
            ends.append(nominal if same else _tried(model, {assumption: value}) or nominal)
        rows.append((assumption, ends[0], ends[1]))
        if progress:
            progress("one assumption at a time", (i + 1) / len(model.assumptions))
    return rows


def _tried(model: _Model, values: Mapping[Assumption, float]) -> Values | None:
    """Quantities, or None where buffers that small lead to a deadlock."""
    try:
        return model.quantities(values)
    except EngineError:
        return None


def _draw(
    model: _Model, samples: int, seed: int, progress: Callable[[str, float], None] | None
) -> tuple[dict[str, npt.NDArray[np.float64]], int]:
    """Quantities of all samples, and how many samples could not run."""
    found = []
    for i, values in enumerate(drawn_values(model.assumptions, samples, seed)):
        found.append(_tried(model, values))
        if progress:
            progress("all assumptions at once", (i + 1) / samples)
    good = [values for values in found if values is not None]
    if not good:
        raise EngineError("uncertainty", got=f"{samples} samples that cannot run", allowed="ranges that can be run")
    return {name: np.array([values[name] for values in good]) for name in good[0]}, samples - len(good)


def drawn_values(assumptions: Sequence[Assumption], samples: int, seed: int) -> Iterator[dict[Assumption, float]]:
    """Values of all assumptions, one draw after the other."""
    for row in latin_hypercube(samples, len(assumptions), seed):
        yield {one: one.at(float(share)) for one, share in zip(assumptions, row, strict=True)}


def latin_hypercube(samples: int, dimensions: int, seed: int) -> npt.NDArray[np.float64]:
    """(samples, dimensions) numbers from 0 to 1: of each dimension one in every of `samples` equal parts."""
    random = generator(seed, "uncertainty")
    parts = np.stack([random.permutation(samples) for _ in range(dimensions)], axis=1) if dimensions else 0
    return (parts + random.random((samples, dimensions))) / samples


def interval(value: float, drawn: npt.NDArray[np.float64]) -> Values:
    """A figure with what it becomes in draws: 5th and 95th percentile, median and quartiles."""
    low, p25, median, p75, high = np.percentile(drawn, [LOW_PERCENT, 25.0, 50.0, 75.0, HIGH_PERCENT]).tolist()
    return {"value": value, "low": low, "high": high, "median": median, "p25": p25, "p75": p75}


def _headline(result: Simulated, nominal: Values) -> list[str]:
    """Quantities that get a tornado."""
    names = ["latency_ns", "energy_pj.per_inference"]
    if result.metrics.inputs.inferences > 1:
        names.append("throughput_inferences_per_s")
    rows = result.document["baselines"]
    if rows:
        last = max((row for row in rows if row["name"] == rows[0]["name"]), key=lambda row: row["batch"])
        names += [str(RatioKey.of(last, ratio, "realistic")) for ratio in RATIOS]
    return [name for name in names if name in nominal]


def _tornado(rows: Iterable[tuple[Assumption, Values, Values]], names: Iterable[str]) -> list[dict[str, Any]]:
    found = []
    for name in names:
        moved: list[dict[str, Any]] = [
            {
                "path": one.label,
                "quantity": name,
                "low": low[name],
                "high": high[name],
                "elasticity": _elasticity(one, low[name], high[name]),
                "swing": abs(high[name] - low[name]),
                "at_low": one.low,
                "at_high": one.high,
                "unit": one.quantity.dimension.unit,
                "kind": str(one.quantity.kind),
            }
            for one, low, high in rows
            if abs(high[name] - low[name]) > _MOVES * abs(high[name])
        ]
        found += sorted(moved, key=lambda row: -row["swing"])
    return found


def _by_kind(tornado: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """How much of what moves a quantity is of which kind: its share of the squared swings, one value at a time."""
    totals: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in tornado:
        totals[row["quantity"]][row["kind"]] += row["swing"] ** 2
    return {
        name: {str(kind): squares[kind] / sum(squares.values()) for kind in CERTAINTY_ORDER if kind in squares}
        for name, squares in totals.items()
    }


def _elasticity(assumption: Assumption, at_low: float, at_high: float) -> float | None:
    """Per cent of change of the result for one per cent of change of the value, mean over its range."""
    if min(assumption.low, at_low, at_high) <= 0 or assumption.high == assumption.low:
        return None
    return math.log(at_high / at_low) / math.log(assumption.high / assumption.low)


def _record(assumption: Assumption) -> dict[str, Any]:
    record = assumption.quantity.record()
    return {"path": assumption.label, **{key: record[key] for key in ("value", "low", "high", "unit", "kind")}}
