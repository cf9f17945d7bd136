"""Models of a read that were held against the published results, and what else those runs are simulated with."""

from __future__ import annotations

from functools import cache, reduce
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hermes_sim.config.files import Changed, read_yaml
from hermes_sim.config.quantity import Quantity
from hermes_sim.config.section import Section
from hermes_sim.config.validate import validate
from hermes_sim.errors import ArchConfigError, DataError, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.chip.schema import Chip
    from hermes_sim.config.files import Source

_FILE = Path(__file__).with_suffix(".yaml")
# Settings of published runs that no chip file has.
SETTINGS = ("kernel_vectors", "one_output_range", "accuracy_noise")


class Setting(Section):
    """A value and why it is this one."""

    value: str | float | int | bool
    reason: str


class Assumed(Setting):
    """A setting of the runs of one data set, whose file gives it; it takes precedence over the model's.

    Parameters
    ----------
    prior : lowest and largest value that it may have, which `fit --profile` tries
    """

    prior: list[float | int] | None = None


class Fitted(Section):
    """A fitted parameter: step of the derivatives, lowest and largest value."""

    step: float | int
    low: float | int
    high: float | int


class Profiled(Section):
    """Values at which `fit --profile` tries a parameter, and why these."""

    values: list[str | float | int | bool]
    reason: str


class ChipModel(Section):
    """How the chip's reads are described, and how the published runs were driven if it is so.

    Parameters
    ----------
    says : the model in words
    chip : fields of a chip file by dotted path that are the model's physics, where hermes_64 says something else
    fitted : attributes of a crossbar that `fit` moves
    profile : what `fit --profile` tries, by field of a chip file or one of the three settings below
    runs : fields of a chip file by dotted path with which published runs are simulated
    kernel_vectors : vectors that share an input range where a kernel matrix or attention is measured
    one_output_range : whether converters are set once for a data set and not for every draw of W
    accuracy_noise : noise of a conversion in training and test, of that where a kernel is measured
    """

    says: str
    chip: dict[str, Setting]
    fitted: dict[str, Fitted]
    profile: dict[str, Profiled]
    runs: dict[str, Setting]
    kernel_vectors: Setting
    one_output_range: Setting
    accuracy_noise: Setting


class ChipModels(Section):
    """What ships."""

    source: str
    default: str
    models: dict[str, ChipModel]


@cache
def chip_models() -> ChipModels:
    """All models by name."""
    return validate(ChipModels, read_yaml(_FILE, error=DataError), DataError)


def chip_model(name: str | None = None) -> ChipModel:
    """A model by name; None: the default.

    Raises    ArchConfigError  for an unknown name
    """
    models = chip_models()
    return models.models[chosen("--chip-model", name or models.default, models.models, error=ArchConfigError)]


def with_model(source: Source, name: str | None = None) -> Source:
    """A chip with the reads of a model (None: those of its file); what its source sets itself stays."""
    return _changed(source, chip_model(name).chip) if name else source


def as_published(
    source: Source, name: str | None = None, apart: Mapping[str, Setting] = MappingProxyType({})
) -> Source:
    """A chip with the reads of a model, driven as in the published runs; what its source sets itself stays.

    Parameters
    ----------
    apart : fields that differ from the model's
    """
    return _changed(with_model(_changed(source, apart), name), chip_model(name).runs)


def fields_of_runs() -> list[str]:
    """What the file of a data set may say of its runs: fields of a chip file, and `SETTINGS`."""
    return sorted({field for model in chip_models().models.values() for field in model.runs}) + list(SETTINGS)


def _changed(source: Source, settings: Mapping[str, Setting]) -> Source:
    fields = {path: setting.value for path, setting in settings.items()}
    if isinstance(source, Changed):
        return Changed(source.name, fields | dict(source.fields), source.said)
    return Changed(source, fields)


def differences(chip: Chip, name: str | None = None) -> dict[str, tuple[str, str]]:
    """Field -> what a chip file says and what the published runs are simulated with, where these differ."""
    found = {}
    for path, setting in chip_model(name).runs.items():
        value: Any = reduce(getattr, path.split("."), chip)
        same = value.given.split()[0] == f"{setting.value:g}" if isinstance(value, Quantity) else value == setting.value
        if not same:
            found[path] = (value.given if isinstance(value, Quantity) else str(value), str(setting.value))
    return found
