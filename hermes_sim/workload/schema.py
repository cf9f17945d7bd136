"""What a workload file may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hermes_sim.config.section import SchemaVersion, Section
from hermes_sim.config.vocabulary import Kernel, Sampler
from hermes_sim.errors import FieldError
from hermes_sim.workload.graph import LifeCycle

MOST_INFERENCES = 2**40
Positive = Annotated[int, Field(ge=1, le=MOST_INFERENCES)]


class LifeCycleSection(Section):
    """Events around the inferences, see `hermes_sim.workload.graph.LifeCycle`."""

    program_first: bool = False
    compensate_every: Annotated[int, Field(ge=0)] = 0
    calibrate_every: Annotated[int, Field(ge=0)] = 0
    redraw_every: Annotated[int, Field(ge=0)] = 0
    redraw: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _complete(self) -> LifeCycleSection:
        if bool(self.redraw_every) != bool(self.redraw):
            has, lacks = ("redraw_every", "redraw") if self.redraw_every else ("redraw", "redraw_every")
            raise FieldError(lacks, got=f"nothing beside {has}", allowed="redraw_every and the list redraw together")
        return self


class WorkloadFile(Section):
    """What every workload file says. `inferences` run one behind the other unless the command says otherwise.

    `digital` names static products, or weight matrices, that digital units compute instead of crossbars; `weights` is
    a file of trained weights beside this file, `data` the data set that they are trained and scored on.
    """

    schema_version: SchemaVersion
    name: str = Field(min_length=1)
    description: str
    source: str = Field(min_length=1)
    inferences: Positive
    digital: list[str] = Field(default_factory=list)
    life_cycle: LifeCycleSection | None = None
    weights: str | None = None
    data: str | None = None

    def events(self) -> LifeCycle | None:
        """Life cycle for the operator graph."""
        section = self.life_cycle
        if section is None:
            return None
        return LifeCycle(
            section.program_first,
            section.compensate_every,
            section.redraw_every,
            tuple(section.redraw),
            section.calibrate_every,
        )


def projections_of(n_inputs: int, log2_ratio: float) -> int:
    """Rows of W for s = 2^k d - k projections, as in the published runs."""
    return max(1, int(2**log2_ratio * n_inputs) - int(log2_ratio))


class KernelRidge(WorkloadFile):
    """In-memory kernel ridge classification: one inference classifies one sample."""

    kind: Literal["kernel_ridge"]
    dataset: str = Field(min_length=1)
    features: Positive
    outputs: Positive
    kernel: Literal[Kernel.RBF, Kernel.ARCCOS0]
    gamma: Annotated[float, Field(gt=0, le=1e6)]
    sampler: Literal[Sampler.RFF, Sampler.ORF, Sampler.SORF]
    log2_ratio: Annotated[int, Field(ge=0, le=16)]
    ridge_alpha: Annotated[float, Field(gt=0)]
    readout: Literal["digital", "crossbar"]
    accuracy_seeds: Positive

    @property
    def n_projections(self) -> int:
        """Columns of the projection: 2^k d - k, as in the published runs."""
        return projections_of(self.features, self.log2_ratio)


class PerformerAttention(WorkloadFile):
    """One non-causal Performer attention layer with positive features (FAVOR+); its projection on crossbars."""

    kind: Literal["performer_attention", "performer_encoder"]
    sequence_length: Positive
    d_model: Positive
    heads: Positive
    projection_rows: Positive
    projections: Literal["shared", "separate_qk", "per_head"]
    feature_map: Literal["exponential", "relu"] = "exponential"
    accuracy_seeds: Positive

    @model_validator(mode="after")
    def _heads_divide(self) -> PerformerAttention:
        if self.d_model % self.heads:
            raise FieldError("heads", got=self.heads, allowed=f"a divisor of d_model = {self.d_model}")
        return self

    @property
    def head_dim(self) -> int:
        """Values of one head."""
        return self.d_model // self.heads

    @property
    def n_features(self) -> int:
        """Random features of a vector: both signs of an exponential, or one of a ReLU."""
        return self.projection_rows * (2 if self.feature_map == "exponential" else 1)


class PerformerEncoder(PerformerAttention):
    """A whole encoder with classifier: post-norm layers, mean over the tokens that count, two dense layers.

    `split: attention` puts the feature projections on crossbars and nothing else, `full` every weight matrix;
    `attention: softmax` is the exact attention to compare with. `embedding: symbols` takes whole numbers, of which 0 is
    padding and counts for nothing, from a table of `symbols` rows; `pixels` a vector times the brightness.
    `projection_law` is how W is drawn where it is drawn anew, see `hermes_sim.kernels.performer.drawn_projection`.
    """

    attention: Literal["performer", "softmax"] = "performer"
    split: Literal["attention", "full"]
    layers: Positive
    share_layers: bool = False
    documents: Annotated[int, Field(ge=1, le=64)] = 1
    d_ff: Positive
    activation: Literal["relu", "gelu", "silu"]
    embedding: Literal["symbols", "pixels"]
    symbols: Positive | None = None
    qkv_bias: bool
    projection_law: Literal["published", "textbook"] = "published"
    classifier_activation: Literal["relu", "gelu"]
    classifier_width: Positive
    classes: Positive

    @model_validator(mode="after")
    def _symbols_fit(self) -> PerformerEncoder:
        if (self.symbols is not None) != (self.embedding == "symbols"):
            got = "nothing" if self.symbols is None else self.symbols
            raise FieldError("symbols", got=got, allowed="a number of them with embedding: symbols, else nothing")
        return self


class Image(Section):
    """Size of the input picture."""

    height: Positive
    width: Positive
    channels: Positive


class ConvNetLayer(Section):
    """One layer. It takes the layer before it, or `source`; `add` adds `other` to that.

    `activation` follows a convolution (by default a ReLU) or a dense layer (by default nothing).
    """

    name: str = Field(min_length=1)
    op: Literal["conv", "max_pool", "average_pool", "global_max_pool", "global_average_pool", "add", "linear"]
    source: str | None = None
    other: str | None = None
    channels: Positive | None = None
    kernel: Positive | None = None
    stride: Positive = 1
    padding: Annotated[int, Field(ge=0)] = 0
    on_crossbar: bool = True
    activation: Literal["relu", "none"] | None = None

    @model_validator(mode="after")
    def _fields_fit(self) -> ConvNetLayer:
        needs_channels, needs_kernel = self.op in {"conv", "linear"}, self.op in {"conv", "max_pool", "average_pool"}
        for name, needed in (("channels", needs_channels), ("kernel", needs_kernel), ("other", self.op == "add")):
            if (getattr(self, name) is not None) != needed:
                got = "nothing" if needed else getattr(self, name)
                raise FieldError(name, got=got, allowed=f"{'a' if needed else 'no'} {name} for op: {self.op}")
        if self.activation is not None and not needs_channels:
            raise FieldError("activation", got=self.activation, allowed=f"no activation for op: {self.op}")
        return self

    @property
    def has_relu(self) -> bool:
        """Whether a ReLU follows."""
        return self.activation == "relu" or (self.activation is None and self.op == "conv")


class ConvNet(WorkloadFile):
    """A convolutional network, one picture per inference; `channels` are what a layer makes."""

    kind: Literal["conv_net"]
    image: Image
    layers: list[ConvNetLayer] = Field(min_length=1)


class Lstm(WorkloadFile):
    """An LSTM layer between an embedding and an output layer, one sequence of `steps` per inference.

    `cell_groups` is in how many groups of hidden units the cells are computed; `autoregressive` feeds the chosen
    output back as the next input.
    """

    kind: Literal["lstm"]
    steps: Positive
    inputs: Positive
    hidden: Positive
    outputs: Positive
    cell_groups: Positive
    autoregressive: bool

    @model_validator(mode="after")
    def _groups_fit(self) -> Lstm:
        if self.cell_groups > self.hidden:
            raise FieldError("cell_groups", got=self.cell_groups, allowed=f"at most hidden = {self.hidden}")
        return self


class MatmulEntry(Section):
    """A weight matrix (or several alike) and how many vectors it multiplies per inference."""

    name: str = Field(min_length=1)
    rows: Positive
    columns: Positive
    vectors: Positive
    copies: Positive = 1


class MatmulList(WorkloadFile):
    """Independent matrix products. `scope: crossbar` leaves out everything but the products themselves."""

    kind: Literal["matmul_list"]
    scope: Literal["core", "crossbar"] = "core"
    matrices: list[MatmulEntry] = Field(min_length=1)


class OnnxModel(WorkloadFile):
    """A network in an ONNX file, beside this file or by absolute path.

    `tokens` replaces named or missing dimensions of the inputs, `unsupported` says what to do with operators that
    are not known: stop, or count them as nothing and say so.
    """

    kind: Literal["onnx"]
    path: str = Field(min_length=1)
    dimensions: dict[str, Positive] = Field(default_factory=dict)
    unsupported: Literal["stop", "pass_through"] = "stop"


Workload = KernelRidge | PerformerAttention | PerformerEncoder | ConvNet | Lstm | MatmulList | OnnxModel
MODELS: dict[str, type[Workload]] = {
    "kernel_ridge": KernelRidge,
    "performer_attention": PerformerAttention,
    "performer_encoder": PerformerEncoder,
    "conv_net": ConvNet,
    "lstm": Lstm,
    "matmul_list": MatmulList,
    "onnx": OnnxModel,
}
