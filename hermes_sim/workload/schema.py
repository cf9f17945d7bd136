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
    """Program all weights before the first inference."""
    compensate_every: Annotated[int, Field(ge=0)] = 0
    """Inferences between two drift compensations of every core in use; 0: none."""
    calibrate_every: Annotated[int, Field(ge=0)] = 0
    """Inferences between two calibrations of the converters of every core in use; 0: none."""
    redraw_every: Annotated[int, Field(ge=0)] = 0
    """Inferences between two times that the matrices of `redraw` are drawn and programmed anew; 0: never."""
    redraw: list[str] = Field(default_factory=list)
    """Names of these matrices, of random features for example; with, and only with, `redraw_every`."""

    @model_validator(mode="after")
    def _complete(self) -> LifeCycleSection:
        if bool(self.redraw_every) != bool(self.redraw):
            has, lacks = ("redraw_every", "redraw") if self.redraw_every else ("redraw", "redraw_every")
            raise FieldError(lacks, got=f"nothing beside {has}", allowed="redraw_every and the list redraw together")
        return self


class WorkloadFile(Section):
    """What every workload file says."""

    schema_version: SchemaVersion
    """Version of this format."""
    name: str = Field(min_length=1)
    """Name in reports."""
    description: str
    """What the workload is, in a sentence."""
    source: str = Field(min_length=1)
    """Where its dimensions come from."""
    inferences: Positive
    """How many run one behind the other, unless the command says otherwise."""
    digital: list[str] = Field(default_factory=list)
    """Static products, or weight matrices, that digital units compute instead of crossbars, by name."""
    life_cycle: LifeCycleSection | None = None
    """Programming, drift compensation, calibration and redrawing around the inferences; left out: none of them."""
    weights: str | None = None
    """File of trained weights, its path counts from this file; left out: none."""
    data: str | None = None
    """Data set that the network is trained and scored on: a name or a file; left out: none."""

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
    """Selects this kind of workload."""
    dataset: str = Field(min_length=1)
    """Name of the data set."""
    features: Positive
    """Inputs of a sample: columns of its data."""
    outputs: Positive
    """Outputs of the readout: one for two classes, else one per class."""
    kernel: Literal[Kernel.RBF, Kernel.ARCCOS0]
    """Kernel that the random features approximate."""
    gamma: Annotated[float, Field(gt=0, le=1e6)]
    """Width of the RBF kernel exp(-gamma |x - y|^2)."""
    sampler: Literal[Sampler.RFF, Sampler.ORF, Sampler.SORF]
    """How the projections are drawn: independent, orthogonal, or structured orthogonal."""
    log2_ratio: Annotated[int, Field(ge=0, le=16)]
    """k in 2^k d - k, the number of projections for d features."""
    ridge_alpha: Annotated[float, Field(gt=0)]
    """Penalty of the ridge regression."""
    readout: Literal["digital", "crossbar"]
    """Whether the readout runs on a digital unit or on crossbars."""
    accuracy_seeds: Positive
    """Chips with projections of their own over which an accuracy is a mean."""

    @property
    def n_projections(self) -> int:
        """Columns of the projection: 2^k d - k, as in the published runs."""
        return projections_of(self.features, self.log2_ratio)


class PerformerAttention(WorkloadFile):
    """One non-causal Performer attention layer with positive features (FAVOR+); its projection on crossbars."""

    kind: Literal["performer_attention", "performer_encoder"]
    """Selects this kind of workload."""
    sequence_length: Positive
    """Tokens of a sequence."""
    d_model: Positive
    """Width of a token, a multiple of `heads`."""
    heads: Positive
    """Heads of the attention."""
    projection_rows: Positive
    """Projections of a query or key: rows of W."""
    projections: Literal["shared", "separate_qk", "per_head"]
    """Who has a W of their own: nobody, queries and keys, or every head."""
    feature_map: Literal["exponential", "relu"] = "exponential"
    """Features of a projection: both signs of an exponential, or one of a ReLU."""
    accuracy_seeds: Positive
    """Chips with a W of their own over which an error or accuracy is a mean."""

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
    """A whole encoder with classifier: post-norm layers, mean over the tokens that count, two dense layers."""

    attention: Literal["performer", "softmax"] = "performer"
    """Attention by random features, or the exact one to compare with."""
    split: Literal["attention", "full"]
    """`attention` puts the feature projections on crossbars and nothing else, `full` every weight matrix."""
    layers: Positive
    """Layers of the encoder."""
    share_layers: bool = False
    """Use one set of weights for all layers."""
    documents: Annotated[int, Field(ge=1, le=64)] = 1
    """Sequences of an inference, whose means the classifier takes together."""
    d_ff: Positive
    """Width between the two dense layers of a layer."""
    activation: Literal["relu", "gelu", "silu"]
    """Function between them."""
    embedding: Literal["symbols", "pixels"]
    """What a token is: `symbols`, a whole number (0 is padding and counts for nothing) with a row of a table;
    `pixels`, a brightness times a vector.
    """
    symbols: Positive | None = None
    """Rows of that table; with, and only with, `embedding: symbols`."""
    qkv_bias: bool
    """Whether queries, keys and values have biases."""
    projection_law: Literal["published", "textbook"] = "published"
    """How W is drawn where it is drawn anew: as in the published code, or with orthogonal vectors of the right
    lengths.
    """
    classifier_activation: Literal["relu", "gelu"]
    """Function between the two dense layers of the classifier."""
    classifier_width: Positive
    """Width between them."""
    classes: Positive
    """Outputs of the classifier."""

    @model_validator(mode="after")
    def _symbols_fit(self) -> PerformerEncoder:
        if (self.symbols is not None) != (self.embedding == "symbols"):
            got = "nothing" if self.symbols is None else self.symbols
            raise FieldError("symbols", got=got, allowed="a number of them with embedding: symbols, else nothing")
        return self


class Image(Section):
    """Size of the input picture."""

    height: Positive
    """Rows of pixels."""
    width: Positive
    """Columns of pixels."""
    channels: Positive
    """Values of a pixel."""


class ConvNetLayer(Section):
    """One layer."""

    name: str = Field(min_length=1)
    """Name of the layer and of its matrix."""
    op: Literal["conv", "max_pool", "average_pool", "global_max_pool", "global_average_pool", "add", "linear"]
    """What the layer does; `add` adds the results of two layers."""
    source: str | None = Field(default=None, examples=["conv1"])
    """Layer whose result it takes; left out: the one before it."""
    other: str | None = None
    """Layer whose result is added; with, and only with, `add`."""
    channels: Positive | None = None
    """Channels that it makes; with, and only with, `conv` and `linear`."""
    kernel: Positive | None = None
    """Rows and columns of its window; with, and only with, `conv`, `max_pool` and `average_pool`."""
    stride: Positive = 1
    """Pixels from one window to the next."""
    padding: Annotated[int, Field(ge=0)] = 0
    """Pixels of zeros around the picture."""
    on_crossbar: bool = True
    """Whether its weights lie on crossbars; else a digital unit computes it."""
    activation: Literal["relu", "none"] | None = None
    """What follows a `conv` (left out: a ReLU) or `linear` (left out: nothing)."""

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
    """A convolutional network, one picture per inference."""

    kind: Literal["conv_net"]
    """Selects this kind of workload."""
    image: Image
    """Size of the input picture."""
    layers: list[ConvNetLayer] = Field(min_length=1)
    """Layers in order."""


class Lstm(WorkloadFile):
    """An LSTM layer between an embedding and an output layer, one sequence per inference."""

    kind: Literal["lstm"]
    """Selects this kind of workload."""
    steps: Positive
    """Steps of a sequence."""
    inputs: Positive
    """Width of the embedding."""
    hidden: Positive
    """Hidden units."""
    outputs: Positive
    """Symbols: rows of the embedding and outputs."""
    cell_groups: Positive
    """Groups of hidden units in which the cells are computed, at most `hidden`."""
    autoregressive: bool
    """Feed the chosen output back as the next input."""

    @model_validator(mode="after")
    def _groups_fit(self) -> Lstm:
        if self.cell_groups > self.hidden:
            raise FieldError("cell_groups", got=self.cell_groups, allowed=f"at most hidden = {self.hidden}")
        return self


class MatmulEntry(Section):
    """A weight matrix (or several alike) and how many vectors it multiplies per inference."""

    name: str = Field(min_length=1)
    """Name of the matrix."""
    rows: Positive
    """Inputs of a product."""
    columns: Positive
    """Outputs of a product."""
    vectors: Positive
    """Vectors that it multiplies per inference."""
    copies: Positive = 1
    """How many such matrices there are."""


class MatmulList(WorkloadFile):
    """Independent matrix products."""

    kind: Literal["matmul_list"]
    """Selects this kind of workload."""
    scope: Literal["core", "crossbar"] = "core"
    """`crossbar` leaves out everything but the products themselves; `core` has what moves in and out, too."""
    matrices: list[MatmulEntry] = Field(min_length=1)
    """The products."""


class OnnxModel(WorkloadFile):
    """A network in an ONNX file."""

    kind: Literal["onnx"]
    """Selects this kind of workload."""
    path: str = Field(min_length=1)
    """Path of the ONNX file, absolute or from this file."""
    dimensions: dict[str, Positive] = Field(default_factory=dict)
    """Sizes of the inputs that the file leaves open, by name or by `INPUT.AXIS`."""
    unsupported: Literal["stop", "pass_through"] = "stop"
    """What to do with operators that are not known: stop, or count them as nothing and say so."""


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
