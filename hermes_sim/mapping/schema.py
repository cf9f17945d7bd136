"""What a mapping file of our own may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_sim.config.section import SchemaVersion, Section
from hermes_sim.errors import FieldError

Index = Annotated[int, Field(ge=0, le=2**31)]
Range = Annotated[list[Index], Field(min_length=2, max_length=2)]


class PinnedBlock(Section):
    """A piece of a matrix on a core. Without `rows` or `columns` all of them, without `at` where there is room.

    `core` counts over the whole chip, or inside `cluster` if that is given; `at` is [row, column] on the crossbar.
    """

    matrix: str = Field(min_length=1)
    core: Index
    cluster: Index | None = None
    rows: Range | None = None
    columns: Range | None = None
    at: Range | None = None
    replica: Index = 0

    @model_validator(mode="after")
    def _ranges_ascend(self) -> PinnedBlock:
        for name in ("rows", "columns"):
            value = getattr(self, name)
            if value is not None and value[0] >= value[1]:
                raise FieldError(name, got=value, allowed="[first, end], first < end")
        return self


class MappingFile(Section):
    """Pins: what is fixed; `strategy` places the rest, none means that everything is here.

    `replicas` lists for an operator the replicas that take its tokens in turn, `units` fixes digital operators,
    `digital` names products or matrices that are kept off the crossbars.
    """

    schema_version: SchemaVersion
    kind: Literal["mapping", "placement"]  # placement: its name in files of earlier versions
    strategy: Literal["packed", "spread", "balanced", "local", "none"]
    blocks: list[PinnedBlock] = Field(default_factory=list)
    replicas: dict[str, Annotated[list[Index], Field(min_length=1)]] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    digital: list[str] = Field(default_factory=list)
    aliases: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _replicas_are_named_once(self) -> MappingFile:
        for name, numbers in self.replicas.items():
            if len(set(numbers)) < len(numbers):
                raise FieldError(f"replicas.{name}", got=numbers, allowed="every replica once")
        return self
