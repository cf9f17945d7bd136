"""`--set FIELD=VALUE` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hermes_sim.errors import ArchConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_overrides(settings: Sequence[str]) -> dict[str, Any]:
    """Dotted path -> value, read as YAML: ``core.rows=512``, ``clock=2 GHz``, ``network.topology=mesh``.

    Raises
    ------
    ArchConfigError
        if a setting has no ``=`` or its value is no YAML
    """
    overrides: dict[str, Any] = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or not field.strip() or not value.strip():
            raise ArchConfigError("--set", got=repr(setting), allowed="FIELD=VALUE, e.g. core.ldpu.lanes=64")
        try:
            overrides[field.strip()] = YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            raise ArchConfigError(f"--set {field}", got=repr(value), allowed="a YAML value") from None
    return overrides
