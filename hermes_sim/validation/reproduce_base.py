"""What a figure is made from, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import Changed
from hermes_sim.validation.reference import CHIP_MEASUREMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.config.files import Source
    from hermes_sim.validation.rows import ValidationRow


@dataclass(frozen=True)
class Sources:
    """Chip, data and settings.

    Parameters
    ----------
    data_dir : data sets; None where not at hand
    measurements : table of what the chip measured; by default the shipped one
    seeds : draws per cell
    """

    arch: Source = "hermes_64"
    data_dir: Path | None = None
    measurements: Path = CHIP_MEASUREMENTS
    seeds: int = 2
    seed: int = 0
    threads: int = 1

    def record(self) -> dict[str, Any]:
        """Settings that a reader needs; no paths of one machine."""
        changes = {"changes": dict(self.arch.fields)} if isinstance(self.arch, Changed) else {}
        return {"arch": str(self.arch), **changes, "seeds": self.seeds, "seed": self.seed}


@dataclass(frozen=True)
class Outcome:
    """Rows and plot of one figure and what they say in words, or the reason why there are none.

    Parameters
    ----------
    lines : what else belongs to it, as a table: lines of name and text
    """

    rows: tuple[ValidationRow, ...] = ()
    svg: str = ""
    skipped: str = ""
    words: tuple[str, ...] = ()
    lines: tuple[dict[str, str], ...] = ()
