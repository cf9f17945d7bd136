"""Studies: `sweep run`, `sweep resume`, `sweep show`, `sweep best`, `sweep compare`, and `partition`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hermes_sim.cli.documents.base import Document
from hermes_sim.result import Record

Row = dict[str, Any]  # columns: parameters by path, and results as docs/exploration.md lists them


class FailedPoint(Record):
    """A point without a result."""

    error: str
    parameters: str | dict[str, Any]
    key: str = Field(description="of the point in the store")


class SweepDocument(Document):
    """What a sweep did."""

    study: str
    changes: dict[str, Any] = Field(description="field -> value, of --set")
    store: str
    points: int = Field(description="of the study")
    done: int = Field(description="run now, with a result")
    skipped: int = Field(description="already in the store, or the same design as another point")
    failed: int = Field(description="run now, with an error")
    pruned: int = Field(description="given up before simulation: no result could be good enough")
    points_per_min: float
    elapsed_s: float
    failures: tuple[FailedPoint, ...] = Field(description="the first hundred")
    other_code: dict[str, int] = Field(description="fingerprint of other code -> points of the study that are of it")


class FindingRows(Record):
    """A question of the study file."""

    question: str
    rows: tuple[Row, ...]


class StudyDocument(Document):
    """What a store says of a study. Rows have the columns of its table, without empty cells."""

    study: str
    changes: dict[str, Any] = Field(description="field -> value, of --set when it ran")
    points: int
    status: dict[str, int] = Field(description="status -> points")
    other_code: dict[str, int] = Field(description="fingerprint of other code -> points of the study that are of it")
    objectives: dict[str, str] = Field(description="column -> minimize or maximize")
    front: tuple[Row, ...] = Field(description="Pareto front of the objectives, one for each scenario")
    effects: tuple[Row, ...] = Field(description="main effects of the parameters on the first objective")
    findings: tuple[FindingRows, ...] = Field(description="answers to the questions of the study file")
    failures: tuple[Row, ...] = Field(description="points without a result")


class BestDocument(Document):
    """Best design under constraints."""

    best: Row
    words: str
    scenarios: tuple[Row, ...] | None = Field(None, description="best in each scenario, where the study has some")


class ComparedObjective(Record):
    """An objective in two stores; ratios are the other's value over the first one's, null where there is none."""

    objective: str
    common_points: int = Field(description="designs that both have")
    best_of_one: str = Field(description="with its unit")
    best_of_other: str = Field(description="with its unit")
    ratio_of_best: float | None
    median_ratio: float | None = Field(description="of common points")
    largest_change: float | None = Field(description="ratio of the common point that changed most")


class StoresDocument(Document):
    """The same designs in two stores."""

    stores: tuple[str, str]
    objectives: tuple[ComparedObjective, ...]


class SplitResult(Record):
    """Products on digital units, and what the whole then does."""

    digital: tuple[str, ...] = Field(description="matrices that no crossbar holds")
    accuracy: float = Field(description="of the metric, mean over draws")
    drop: float = Field(description="against FP32: in points for accuracies, in the metric's unit for errors")
    std: float | None = Field(description="over draws; null of one")
    latency_ns: float = Field(description="of one inference, in the steady state")
    energy_pj: float = Field(description="of one inference on the chip, in the steady state")


class PartitionDocument(Document):
    """The cheapest split whose accuracy drops by no more than was allowed."""

    metric: str
    digital_fp32: float = Field(description="the metric in FP32")
    max_drop: float
    objective: str = Field(description="energy or latency")
    sensitivity: dict[str, float] = Field(description="matrix -> drop with it alone on crossbars")
    steps: tuple[SplitResult, ...] = Field(description="splits in the order in which they were evaluated")
    chosen: SplitResult
    again: SplitResult = Field(description="the same split on as many chips that had no part in the choice")
