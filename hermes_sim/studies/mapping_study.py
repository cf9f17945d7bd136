"""Mapping study: all strategies x both read modes x inferences in flight, and what the points say in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import Changed, Source
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.flow import map_workload
from hermes_sim.mapping.mapping import Strategy
from hermes_sim.studies.measure import Point, measure
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable

IN_FLIGHT = (1, 2, 4, 8, 16, 32, 64)
_LEVELLED = 1.02  # doubling the inferences in flight gives less than 2 % more


@dataclass(frozen=True)
class StudyPoint(Point):
    """A design point with its read mode."""

    read_mode: str = ""


@dataclass(frozen=True)
class MappingStudy:
    """All points of a study, and its conclusion."""

    chip: Source
    workload: Source
    seed: int
    points: tuple[StudyPoint, ...]
    conclusion: tuple[str, ...]
    notes: dict[str, str]

    @property
    def command(self) -> str:
        """Command line that makes it again."""
        chip = "" if str(self.chip) == "hermes_64_hetero" else f" --chip {self.chip}"
        changes = "".join(one.options for one in (self.chip, self.workload) if isinstance(one, Changed))
        seed = f" --seed {self.seed}" if self.seed else ""
        return f"hermes-sim map study {self.workload}{chip}{changes}{seed} --out reports/mapping_study_{self.workload}"

    def record(self) -> dict[str, Any]:
        """Plain document, without the wall times, which differ from run to run."""
        points = [point.record() for point in self.points]
        for point in points:
            del point["wall_time_s"]
        return {
            "schema_version": 1,
            "command": self.command,
            "chip": str(self.chip),
            "workload": str(self.workload),
            "seed": self.seed,
            "points": points,
            "conclusion": list(self.conclusion),
            "notes": self.notes,
        }


def run_study(
    chip: Source,
    workload: Source,
    *,
    seed: int = 0,
    in_flight: tuple[int, ...] = IN_FLIGHT,
    progress: Callable[[str, float], None] | None = None,
) -> MappingStudy:
    """Run all points; with w inferences in flight, max(8, w) and twice as many are run."""
    work = load_workload(workload)
    points: list[StudyPoint] = []
    notes: dict[str, str] = {}
    total = len(ReadMode) * len(Strategy) * len(in_flight)
    for mode in ReadMode:
        spec = load_arch(chip, {"read_mode": str(mode)})
        for strategy in Strategy:
            mapped = map_workload(spec, work, strategy, seed=seed)
            if mapped.mapping.note:
                notes[f"{strategy}, {mode}"] = mapped.mapping.note
            for width in in_flight:
                point = measure(mapped, inferences=max(8, width), in_flight=width)
                points.append(StudyPoint(**vars(point), read_mode=str(mode)))
                if progress is not None:
                    progress("study", len(points) / total)
    return MappingStudy(chip, workload, seed, tuple(points), tuple(conclude(points)), notes)


def conclude(points: list[StudyPoint]) -> list[str]:
    """Sentences made from the numbers: what binds, what replication buys, where it stops."""
    lines = []
    for mode in ReadMode:
        words = mode.replace("_", "-")
        best = {s: best_point(points, mode, s) for s in Strategy}
        for strategy, point in best.items():
            kinds = sorted(point.busiest.items(), key=lambda item: -item[1])
            second = f", then {kinds[1][0]} {kinds[1][1]:.0%}" if len(kinds) > 1 else ""
            lines.append(
                f"{words}, {strategy}: {point.throughput_per_s:,.1f} inferences/s at best, bound by "
                f"{point.bottleneck} ({kinds[0][0]}, {point.utilization:.0%} busy{second}); "
                f"levels off from {_level(points, mode, strategy)} in flight"
            )
        packed = best[Strategy.PACKED]
        gain = {name: best[name].throughput_per_s / packed.throughput_per_s for name in Strategy}
        cores = {name: best[name].cores_used / packed.cores_used for name in Strategy}
        lines.append(
            f"{words}: a core per block instead of {packed.cores_used} shared cores gives {gain[Strategy.SPREAD]:.2f}x "
            f"the throughput for {cores[Strategy.SPREAD]:.1f}x the cores; replicas give "
            f"{best[Strategy.BALANCED].throughput_per_s / best[Strategy.SPREAD].throughput_per_s:.2f}x on top for "
            f"{best[Strategy.BALANCED].cores_used / best[Strategy.SPREAD].cores_used:.2f}x the cores"
        )
        near, far = best[Strategy.LOCAL], best[Strategy.SPREAD]
        lines.append(
            f"{words}: short ways cut bytes x hops by {1 - near.bytes_hops / max(far.bytes_hops, 1e-9):.0%} "
            f"against spread, energy by {1 - near.energy_uj / far.energy_uj:.1%}, and change throughput by "
            f"{near.throughput_per_s / far.throughput_per_s - 1:+.1%}"
        )
    lines += _modes(points)
    return lines


def _modes(points: list[StudyPoint]) -> list[str]:
    """What the shorter read gives: less than its ratio where something else binds."""
    lines = []
    for strategy in Strategy:
        one, four = (best_point(points, mode, strategy) for mode in (ReadMode.ONE_PHASE, ReadMode.FOUR_PHASE))
        lines.append(
            f"{strategy}: one-phase reads give {one.throughput_per_s / four.throughput_per_s:.2f}x the throughput "
            f"and {four.energy_uj / one.energy_uj:.2f}x less energy; the bound moves from {four.bottleneck} "
            f"to {one.bottleneck}"
        )
    return lines


def _of(points: list[StudyPoint], mode: str, strategy: str) -> list[StudyPoint]:
    return [point for point in points if point.read_mode == mode and point.mapping == strategy]


def best_point(points: list[StudyPoint], mode: str, strategy: str) -> StudyPoint:
    """Point with the highest throughput, of equal ones that with most in flight (the fullest pipeline)."""
    series = _of(points, mode, strategy)
    top = max(point.throughput_per_s for point in series)
    near = [point for point in series if point.throughput_per_s * 1.001 >= top]
    return max(near, key=lambda point: point.in_flight or 0)


def _level(points: list[StudyPoint], mode: str, strategy: str) -> int:
    """Inferences in flight from which more of them give next to nothing."""
    series = sorted(_of(points, mode, strategy), key=lambda point: point.in_flight or 0)
    top = max(point.throughput_per_s for point in series)
    return next(point.in_flight or 0 for point in series if point.throughput_per_s * _LEVELLED >= top)
