"""Fields of the base chip and workload of a study: do they exist, and what do the files say."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hermes_sim.chip.load import read_with_parents
from hermes_sim.chip.schema import Chip
from hermes_sim.config.files import YamlDocument, shipped_names
from hermes_sim.config.override import override
from hermes_sim.errors import HermesSimError, nearest
from hermes_sim.explore.errors import StudyError
from hermes_sim.workload.load import model_of, read_workload

if TYPE_CHECKING:
    from pathlib import Path

ARCH, WORKLOAD = "arch", "workload"
OPTIONS = ("arch", "workload", "mapping", "inferences", "in_flight", "seed", "accuracy")


class BaseFields:
    """Files that a study starts from, read once.

    Parameters
    ----------
    folder : paths in the study file count from here
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._documents: dict[tuple[str, str], YamlDocument] = {}

    def file(self, kind: str, name: str) -> str:
        """Shipped name, or a path that counts from the study file if there is such a file."""
        folder = "arch_configs" if kind == ARCH else "workloads"
        if name not in shipped_names(folder) and (self.folder / name).is_file():
            return str(self.folder / name)
        return name

    def folder_beside(self, name: str | None) -> str | None:
        """A folder, by a path that counts from the study file if there is such a folder."""
        return str(self.folder / name) if name is not None and (self.folder / name).is_dir() else name

    def document(self, kind: str, name: str) -> YamlDocument:
        """Merged data of a chip or workload file.

        Raises
        ------
        HermesSimError
            no such file, or no YAML
        """
        if (kind, name) not in self._documents:
            path = self.file(kind, name)
            self._documents[kind, name] = read_with_parents(path) if kind == ARCH else read_workload(path)
        return self._documents[kind, name]

    def contents(self) -> dict[str, dict[str, Any]]:
        """What the files read so far say; a checked study has read all that it names."""
        return {f"{kind} {name}": document.data for (kind, name), document in self._documents.items()}

    def check(self, field: str, names: dict[str, list[str]], where: str) -> None:
        """Check that ``arch.some.field`` exists in every file that a study uses.

        Raises
        ------
        StudyError
            unknown field, with the fields there are
        """
        kind, _, path = field.partition(".")
        for name in names[kind]:
            document = self.document(kind, name)
            model = Chip if kind == ARCH else model_of(document)
            try:
                override(
                    YamlDocument(document.path, copy.deepcopy(document.data)), path, 0, model=model, error=StudyError
                )
            except HermesSimError as cause:
                raise StudyError(where, got=f"{field}: {cause.got}", allowed=cause.allowed, hint=cause.hint) from None

    def unit(self, kind: str, name: str, path: str) -> str | None:
        """Unit in which the file gives a quantity, or None where it says so some other way."""
        node = _node(self.document(kind, name), path)
        unit = node.get("unit") if isinstance(node, dict) else None
        return unit if isinstance(unit, str) else None

    def value(self, field: str, names: dict[str, str]) -> Any:
        """What the file says for ``arch.some.field``; of a quantity its number, in the unit of the file.

        Raises
        ------
        KeyError
            no such field, or a whole section
        """
        kind, _, path = field.partition(".")
        if kind not in names:
            raise KeyError(field)
        node: Any = self.document(kind, names[kind]).data
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                raise KeyError(field)
            node = node[key]
        if isinstance(node, dict) and "value" in node:
            node = node["value"]
        if isinstance(node, str) and node[:1].isdigit():  # "133 ns"
            try:
                return float(node.partition(" ")[0])
            except ValueError:
                return node
        if isinstance(node, (dict, list)) or node is None:
            raise KeyError(field)
        return node


def _node(document: YamlDocument, path: str) -> Any:
    node: Any = document.data
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def check_name(name: str, where: str, *, free: frozenset[str]) -> None:
    """Check the name of a parameter or linked field.

    Raises
    ------
    StudyError
        neither a field, nor an option of a run, nor a free variable that a formula uses
    """
    kind, dot, path = name.partition(".")
    if (dot and kind in {ARCH, WORKLOAD} and path) or name in OPTIONS or (name in free and name.isidentifier()):
        return
    hint = nearest(name, [*OPTIONS, *free, "arch.", "workload."])
    allowed = f"arch.FIELD, workload.FIELD, {', '.join(OPTIONS)}, or a variable that a formula of the study uses"
    raise StudyError(where, got=f"{name!r}", allowed=allowed, hint=hint)
