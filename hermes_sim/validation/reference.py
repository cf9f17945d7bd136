"""Published tables that ship with the package: device statistics and what the chip measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = Path(__file__).with_name("reference_data")
DEVICE_STATISTICS = _FOLDER / "hermes_device_statistics.csv"
CHIP_MEASUREMENTS = _FOLDER / "chip_measurements.csv"
# The chip's converters were fitted to kernel errors of these.
FITTED_SETS = ("cod-rna", "eeg", "ijcnn1", "letter", "magic")


def measured_sets(table: Path | None, datasets: Sequence[str]) -> tuple[Path, list[str]]:
    """Table of measurements and the data sets to compare.

    Without a table the shipped one, and of that the sets of the fit unless others are named; all sets of a table of
    the user's own.
    """
    if table is not None:
        return table, list(datasets)
    return CHIP_MEASUREMENTS, list(datasets or FITTED_SETS)
