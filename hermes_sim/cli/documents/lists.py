"""Names and files: `list`, `show`, `data list`, `data get`, `new`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hermes_sim.cli.documents.base import Document
from hermes_sim.result import Record


class Descriptions(Record):
    """What they are, each by name."""

    chips: dict[str, str]
    workloads: dict[str, str]
    baselines: dict[str, str]


class NamesDocument(Document):
    """What ships, by the names that commands take."""

    chips: tuple[str, ...]
    workloads: tuple[str, ...]
    workloads_with_weights: tuple[str, ...] = Field(description="those of the workloads that have trained weights")
    baselines: tuple[str, ...] = Field(description="digital accelerators")
    descriptions: Descriptions


class ShowDocument(Document):
    """One chip, workload or baseline whole."""

    kind: Literal["chip", "workload", "baseline"]
    content: dict[str, Any] = Field(description="its file with all fields; `hermes-sim schema KIND` says what they are")


class DataSet(Record):
    """A data set that commands know by name."""

    kind: str = Field(description="what it is for")
    title: str
    source: str
    licence: str
    comes: Literal["package", "scikit-learn", "rules", "published"] = Field(description="how it comes to this machine")
    sha256: str | None = Field(description="of its arrays; null where a rule or scikit-learn makes them")
    at_hand: bool = Field(description="whether commands find it on this machine")
    file: str | None = Field(description="its archive on this machine")


class DataListDocument(Document):
    """Data sets by name."""

    data_sets: dict[str, DataSet] = Field(description="name -> what it is")


class DataGetDocument(Document):
    """Data sets that were fetched."""

    files: dict[str, str | None] = Field(description="name -> its archive; null where it needs no file")


class NewDocument(Document):
    """Files that were written."""

    files: tuple[str, ...] = Field(description="the YAML file, an archive if it needs one, the schema")
