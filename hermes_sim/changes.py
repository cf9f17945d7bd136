"""Whether a changed field is one of the chip or of the workload: by its path, or `arch.`, `workload.` before it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.load import read_with_parents
from hermes_sim.chip.schema import Chip
from hermes_sim.config.files import Source, YamlDocument
from hermes_sim.config.override import override
from hermes_sim.config.validate import keys_at
from hermes_sim.errors import ArchConfigError, HermesSimError, WorkloadError, nearest
from hermes_sim.workload.load import model_of, read_workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

ARCH, WORKLOAD = "arch", "workload"
_ERRORS: dict[str, type[HermesSimError]] = {ARCH: ArchConfigError, WORKLOAD: WorkloadError}


def sort_changes(
    fields: Mapping[str, Any], arch: Source, workload: Source, *, said: str = "override", besides: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes to the chip and changes to the workload.

    Parameters
    ----------
    fields : dotted path -> value; ``arch.`` or ``workload.`` before the path says which file, elsewhere the path does
    arch, workload : the files that must have the fields
    said : what gave the changes, for messages
    besides : what the caller takes besides fields of the two files, for messages

    Raises
    ------
    HermesSimError
        a field of neither, or of both
    """
    found: dict[str, dict[str, Any]] = {ARCH: {}, WORKLOAD: {}}
    if not fields:
        return found[ARCH], found[WORKLOAD]
    chip, work = read_with_parents(arch), read_workload(workload)
    files: dict[str, tuple[YamlDocument, type[BaseModel]]] = {ARCH: (chip, Chip), WORKLOAD: (work, model_of(work))}
    for path, value in fields.items():
        head, _, rest = path.partition(".")
        if head in found and rest:
            found[head][rest] = value
        else:
            found[_home_of(path, value, files, said, besides)][path] = value
    return found[ARCH], found[WORKLOAD]


def _home_of(
    path: str, value: Any, files: Mapping[str, tuple[YamlDocument, type[BaseModel]]], said: str, besides: Sequence[str]
) -> str:
    refused: dict[str, HermesSimError] = {}
    for kind, (document, model) in files.items():
        try:
            trial = YamlDocument(document.path, copy.deepcopy(document.data))
            override(trial, path, value, model=model, error=_ERRORS[kind], said=said)
        except HermesSimError as error:
            refused[kind] = error
    homes = [kind for kind in files if kind not in refused]
    if len(homes) == 1:
        return homes[0]
    if homes:
        choices = " or ".join(f"{kind}.{path}" for kind in homes)
        raise HermesSimError(f"{said} {path}", got="a field of the chip and of the workload", allowed=choices)
    first = path.partition(".")[0]
    tops = {kind: {*map(str, document.data), *keys_at(model, [])} for kind, (document, model) in files.items()}
    for kind, top in tops.items():
        if first in top:
            raise refused[kind]
    names = sorted(set.union(*tops.values(), besides))
    raise HermesSimError(
        f"{said} {path}",
        got=f"no field {first!r} in {' or '.join(str(document.path) for document, _ in files.values())}",
        allowed=", ".join(names),
        hint=nearest(first, names),
    )
