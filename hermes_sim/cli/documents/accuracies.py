"""Accuracy of one workload: `accuracy`, `drift`, `train`."""

from __future__ import annotations

from pydantic import Field

from hermes_sim.cli.documents.base import Document
from hermes_sim.numerics.drift import DriftPoint
from hermes_sim.result import AccuracyMetrics, Record


class _KernelRidge(Record):
    """A kernel-ridge experiment."""

    dataset: str
    kernel: str
    sampler: str
    log2_ratio: float = Field(description="log2 of projections per input")
    gamma: float = Field(description="width of RBF")
    ridge_alpha: float = Field(description="ridge penalty")
    defaults_from: str = Field(description="where settings come from that were not given")


class AccuracyDocument(Document, AccuracyMetrics, _KernelRidge):
    """Kernel ridge with the projection on crossbars, beside FP32."""


class UsedRange(Record):
    """How the range of the vectors' entries is chosen that the inputs of a crossbar span."""

    policy: str
    per: str = Field(description="what shares a range")
    value: float | None = Field(description="of the policy; null where it has none")


class DriftDocument(Document, _KernelRidge):
    """Accuracy and kernel error over time after programming."""

    read_mode: str
    range_batch: int = Field(description="vectors that share an input range")
    range: UsedRange
    published: dict[str, tuple[str, str]] = Field(
        description="field -> what the chip file says and what published runs are simulated with, where they differ"
    )
    seeds: int = Field(description="programmed chips")
    first_calibration_s: float = Field(description="after programming, when the uncompensated scale was set")
    points: tuple[DriftPoint, ...]


class TrainDocument(Document):
    """A trained network; the file beside its weights says the same without `schema_version`."""

    workload: str
    data: str
    metric: str
    validation: float = Field(description="best value of the metric on the validation part")
    epochs: float
    minutes: float
    seed: int
    recipe: str
    command: str
    machine: str
    torch: str = Field(description="version of PyTorch")
    parameters: int
    validation_curve: tuple[tuple[float, float], ...] = Field(description="pairs of epochs and validation metric")
    test: float = Field(description="the metric on the test part")
    test_rows: int
    file_bytes: int = Field(description="size of the weights")
    updates: int | None = Field(None, description="steps of the optimizer, where a published recipe says how many")
    share_of_published_updates: float | None = None
    input_ranges: dict[str, float] | None = Field(None, description="learnt, by product, with hardware_aware")
