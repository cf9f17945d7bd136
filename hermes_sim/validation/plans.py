"""How the published runs are simulated: by a model of the chip, and by what the file of a data set says of its own."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import Changed
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.numerics.chip_models import SETTINGS, as_published, chip_model
from hermes_sim.numerics.datasets import runs_of_dataset
from hermes_sim.validation.accuracy import select_cells
from hermes_sim.validation.cells import Plan
from hermes_sim.validation.measurements import read_measurements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hermes_sim.config.files import Source
    from hermes_sim.numerics.chip_models import Assumed

    RunsApart = Mapping[str, Mapping[str, Assumed]]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def runs_apart(
    data_dir: str | Path | None, measurements_path: str | Path, dataset_names: Sequence[str]
) -> dict[str, Mapping[str, Assumed]]:
    """By data set what its file says of its runs, of those that say something; no names: all of the table.

    Raises    DataError
    """
    cells = select_cells(read_measurements(measurements_path), {"dataset": dataset_names})
    found = {name: runs_of_dataset(name, data_dir) for name in sorted({cell.dataset for cell in cells})}
    return {name: runs for name, runs in found.items() if runs}


def published_plan(
    source: Source,
    model: str | None = None,
    *,
    apart: RunsApart = _NOTHING,
    common: Mapping[str, Assumed] = _NOTHING,
    over: Mapping[str, Any] = _NOTHING,
    **values: Any,
) -> Plan:
    """Plan of published runs: what a user sets counts first, then the file of a data set, then the model.

    Parameters
    ----------
    source : chip file with what a user changes in it
    apart : as `runs_apart` gives it
    common : fields of a chip file and `SETTINGS` of all data sets whose file does not have them, instead of the model's
    over : values of `SETTINGS` that a user sets
    values : of `Plan`

    Raises    ArchConfigError  for a field or value that a chip cannot have
    """
    plans = {
        name: _plan(source, model, {**common, **runs}, over, values, f"chip section of {name}")
        for name, runs in apart.items()
    }
    return replace(_plan(source, model, common, over, values), apart=plans)


def with_fields(source: Source, fields: Mapping[str, Any], said: str = "override") -> Source:
    """A chip with other values of some fields, over what its source sets."""
    if not fields:
        return source
    if isinstance(source, Changed):
        return Changed(source.name, {**source.fields, **fields}, source.said)
    return Changed(source, fields, said)


def _plan(
    source: Source,
    model: str | None,
    runs: Mapping[str, Assumed],
    over: Mapping[str, Any],
    values: Mapping[str, Any],
    said: str = "override",
) -> Plan:
    record = chip_model(model)
    fields = {field: setting for field, setting in runs.items() if field not in SETTINGS}
    changed = source if isinstance(source, Changed) else Changed(source, {}, said)
    chip = load_arch(as_published(changed, model, fields))
    driven = {
        name: over[name] if name in over else runs.get(name, getattr(record, name)).value for name in SETTINGS
    }  # fmt: skip
    return Plan(
        spec=core_crossbar(chip.core),
        read_mode=chip.read_mode,
        kernel_batch=int(driven["kernel_vectors"]),
        accuracy_noise=float(driven["accuracy_noise"]),
        one_output_range=bool(driven["one_output_range"]),
        **values,
    )
