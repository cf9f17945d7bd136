"""Baseline file -> checked model, by shipped name or path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.arch.load import override
from hermes_sim.arch.parameters import name_quantities
from hermes_sim.arch.validation import validate
from hermes_sim.baselines.measured import read_measurements, refuse_doubles
from hermes_sim.baselines.schema import RooflineDevice, SystolicArray
from hermes_sim.errors import ArchConfigError, DataError, nearest
from hermes_sim.files import find_yaml, read_yaml, shipped_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.files import YamlDocument

FOLDER = "arch_configs/baselines"

Baseline = RooflineDevice | SystolicArray
MODELS: dict[str, type[Baseline]] = {"roofline": RooflineDevice, "systolic": SystolicArray}


def baseline_names() -> list[str]:
    """Names of the shipped baselines."""
    return shipped_names(FOLDER)


def load_baseline(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Baseline:
    """Load a shipped baseline by name, or a baseline file by path.

    Parameters
    ----------
    name_or_path : e.g. ``"a100"`` or ``"my_gpu.yaml"``
    overrides : dotted path -> new value, as for chips

    Raises
    ------
    ArchConfigError
        naming file, line, field, what was given and what is allowed
    DataError
        for a table of measurements that cannot be used
    """
    path = find_yaml(name_or_path, FOLDER, error=ArchConfigError)
    document = read_yaml(path, error=ArchConfigError)
    for key, value in (overrides or {}).items():
        override(document, key, value)
    kind = document.data.get("kind")
    if not isinstance(kind, str) or kind not in MODELS:
        raise ArchConfigError(
            document.place("kind"), got=repr(kind), allowed=", ".join(MODELS), hint=nearest(str(kind), MODELS)
        )
    baseline = name_quantities(validate(MODELS[kind], document, ArchConfigError))
    return _with_measurements(baseline, document) if isinstance(baseline, RooflineDevice) else baseline


def load_baselines(names_or_paths: Sequence[str]) -> list[Baseline]:
    """Load several baselines, all with names of their own.

    Raises
    ------
    HermesSimError
        as `load_baseline`; or where two have one name, by which results tell them apart
    """
    found: dict[str, Baseline] = {}
    for given in names_or_paths:
        device = load_baseline(given)
        if device.name in found:
            raise ArchConfigError(
                f"baseline {given}: name",
                got=f"{device.name!r}, the name of another baseline of this run",
                allowed="a different name for each",
                hint="change `name:` in your own file",
            )
        found[device.name] = device
    return list(found.values())


def _with_measurements(device: RooflineDevice, document: YamlDocument) -> RooflineDevice:
    """Add the table that `measured_file` names, by a path relative to the device file."""
    rows = list(device.measured)
    if device.measured_file is not None:
        table = document.path.parent / device.measured_file
        if not table.is_file():
            raise DataError(document.place("measured_file"), got=f"no file {table}", allowed="a CSV table")
        rows += read_measurements(table)
    refuse_doubles(rows, document.place("measured"))
    return device.model_copy(update={"measured": rows})
