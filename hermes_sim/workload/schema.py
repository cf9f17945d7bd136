"""What a workload file may say."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from hermes_sim.arch.schema_base import Section

Positive = Annotated[int, Field(ge=1, le=2**40)]


class Kernel(StrEnum):
    """Kernels of kernel ridge."""

    RBF = "rbf"
    ARCCOS0 = "arccos0"


class Sampler(StrEnum):
    """How the rows of the projection are drawn."""

    RFF = "rff"
    ORF = "orf"
    SORF = "sorf"


class KernelRidge(Section):
    """In-memory kernel ridge classification: one inference classifies one sample."""

    schema_version: Literal[1]
    name: str = Field(min_length=1)
    description: str
    source: str = Field(min_length=1)
    kind: Literal["kernel_ridge"]
    dataset: str = Field(min_length=1)
    features: Positive
    outputs: Positive
    kernel: Annotated[Kernel, Field(strict=False)]
    gamma: Annotated[float, Field(gt=0, le=1e6)]
    sampler: Annotated[Sampler, Field(strict=False)]
    log2_ratio: Annotated[int, Field(ge=0, le=16)]
    ridge_alpha: Annotated[float, Field(gt=0)]
    readout: Literal["digital", "crossbar"]
    inferences: Positive
    accuracy_seeds: Positive

    @property
    def n_projections(self) -> int:
        """Columns of the projection: 2^k d - k, as in the published runs."""
        return max(1, 2**self.log2_ratio * self.features - self.log2_ratio)


class PerformerAttention(Section):
    """One non-causal Performer attention layer with positive features (FAVOR+); its projection on crossbars."""

    schema_version: Literal[1]
    name: str = Field(min_length=1)
    description: str
    source: str = Field(min_length=1)
    kind: Literal["performer_attention"]
    sequence_length: Positive
    d_model: Positive
    heads: Positive
    projection_rows: Positive
    projections: Literal["shared", "separate_qk", "per_head"]
    inferences: Positive
    accuracy_seeds: Positive

    @property
    def head_dim(self) -> int:
        """Values of one head."""
        return self.d_model // self.heads


class MatmulEntry(Section):
    """A weight matrix (or several alike) and how many vectors it multiplies per inference."""

    name: str = Field(min_length=1)
    rows: Positive
    columns: Positive
    vectors: Positive
    copies: Positive = 1


class MatmulList(Section):
    """Independent matrix products. `scope: crossbar` leaves out everything but the products themselves."""

    schema_version: Literal[1]
    name: str = Field(min_length=1)
    description: str
    source: str = Field(min_length=1)
    kind: Literal["matmul_list"]
    scope: Literal["core", "crossbar"] = "core"
    matrices: list[MatmulEntry] = Field(min_length=1)
    inferences: Positive


Workload = KernelRidge | PerformerAttention | MatmulList
MODELS: dict[str, type[Workload]] = {
    "kernel_ridge": KernelRidge,
    "performer_attention": PerformerAttention,
    "matmul_list": MatmulList,
}
