"""The settings that published experiments are simulated with, and where a chip file differs from them."""

from __future__ import annotations

from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import Changed, read_yaml
from hermes_sim.config.quantity import Quantity
from hermes_sim.config.section import Section
from hermes_sim.config.validate import validate
from hermes_sim.errors import DataError

if TYPE_CHECKING:
    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import Source

_FILE = Path(__file__).with_name("published.yaml")


class Setting(Section):
    """A value and why it is this one."""

    value: str | float | int
    reason: str


class PublishedRun(Section):
    """Fields of a chip file by dotted path, and vectors that share a range where a kernel is measured."""

    source: str
    kernel_vectors: Setting
    chip: dict[str, Setting]


@cache
def published_run() -> PublishedRun:
    """What ships."""
    return validate(PublishedRun, read_yaml(_FILE, error=DataError), DataError)


# Vectors of a job that share one input range where the published runs measured a kernel matrix or attention.
KERNEL_BATCH = int(published_run().kernel_vectors.value)


def as_published(source: Source) -> Source:
    """A chip read as in the published runs; what its source sets itself stays."""
    fields = {path: setting.value for path, setting in published_run().chip.items()}
    if isinstance(source, Changed):
        return Changed(source.name, fields | dict(source.fields), source.said)
    return Changed(source, fields)


def differences(chip: Chip) -> dict[str, tuple[str, str]]:
    """Field -> what a chip file says and what the published runs are simulated with, where these differ."""
    found = {}
    for path, setting in published_run().chip.items():
        value: Any = reduce(getattr, path.split("."), chip)
        same = value.given.split()[0] == f"{setting.value:g}" if isinstance(value, Quantity) else value == setting.value
        if not same:
            found[path] = (value.given if isinstance(value, Quantity) else str(value), str(setting.value))
    return found
