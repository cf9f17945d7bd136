"""Products of matrices and attention. Each sample has a product of its own, so that none depends on the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.numerics.functions.axes import Array, align, in_rank, needed, option, refuse
from hermes_sim.numerics.functions.reductions import softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermes_sim.workload.origin import Node

    Inputs = Sequence[Array | None]


def _matmul(_node: Node, inputs: Inputs) -> Array:
    """NumPy's product of stacks of matrices; a tensor of one axis in the file is a row or a column."""
    left, right = needed(inputs, 0), needed(inputs, 1)
    row, column = left.ndim == 2, right.ndim == 2
    if row:
        left = left[:, None, :]
    if column:
        right = right[:, :, None]
    left, right = align([left, right])
    made = left @ right
    made = made[..., 0] if column else made
    if row:
        made = made[..., 0] if column else made[..., 0, :]
    return np.asarray(made)


def _gemm(node: Node, inputs: Inputs) -> Array:
    left, right, bias = needed(inputs, 0), needed(inputs, 1), option(inputs, 2)
    left = left.swapaxes(-1, -2) if node.get("transA", 0) else left
    right = right.swapaxes(-1, -2) if node.get("transB", 0) else right
    made = np.float32(node.get("alpha", 1.0)) * (left @ right)
    return made if bias is None else made + np.float32(node.get("beta", 1.0)) * in_rank(bias, made.ndim)


def _in_heads(x: Array, heads: int) -> Array:
    """(samples, batch, tokens, heads * width) as (samples, batch, heads, tokens, width)."""
    if x.ndim == 5:
        return x
    return x.reshape(*x.shape[:3], heads, -1).swapaxes(2, 3)


def _attention(node: Node, inputs: Inputs) -> Array:
    """ONNX's own operator: softmax(q k^T scale + mask) v, head by head; heads of keys and values may be shared."""
    if node.get("softcap", 0) or any(array is not None for array in inputs[4:]) or any(node.outputs[1:]):
        raise refuse(node, "softcap, or keys and values of earlier steps", "attention over the tokens of one inference")
    flat = needed(inputs, 0).ndim == 4
    heads = (node.get("q_num_heads", 0), node.get("kv_num_heads", 0), node.get("kv_num_heads", 0))
    q, k, v = (_in_heads(needed(inputs, i), n) for i, n in enumerate(heads))
    shared = q.shape[2] // k.shape[2]
    k, v = (np.repeat(x, shared, axis=2) if shared > 1 else x for x in (k, v))
    scale = node.get("scale", None)
    scores = np.float32(q.shape[-1] ** -0.5 if scale is None else scale) * (q @ k.swapaxes(-1, -2))
    scores = _masked(scores, option(inputs, 3), causal=bool(node.get("is_causal", 0)))
    made = softmax(scores) @ v
    return made.swapaxes(2, 3).reshape(*made.shape[:2], made.shape[3], -1) if flat else np.asarray(made)


def _masked(scores: Array, mask: Array | None, *, causal: bool) -> Array:
    """Scores with a mask: of truth values where they are kept, of numbers to be added."""
    if mask is not None:
        mask = in_rank(mask, scores.ndim)
        scores = np.where(mask, scores, np.float32(-np.inf)) if mask.dtype == bool else scores + mask
    if causal:
        kept = np.tri(*scores.shape[-2:]) > 0
        scores = np.where(kept, scores, np.float32(-np.inf))
    return scores


PRODUCTS: dict[str, Callable[[Node, Inputs], Any]] = {"MatMul": _matmul, "Gemm": _gemm, "Attention": _attention}
