"""What other installed packages add: found by their entry points, and only when a name is asked for that is not ours.

Looking through the installed packages takes longer than the start of a command, so no shipped name does it, and nothing
at import time. A shipped name cannot be replaced. `docs/extensions.md` says what each group expects.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import ExtensionError, listed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUPS = ("strategies", "workload_builders", "baselines", "converters", "devices")


def extension_names(group: str) -> list[str]:
    """Names that installed packages add to one of `GROUPS`, in alphabetical order."""
    return sorted(_entry_points(group))


def extension(group: str, name: str, kind: type[Any] = object) -> Any:
    """What an installed package adds to one of `GROUPS` under a name; None if no package does.

    Parameters
    ----------
    kind : what it has to be an instance of

    Raises
    ------
    ExtensionError
        two packages add that name, it cannot be imported, or is of another kind
    """
    found = _entry_points(group).get(name, ())
    if not found:
        return None
    where = f"entry point {name!r} of hermes_sim.{group}"
    if len(found) > 1:
        given = listed(sorted(point.dist.name if point.dist else point.value for point in found))
        raise ExtensionError(where, got=f"one of that name from each of {given}", allowed="one package")
    try:
        loaded = found[0].load()
    except Exception as cause:
        raise ExtensionError(where, got=f"{type(cause).__name__}: {cause}", allowed="what can be imported") from cause
    if not isinstance(loaded, kind):
        raise ExtensionError(where, got=f"{found[0].value}, a {type(loaded).__name__}", allowed=f"a {kind.__name__}")
    return loaded


@cache
def _entry_points(group: str) -> dict[str, list[EntryPoint]]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - no shipped name needs it

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"hermes_sim.{group}"):
        found.setdefault(point.name, []).append(point)
    return found
