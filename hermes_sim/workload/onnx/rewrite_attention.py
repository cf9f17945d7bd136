"""Attention of many heads in one operator, with or without the projections of queries, keys and values."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from hermes_sim.workload.onnx.rewrite_fused import counted
from hermes_sim.workload.onnx.rewrite_node import Rewriting, UntoldForm

if TYPE_CHECKING:
    from collections.abc import Callable

_MASKED = -10_000.0  # added to scores that do not count, where the node names no number
_NEVER = -6e4  # score of a later key: its weight is 0, in FP16, too
_INT64 = 7  # in TensorProto
_STATE = ("do_rotary", "past_present_share_buffer", "rotary_embedding_dim")


def _projected(to: Rewriting) -> None:
    """Queries, keys and values from one matrix."""
    to.without(4, 6)  # keys and values of earlier steps
    x, weights, bias = (to.input(i) for i in range(3))
    columns = to.shape(weights)[-1]
    if columns is None:
        raise UntoldForm
    sizes = list(to.attributes.get("qkv_hidden_sizes", [columns // 3] * 3))
    made = to.main("MatMul", x, weights)
    if bias:
        made = to.add("Add", made, bias)
    _attend(to, to.split(made, sizes), sizes[0], tokens=x, mask=to.input(3), added=to.input(5))


def _of_three(to: Rewriting) -> None:
    """Queries, keys and values from wherever they come."""
    to.without(6, 7)  # keys and values of earlier steps
    given = [to.input(i) for i in range(3)]
    if not all(given) or any(len(to.shape(name)) != 3 for name in given):
        raise UntoldForm
    width = to.shape(given[0])[-1]
    if width is None:
        raise UntoldForm
    if to.input(3):
        (total,) = to.shape(to.input(3))
        if total is None:
            raise UntoldForm
        parts = to.split(to.input(3), [width, width, total - 2 * width])
        given = [to.add("Add", x, part) for x, part in zip(given, parts, strict=True)]
    _attend(to, given, width, tokens=to.input(1), mask=to.input(4), added=to.input(5))


def _attend(to: Rewriting, given: list[str], width: int, *, tokens: str, mask: str, added: str) -> None:
    """Attention of queries, keys and values; `tokens` has as many along axis 1 as there are keys."""
    heads = to.attributes.get("num_heads", 0)
    if not heads or any(to.attributes.get(name, 0) for name in _STATE) or any(to.results[1:]):
        raise UntoldForm
    split = to.constant([0, 0, heads, -1])
    of_heads = [to.add("Reshape", x, split) for x in given]
    queries, values = (to.add("Transpose", of_heads[i], perm=[0, 2, 1, 3]) for i in (0, 2))
    keys = to.add("Transpose", of_heads[1], perm=[0, 2, 3, 1])
    scale = to.attributes.get("scale", 0.0) or 1 / sqrt(width / heads)
    scores = to.add("Mul", to.add("MatMul", queries, keys), to.constant(scale, like=to.input(0)))
    if added:
        scores = to.add("Add", scores, added)
    if mask:
        scores = to.add("Add", scores, _penalty(to, _counting(to, mask, tokens)))
    if to.attributes.get("unidirectional", 0):
        if to.shape(tokens)[1] != to.shape(to.input(0))[1]:
            raise UntoldForm
        after = to.add("Add", counted(to, to.input(0), 1), to.constant(1))
        seen = to.add(
            "Less", to.over_axes("Unsqueeze", counted(to, tokens, 1), [0]), to.over_axes("Unsqueeze", after, [1])
        )
        scores = to.add("Where", seen, scores, to.constant(_NEVER, like=to.input(0)))
    weights = to.add("Softmax", scores, axis=-1)
    together = to.add("Transpose", to.add("MatMul", weights, values), perm=[0, 2, 1, 3])
    to.add("Reshape", together, to.constant([0, 0, -1]), gives=to.result())


def _counting(to: Rewriting, mask: str, tokens: str) -> str:
    """Which keys count, as (samples, 1, 1, keys): told one by one, or by how many there are."""
    sizes = to.shape(mask)
    if sizes == (1,) or (sizes == (None,) and not to.is_input(mask)):  # of an input there might be two, start and end
        lengths = to.over_axes("Unsqueeze", to.add("Cast", mask, to=_INT64), [1])
        counts = to.add("Less", to.over_axes("Unsqueeze", counted(to, tokens, 1), [0]), lengths)
    elif len(sizes) == 2:
        counts = to.add("Greater", to.add("Cast", mask, to=_INT64), to.constant(0))
    else:
        raise UntoldForm
    return to.over_axes("Unsqueeze", counts, [1, 2])


def _penalty(to: Rewriting, counting: str) -> str:
    """What is added to scores: 0, or a large negative number where a key does not count."""
    number = to.constant(to.attributes.get("mask_filter_value", _MASKED), like=to.input(0))
    missing = to.add("Sub", to.constant(1, like=to.input(0)), to.cast(counting, like=to.input(0)))
    return to.add("Mul", missing, number)


ATTENTION: dict[str, Callable[[Rewriting], None]] = {"Attention": _projected, "MultiHeadAttention": _of_three}
