"""What the file of a comparison may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hermes_sim.config.section import SchemaVersion, Section
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

Text = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Text], Field(min_length=1)]


class ComparedWork(Section):
    """A workload of the comparison."""

    workload: Text
    """Name or path of the workload."""
    label: Text
    """Its name in the report."""
    inferences: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Numbers of inferences, each a row: one behind the other on the chip, a batch on an accelerator."""


class CrossoverLine(Section):
    """An axis along which the winner is looked for."""

    chip: Text
    """Name or path of the chip."""
    workload: Text
    """Name or path of the workload."""
    axis: Text
    """`inferences`, or a field of the workload."""
    mapping: Text = DEFAULT_MAPPING
    """Strategy, or path of a mapping file."""
    low: int | None = Field(default=None, examples=[1])
    """First value looked at; left out: that of the axis."""
    high: int | None = None
    """Last value looked at; left out: that of the axis."""


class ComparisonFile(Section):
    """Chips x mappings x workloads x baselines, at one precision of the baselines.

    `changes` is a table of verdicts that changed since an earlier comparison (tools/verdicts.py), by a path relative to
    the file; `changed_since` says in the page since which.
    """

    schema_version: SchemaVersion
    """Version of this format."""
    kind: Literal["comparison"]
    """Marks the file of a comparison."""
    title: Text
    """Title of the page."""
    chips: Names
    """Names or paths of chips."""
    mappings: Names
    """Strategies, or paths of mapping files."""
    workloads: Annotated[list[ComparedWork], Field(min_length=1)]
    """What runs on them."""
    baselines: Names
    """Names or paths of accelerators."""
    precision: Text
    """Number format of the accelerators."""
    samples: Annotated[int, Field(ge=2, le=100_000)]
    """Draws of the values' ranges behind the intervals."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of these draws."""
    crossovers: list[CrossoverLine] = Field(default_factory=list)
    """Where the winner changes."""
    notes: list[Text] = Field(default_factory=list)
    """Paragraphs of your own on the page."""
    changes: Text | None = None
    """Table of verdicts that changed since an earlier comparison (tools/verdicts.py), its path counts from this
    file; left out: none.
    """
    changed_since: Text | None = None
    """Since which comparison, as the page says it."""
