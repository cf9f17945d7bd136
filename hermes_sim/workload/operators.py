"""Operators, matrices and edges: the parts of an operator graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.config.vocabulary import Function
    from hermes_sim.workload.origin import Node


class OpKind(StrEnum):
    """Kinds of operator."""

    INPUT = "input"
    OUTPUT = "output"
    STATIC_MATMUL = "static_matmul"
    DYNAMIC_MATMUL = "dynamic_matmul"
    ELEMENTWISE = "elementwise"
    NONLINEAR = "nonlinear"
    REDUCTION = "reduction"
    NORMALISATION = "normalisation"
    POOLING = "pooling"
    LSTM_CELL = "lstm_cell"
    EMBEDDING = "embedding"
    MEMORY = "memory"


class Pattern(StrEnum):
    """When the target of an edge may use what the source makes.

    EACH: token by token. SEQUENCE: the source's result counts only once all its tokens are done, and is then
    there for every token of the target (a barrier, a state, or one value before all). WINDOW: the target slides
    a window over the source's tokens, which lie in rows (convolution, pooling). PREVIOUS: feedback, token k of
    the target uses token k - 1 of the source.
    """

    EACH = "each"
    SEQUENCE = "sequence"
    WINDOW = "window"
    PREVIOUS = "previous"


@dataclass(frozen=True)
class Window:
    """How a target's window slides over the rows of a source's tokens; each token holds all channels of a pixel.

    Parameters
    ----------
    in_rows, in_columns, out_rows, out_columns : size of the picture before and after
    kernel, stride, padding : of the rows (from the first to the last of a window, step, empty ones above; what is
        missing below is empty too)
    positions : pixels in one window; input value i of the target belongs to channel i // positions
    width, column_stride, left : of the columns, by default as the positions say, and as of the rows
    """

    in_rows: int
    in_columns: int
    out_rows: int
    out_columns: int
    kernel: int
    stride: int
    padding: int
    positions: int
    left: int | None = None
    width: int | None = None
    column_stride: int | None = None

    def last_input_column(self, column: int) -> int:
        """Last column of the source that the windows of a target's column reach; the first if that is all padding."""
        left = self.padding if self.left is None else self.left
        width = self.positions // self.kernel if self.width is None else self.width
        last = column * (self.column_stride or self.stride) - left + width - 1
        return min(max(last, 0), self.in_columns - 1)


@dataclass(frozen=True)
class Matrix:
    """A weight matrix that does not change during an inference; several operators may share it.

    `rows` inputs, `columns` outputs.
    """

    name: str
    rows: int
    columns: int

    @property
    def n_weights(self) -> int:
        """Number of weights."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Operator:
    """One operator; all counts are per token, and it fires `tokens` times per inference.

    Parameters
    ----------
    in_values, out_values : values read and made per token (state that stays in the unit is not counted)
    functions : evaluations per token of each function, for what a digital unit does
    matrix : name of the weight matrix of a static matrix product
    on_crossbar : whether the static matrix product is meant for the crossbars
    weight_values : digital weights, or a state made by another operator, that every token reads
    once_values : values of the result that counts only after all tokens (a state), else `out_values`
    use : operators with the same matrix and the same `use` count as one use of it (the heads of a layer); of a
        product kept off the crossbars the name of its weights, which others may share
    nodes : of an imported network, those that the operator computes (or takes part in), with their attributes and
        references to their constants
    """

    name: str
    kind: OpKind
    tokens: int
    in_values: int
    out_values: int
    functions: Mapping[Function, int] = field(default_factory=dict)
    matrix: str | None = None
    on_crossbar: bool = False
    weight_values: int = 0
    once_values: int = 0
    use: str = ""
    nodes: tuple[Node, ...] = ()

    @property
    def state_values(self) -> int:
        """Values that every token reads and writes again: a result summed up over all tokens, a cell state."""
        if self.kind is OpKind.LSTM_CELL:
            return self.out_values
        return self.once_values if self.functions and self.kind is not OpKind.MEMORY else 0


@dataclass(frozen=True)
class Edge:
    """Values [start, stop) of each result of `source` go to `target`, as its input values from `into` on."""

    source: str
    target: str
    start: int
    stop: int
    pattern: Pattern = Pattern.EACH
    into: int = 0
    window: Window | None = None

    @property
    def n_values(self) -> int:
        """Values that travel for one firing."""
        return self.stop - self.start
