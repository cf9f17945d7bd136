"""What the file of a comparison may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hermes_sim.config.section import SchemaVersion, Section
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

Text = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Text], Field(min_length=1)]


class ComparedWork(Section):
    """A workload, and how many inferences are in flight; `label` is its name in the report."""

    workload: Text
    label: Text
    inferences: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class CrossoverLine(Section):
    """An axis along which the winner is looked for; ends as in `find_crossovers`."""

    chip: Text
    workload: Text
    axis: Text
    mapping: Text = DEFAULT_MAPPING
    low: int | None = None
    high: int | None = None


class ComparisonFile(Section):
    """Chips x mappings x workloads x baselines, at one precision of the baselines.

    `changes` is a table of verdicts that changed since an earlier comparison (tools/verdicts.py), by a path relative to
    the file; `changed_since` says in the page since which.
    """

    schema_version: SchemaVersion
    kind: Literal["comparison"]
    title: Text
    chips: Names
    mappings: Names
    workloads: Annotated[list[ComparedWork], Field(min_length=1)]
    baselines: Names
    precision: Text
    samples: Annotated[int, Field(ge=2, le=100_000)]
    seed: Annotated[int, Field(ge=0)] = 0
    crossovers: list[CrossoverLine] = Field(default_factory=list)
    notes: list[Text] = Field(default_factory=list)
    changes: Text | None = None
    changed_since: Text | None = None
