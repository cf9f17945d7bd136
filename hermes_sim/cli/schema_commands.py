"""`hermes-sim schema`: what a file or a result may say, as JSON schema."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import write_json
from hermes_sim.cli.documents import documents
from hermes_sim.errors import HermesSimError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="chip, workload, study, data, mapping, baseline, comparison, result or error; or a command.",
        ),
    ],
) -> None:
    """JSON schema of a file that you write, of what a command prints with --json (`schema sweep run`), or of an error.

    `result` is what `run --json` prints and metrics.json holds.
    """
    write_json(schema_of(" ".join(what)))


def schema_of(what: str) -> dict[str, Any]:
    """Published JSON schema of one of the names of `schema`.

    Raises    HermesSimError  for an unknown name
    """
    from pydantic import TypeAdapter

    made = TypeAdapter(model_of(what)).json_schema()
    quantities: dict[str, Any] = {}
    parts = {name: _told(part) for name, part in _named(made.pop("$defs", {}), quantities).items()}
    whole = _named(made, quantities)
    if what == "chip":
        whole, parts = _with_extending(whole, parts)
    return {"$schema": DIALECT, **whole, "title": f"hermes_sim {what}", "$defs": {**parts, **quantities}}


def model_of(what: str) -> Any:
    """Records behind one of the names of `schema`.

    Raises    HermesSimError  for an unknown name
    """
    if what in _MODELS:
        return _MODELS[what]()
    printed = documents()
    if what not in printed:
        names = [*_MODELS, *printed]
        raise HermesSimError("schema", got=repr(what), allowed=", ".join(names), hint=nearest(what, names))
    return printed[what]


def _told(part: dict[str, Any]) -> dict[str, Any]:
    """A record with these fields and no others, each with its meaning, which dataclasses have in their docstring."""
    if "properties" not in part:
        return part
    story, _, told = part.get("description", "").partition("\n\nParameters\n----------\n")
    fields = {name: dict(field) for name, field in part["properties"].items()}
    for names, meaning in _PARAMETERS.findall(told):
        for name in names.split(", "):
            fields.get(name, {}).setdefault("description", " ".join(meaning.split()))
    described = {"description": story} if story else {}
    return {"additionalProperties": False, **part, **described, "properties": fields}


_PARAMETERS = re.compile(r"^([a-z_]\w*(?:, [a-z_]\w*)*) : (.*(?:\n[ ]+.*)*)", re.MULTILINE)


def _with_extending(whole: dict[str, Any], parts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A file that extends another has the same fields, says only what differs, and may take out what the other has."""
    changed = {f"{name}_changed": _changed(part, parts) for name, part in parts.items()}
    extending = _changed(whole, parts)
    extending["properties"]["extends"] = {"type": "string", "description": "shipped chip, or path of a chip file"}
    extending["required"] = ["extends"]
    return {"anyOf": [extending, whole]}, {**parts, **changed}


def _changed(node: Any, parts: Mapping[str, Any]) -> Any:
    """The same schema, with all fields of sections optional; quantities stay whole."""
    if isinstance(node, list):
        return [_changed(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name in parts:
        return {**node, "$ref": f"#/$defs/{name}_changed"}
    return {key: _changed(value, parts) for key, value in node.items() if key != "required"}


def _named(node: Any, quantities: dict[str, Any]) -> Any:
    """The same schema with every kind of quantity said once, in `quantities`."""
    if isinstance(node, list):
        return [_named(item, quantities) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("required") == ["value", "kind", "source"]:
        name = re.sub(r"\W+", "_", node["description"])
        quantities[name] = {key: value for key, value in node.items() if key != "title"}
        return {"$ref": f"#/$defs/{name}"}
    return {key: _named(value, quantities) for key, value in node.items()}


def _chip() -> Any:
    from hermes_sim.chip.schema import Chip

    return Chip


def _workload() -> Any:
    from hermes_sim.workload.schema import MODELS

    return reduce(or_, MODELS.values())


def _mapping() -> Any:
    from hermes_sim.mapping.schema import MappingFile

    return MappingFile


def _comparison() -> Any:
    from hermes_sim.comparison.schema import ComparisonFile

    return ComparisonFile


def _study() -> Any:
    from hermes_sim.explore.schema import StudyFile

    return StudyFile


def _baseline() -> Any:
    from hermes_sim.baselines.load import MODELS

    return reduce(or_, MODELS.values())


def _data() -> Any:
    from hermes_sim.numerics.dataset_schema import DatasetSection

    return DatasetSection


def _error() -> Any:
    from hermes_sim.result import ErrorDocument

    return ErrorDocument


_MODELS: dict[str, Callable[[], Any]] = {
    "chip": _chip,
    "workload": _workload,
    "mapping": _mapping,
    "study": _study,
    "comparison": _comparison,
    "baseline": _baseline,
    "data": _data,
    "result": lambda: documents()["run"],
    "error": _error,
}
