"""`--set FIELD=VALUE` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hermes_sim.config.files import Changed, Source
from hermes_sim.errors import HermesSimError
from hermes_sim.numerics.chip_models import with_model

if TYPE_CHECKING:
    from collections.abc import Sequence

SET = "--set"


def parse_overrides(settings: Sequence[str] | None) -> dict[str, Any]:
    """Dotted path -> value, read as YAML: ``core.rows=512``, ``clock=2 GHz``, ``network.topology=mesh``.

    Raises
    ------
    HermesSimError
        if a setting has no ``=``, its value is no YAML, or a field is set twice
    """
    overrides: dict[str, Any] = {}
    for setting in settings or []:
        field, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not field or not value:
            raise HermesSimError(SET, got=repr(setting), allowed="FIELD=VALUE, e.g. core.ldpu.lanes=64")
        if field in overrides:
            raise HermesSimError(f"{SET} {field}", got=f"{overrides[field]} and {value}", allowed="one value")
        try:
            overrides[field] = YAML(typ="safe", pure=True).load(value)
        except (YAMLError, ValueError):
            raise HermesSimError(f"{SET} {field}", got=repr(value), allowed="a YAML value") from None
    return overrides


def chip_with(arch: str, settings: Sequence[str] | None, model: str | None = None) -> Source:
    """Chip file with what `--chip-model` and `--set` change in it; ``arch.`` before a path may be left out."""
    fields = {path.removeprefix("arch."): value for path, value in parse_overrides(settings).items()}
    return with_model(_changed(arch, fields), model)


def workload_with(workload: str, settings: Sequence[str] | None) -> Source:
    """Workload file with what `--set` changes in it; ``workload.`` before a path may be left out."""
    fields = {path.removeprefix("workload."): value for path, value in parse_overrides(settings).items()}
    return _changed(workload, fields)


def both_with(
    arch: str, workload: str, settings: Sequence[str] | None, model: str | None = None
) -> tuple[Source, Source]:
    """Chip and workload file, each with what `--set` changes in it, the chip with what `--chip-model` changes.

    Raises
    ------
    HermesSimError
        a field of neither file, or of both
    """
    [chip], [work] = all_with([arch], [workload], settings)
    return with_model(chip, model), work


def all_with(
    archs: Sequence[str], workloads: Sequence[str], settings: Sequence[str] | None
) -> tuple[list[Source], list[Source]]:
    """Chip and workload files, with the same changes to all of a kind."""
    from hermes_sim.changes import sort_changes

    overrides = parse_overrides(settings)
    if not overrides or not archs or not workloads:
        return list(archs), list(workloads)
    of_chip, of_work = sort_changes(overrides, archs[0], workloads[0], said=SET)
    return [_changed(name, of_chip) for name in archs], [_changed(name, of_work) for name in workloads]


def _changed(name: str, fields: dict[str, Any]) -> Source:
    return Changed(name, fields, SET) if fields else name
