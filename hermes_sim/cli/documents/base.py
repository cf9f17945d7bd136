"""What the documents of all commands share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from hermes_sim.result import Record


def _always_there(schema: dict[str, Any]) -> None:
    schema["required"] = ["schema_version", *schema.get("required", ())]


class Document(Record):
    """What a command prints with `--json`: fields are added, never renamed or taken away within a version.

    A field that was not looked at and has a default is left out of the document.
    """

    model_config = ConfigDict(json_schema_extra=_always_there)

    schema_version: Literal[1] = Field(1, description="of this document")

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready data."""
        return {
            "schema_version": self.schema_version,
            **self.model_dump(mode="json", by_alias=True, exclude_unset=True),
        }
