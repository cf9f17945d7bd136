"""The values of a chip or baseline that carry a range: one assumption each, however many fields it stands in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.config.parameters import quantities
from hermes_sim.config.quantity import BYTES, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_sim.baselines.load import Baseline
    from hermes_sim.chip.schema import Chip
    from hermes_sim.program.lowered import LoweredProgram

_LOG_FROM = 10.0  # a side of a range that spans more than this factor is drawn on a logarithmic scale
# sizes are choices of a design, not guesses about it: they would change the mapping, or break an area limit
_CHIP_DESIGN = ("cores.", "core.rows", "core.columns")
_BASELINE_DESIGN = frozenset({"arrays", "rows", "columns", "sram.size", "area_limit", "power_limit"})


@dataclass(frozen=True)
class Assumption:
    """One uncertain value.

    Parameters
    ----------
    owner : name of the baseline it belongs to, empty for the chip
    paths : fields that it stands in, more than one where a file says the same of several functions of a unit
    quantity : value, range, kind and source
    """

    owner: str
    paths: tuple[str, ...]
    quantity: Quantity

    @property
    def label(self) -> str:
        """Dotted path, several functions in braces, behind the baseline's name."""
        if len(self.paths) == 1:
            path = self.paths[0]
        else:
            head, _, tail = self.paths[0].rpartition(".")
            head, _, _ = head.rpartition(".")
            path = f"{head}.{{{','.join(p.split('.')[-2] for p in self.paths)}}}.{tail}"
        return f"{self.owner}: {path}" if self.owner else path

    @property
    def low(self) -> float:
        """Lower end of the range, as a value the field can take."""
        return self.allowed(self.quantity.low if self.quantity.low is not None else self.quantity.value)

    @property
    def high(self) -> float:
        """Upper end of the range, as a value the field can take."""
        return self.allowed(self.quantity.high if self.quantity.high is not None else self.quantity.value)

    def at(self, share: float) -> float:
        """Value below which a share (0 to 1) of the draws lies; the value of the file is the median.

        Each side of the value has half of the probability: even, or even in the logarithm where the side spans
        more than a factor of ten.
        """
        value = self.quantity.value
        low = self.quantity.low if self.quantity.low is not None else value
        high = self.quantity.high if self.quantity.high is not None else value
        if share < 0.5:
            return self.allowed(_between(low, value, 2 * share))
        return self.allowed(_between(value, high, 2 * share - 1))

    def allowed(self, value: float) -> float:
        """Nearest value that the field can take: whole counts and picoseconds."""
        dimension = self.quantity.dimension
        if dimension.whole or (dimension.name == BYTES.name and self.quantity.value == int(self.quantity.value)):
            return float(max(round(value), math.ceil(dimension.low)))
        return value


def _between(low: float, high: float, share: float) -> float:
    if low > 0 and high / low > _LOG_FROM:
        return float(low * (high / low) ** share)
    return low + share * (high - low)


def chip_assumptions(chip: Chip, lowered: LoweredProgram) -> list[Assumption]:
    """Values with a range that the time or energy of a program depends on, in the order of the schema."""
    used = _used_paths(lowered)
    units = {path.split(".")[1] for path in used if path.startswith("digital_units.")}
    used |= {"core.input_buffers", "core.output_buffers", "network.buffers"}
    if any(path.startswith("core.programming.") for path in used):
        used.add("core.programming.parallel_cores")
    used |= {f"digital_units.{unit}.buffers" for unit in units}
    used -= {f"digital_units.{unit}.count" for unit in units}
    found = [q for q in quantities(chip) if q.path in used and _has_range(q) and not q.path.startswith(_CHIP_DESIGN)]
    return _grouped("", found)


def core_assumptions(chip: Chip) -> list[Assumption]:
    """Values of the core with a range, whatever depends on them, in the order of the schema; not its size."""
    found = [q for q in quantities(chip) if _has_range(q) and q.path.startswith("core.")]
    return _grouped("", [q for q in found if not q.path.startswith(_CHIP_DESIGN)])


def baseline_assumptions(baseline: Baseline) -> list[Assumption]:
    """Values of a baseline that carry a range; not sizes, nor what it shares with the chip beside it."""
    shared = tuple(f"{name}." for name in ("link", "host") if (part := getattr(baseline, name)) and part.of_chip)
    found = [
        q
        for q in quantities(baseline)
        if _has_range(q) and q.path not in _BASELINE_DESIGN and not q.path.startswith(shared)
    ]
    return _grouped(baseline.name, found)


def _used_paths(lowered: LoweredProgram) -> set[str]:
    """Config values behind the costs of the actors that fire."""
    paths: set[str] = {path for term in lowered.static_powers for path in term.paths}
    for info, firings in zip(lowered.actors, lowered.program.firings, strict=True):
        if firings:
            paths.update(*(term.paths for term in (*info.cost.times, *info.cost.energies)))
    return paths


def _has_range(quantity: Quantity) -> bool:
    return quantity.low is not None and quantity.high is not None and quantity.low < quantity.high


def _grouped(owner: str, found: Iterable[Quantity]) -> list[Assumption]:
    """Equal statements about several functions of one digital unit are one assumption."""
    groups: dict[tuple[object, ...], list[Quantity]] = {}
    for quantity in found:
        groups.setdefault(_statement(quantity), []).append(quantity)
    return [Assumption(owner, tuple(q.path for q in same), same[0]) for same in groups.values()]


def _statement(quantity: Quantity) -> tuple[object, ...]:
    parts = quantity.path.split(".")
    if len(parts) == 5 and parts[0] == "digital_units" and parts[2] == "functions":
        where = (parts[1], parts[4])
        return (*where, quantity.value, quantity.low, quantity.high, quantity.source, quantity.note)
    return (quantity.path,)
