"""Cells of recurrent layers, one step each; whoever walks over the sequence makes the products."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hermes_sim.numerics.functions.axes import Array, refuse
from hermes_sim.numerics.functions.pointwise import sigmoid

if TYPE_CHECKING:
    from hermes_sim.workload.origin import Node

_PLAIN = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def require_plain(node: Node) -> None:
    """Refuse variants that the functions here do not compute.

    Raises
    ------
    WorkloadError
        other activations, clipping, an input gate coupled to the forget gate, peepholes
    """
    plain, activations = _PLAIN[node.op_type], node.get("activations", None) or []
    if node.op_type == "RNN" and activations and set(activations) == {"Relu"}:
        plain = ["Relu"]
    peepholes = len(node.inputs) > 7 and bool(node.inputs[7])
    if any(name != plain[i % len(plain)] for i, name in enumerate(activations)):
        raise refuse(node, f"activations {', '.join(activations)}", ", ".join(plain))
    if node.get("clip", 0) or node.get("input_forget", 0) or peepholes:
        raise refuse(node, "clip, input_forget or peepholes", f"{node.op_type} without them")


def lstm_step(gates: Array, cell: Array) -> tuple[Array, Array]:
    """One step of an LSTM.

    Parameters
    ----------
    gates : (samples, 4, hidden)    sums of both products and biases, in ONNX's order: input, output, forget, cell
    cell  : (samples, hidden)       state after the step before

    Returns
    -------
    hidden state, cell state : (samples, hidden) each
    """
    opened = sigmoid(gates[:, :3])
    state = opened[:, 2] * cell + opened[:, 0] * np.tanh(gates[:, 3])
    return opened[:, 1] * np.tanh(state), state


class GruGates(NamedTuple):
    """How much of the old state stays, and how much of it the candidate sees: (samples, hidden) each."""

    update: Array
    reset: Array


def gru_gates(sums: Array) -> GruGates:
    """Gates of a GRU from (samples, 2, hidden) sums of both products and biases: update (z), reset (r)."""
    opened = sigmoid(sums)
    return GruGates(opened[:, 0], opened[:, 1])


def gru_blend(update: Array, candidate: Array, hidden: Array) -> Array:
    """Next hidden state: update * hidden + (1 - update) * tanh(candidate), all (samples, hidden).

    For `linear_before_reset` 0 the candidate's sum is x W_h + (reset * hidden) R_h + biases: its recurrent product
    comes after `gru_gates`.
    """
    made: Array = (1 - update) * np.tanh(candidate) + update * hidden
    return made


def gru_step(from_input: Array, from_hidden: Array, hidden: Array) -> Array:
    """One step of a GRU with `linear_before_reset` 1: the reset gate acts behind the recurrent product.

    Parameters
    ----------
    from_input  : (samples, 3, hidden)    x W + Wb, in ONNX's order: update (z), reset (r), candidate (h)
    from_hidden : (samples, 3, hidden)    h R + Rb, in the same order
    hidden      : (samples, hidden)       state after the step before
    """
    update, reset = gru_gates(from_input[:, :2] + from_hidden[:, :2])
    return gru_blend(update, from_input[:, 2] + reset * from_hidden[:, 2], hidden)
