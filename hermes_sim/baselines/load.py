"""Baseline file -> checked model, by shipped name or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim.baselines.measured import read_measurements, refuse_doubles
from hermes_sim.baselines.schema import RooflineDevice, SystolicArray
from hermes_sim.config.files import Changed, Source, changes_of, find_yaml, read_yaml, shipped_names
from hermes_sim.config.override import override
from hermes_sim.config.parameters import name_quantities
from hermes_sim.config.section import in_words
from hermes_sim.config.validate import validate
from hermes_sim.errors import BaselineError, DataError, nearest
from hermes_sim.extensions import extension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.config.files import YamlDocument

FOLDER = "arch_configs/baselines"

Baseline = RooflineDevice | SystolicArray
MODELS: dict[str, type[Baseline]] = {"roofline": RooflineDevice, "systolic": SystolicArray}


def baseline_names() -> list[str]:
    """Names of the shipped baselines."""
    return shipped_names(FOLDER)


def load_baseline(source: Source, overrides: Mapping[str, Any] | None = None) -> Baseline:
    """Load a baseline by name, shipped or from another installed package, or a baseline file by path.

    Parameters
    ----------
    source : e.g. ``"a100"`` or ``Path("my_gpu.yaml")``
    overrides : dotted path -> new value, as for chips

    Raises
    ------
    BaselineError
        naming file, line, field, what was given and what is allowed
    DataError
        for a table of measurements that cannot be used
    """
    added = None if str(source) in baseline_names() else extension("baselines", str(source), Path)
    document = read_yaml(added or find_yaml(source, FOLDER, error=BaselineError), error=BaselineError)
    for key, value, said in changes_of(source, overrides):
        override(document, key, value, model=_model_of(document), error=BaselineError, said=said)
    baseline: Baseline = name_quantities(validate(_model_of(document), document, BaselineError))
    return _with_measurements(baseline, document) if isinstance(baseline, RooflineDevice) else baseline


def _model_of(document: YamlDocument) -> type[Baseline]:
    kind = document.data.get("kind")
    if not isinstance(kind, str) or kind not in MODELS:
        hint = nearest(kind, MODELS) if isinstance(kind, str) else ""
        raise BaselineError(document.place("kind"), got=in_words(kind), allowed=", ".join(MODELS), hint=hint)
    return MODELS[kind]


def load_baselines(sources: Source | Sequence[Source]) -> list[Baseline]:
    """Load several baselines, all with names of their own.

    Raises
    ------
    HermesSimError
        as `load_baseline`; or where two have one name, by which results tell them apart
    """
    found: dict[str, Baseline] = {}
    every = [sources] if isinstance(sources, (str, Path, Changed)) else list(sources)
    for i, given in enumerate(every):
        if given in every[:i]:
            raise BaselineError(f"baseline {given}", got="given twice", allowed="each baseline once")
        device = load_baseline(given)
        if device.name in found:
            raise BaselineError(
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
