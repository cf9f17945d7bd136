"""What a mapping file of our own may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_sim.config.section import SchemaVersion, Section
from hermes_sim.errors import FieldError

Index = Annotated[int, Field(ge=0, le=2**31)]
Range = Annotated[list[Index], Field(min_length=2, max_length=2)]


class PinnedBlock(Section):
    """A piece of a matrix on a core."""

    matrix: str = Field(min_length=1)
    """Name of the matrix, or of an operator that uses it."""
    core: Index
    """Number of the core on the whole chip, or inside `cluster`."""
    cluster: Index | None = None
    """Number of the cluster; left out: `core` counts over the whole chip."""
    rows: Range | None = None
    """[first, end] of the rows; left out: all."""
    columns: Range | None = None
    """[first, end] of the columns; left out: all."""
    at: Range | None = None
    """[row, column] on the crossbar; left out: where there is room."""
    replica: Index = 0
    """Number of the replica that it belongs to."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> PinnedBlock:
        for name in ("rows", "columns"):
            value = getattr(self, name)
            if value is not None and value[0] >= value[1]:
                raise FieldError(name, got=value, allowed="[first, end], first < end")
        return self


class MappingFile(Section):
    """Pins: what is fixed; a strategy places the rest."""

    schema_version: SchemaVersion
    """Version of this format."""
    kind: Literal["mapping", "placement"]  # placement: its name in files of earlier versions
    """Marks a mapping file; `placement` is its name in files of earlier versions."""
    strategy: Literal["packed", "spread", "balanced", "local", "none"]
    """What places the rest; `none`: everything is here."""
    blocks: list[PinnedBlock] = Field(default_factory=list)
    """Pieces of matrices that are fixed."""
    replicas: dict[str, Annotated[list[Index], Field(min_length=1)]] = Field(default_factory=dict)
    """For an operator, the replicas that take its tokens in turn."""
    units: dict[str, str] = Field(default_factory=dict)
    """For a digital operator, the unit that computes it."""
    digital: list[str] = Field(default_factory=list)
    """Products or matrices that are kept off the crossbars."""
    aliases: dict[str, str] = Field(default_factory=dict, examples=[{"layers.1.W": "layers.0.W"}])
    """For a matrix, another one whose cells it uses too."""

    @model_validator(mode="after")
    def _replicas_are_named_once(self) -> MappingFile:
        for name, numbers in self.replicas.items():
            if len(set(numbers)) < len(numbers):
                raise FieldError(f"replicas.{name}", got=numbers, allowed="every replica once")
        return self
