"""Attention: the operators of each head are those of an encoder with `attention: softmax`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.workload.builders.attention import softmax_head
from hermes_sim.workload.onnx.tensors import Part, Stream

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node


class _Heads(NamedTuple):
    """Heads of queries and of keys and values, tokens of both in all windows, values per head of keys and of values.

    Each of `windows` attends to itself alone.
    """

    n_queries: int
    n_keys: int
    query_tokens: int
    key_tokens: int
    width: int
    value_width: int
    windows: int = 1


def attention(at: Importer, node: Node, name: str) -> None:
    """softmax(q k^T scale + mask) v, head by head; every mask costs one addition per score, however it is put in."""
    heads = _heads(at, node)
    queries, keys, values = (
        _in_lanes(at, at.stream(source), tokens, width, f"{name}.{role}")
        for source, tokens, width, role in (
            (node.inputs[0], heads.query_tokens, heads.n_queries * heads.width, "queries"),
            (node.inputs[1], heads.key_tokens, heads.n_keys * heads.width, "keys"),
            (node.inputs[2], heads.key_tokens, heads.n_keys * heads.value_width, "values"),
        )
    )
    masks = [source for source in node.inputs[3:] if source]
    computed = [at.collect(at.streams[mask], f"{name}.mask") for mask in masks if mask in at.streams]
    n_masks = len(masks) + bool(node.get("is_causal", 0))
    parts = []
    for i in range(heads.n_queries):
        head = softmax_head(
            at.graph,
            f"{name}.h{i}" if heads.n_queries > 1 else name,
            tokens=(heads.query_tokens, heads.key_tokens),
            widths=(heads.width, heads.value_width),
            n_masks=n_masks,
            windows=heads.windows,
        )
        shared = i * heads.n_keys // heads.n_queries
        at.connect(queries.cut(i * heads.width, (i + 1) * heads.width), head.scores)
        at.connect(keys.cut(shared * heads.width, (shared + 1) * heads.width), head.keys)
        at.connect(values.cut(shared * heads.value_width, (shared + 1) * heads.value_width), head.values)
        for mask in computed:
            at.connect(mask, head.scores, into=heads.width * (1 + heads.key_tokens // heads.windows))
        for made in (head.scores, head.softmax, head.weighted):
            at.graph.computes(made, node)
        parts.append(Part(head.weighted, 0, heads.value_width))
    at.streams[node.outputs[0]] = Stream(tuple(parts), heads.query_tokens)
    windows = f"{heads.windows} windows, " if heads.windows > 1 else ""
    scores = f"{heads.query_tokens // heads.windows} x {heads.key_tokens // heads.windows} scores"
    at.note(node, name, "digital", f"{windows}{heads.n_queries} heads, {scores}")


def _heads(at: Importer, node: Node) -> _Heads:
    """Heads by the attributes of ONNX's own operator, or by the axes in front of tokens and values."""
    if (any(node.inputs[4:6]) and not node.get("keys_transposed", 0)) or any(node.outputs[1:]):
        raise NotImplementedError("keys and values of earlier steps")
    if node.get("softcap", 0):
        raise NotImplementedError("softcap")
    query, value = at.shape(node.inputs[0]), at.shape(node.inputs[2])
    n_queries, n_keys = node.get("q_num_heads", 0), node.get("kv_num_heads", 0)
    if n_queries and n_keys and len(query) == 3:
        windows, widths = query[0], (query[2] // n_queries, value[2] // n_keys)
        found = _Heads(n_queries, n_keys, windows * query[1], value[0] * value[1], *widths, windows)
    else:
        if len(query) < 2 or len(value) < 2:
            raise NotImplementedError(f"queries of shape {list(query)}")
        windows = prod(query[:-3])
        heads = (prod(query[-3:-2]), prod(value[-3:-2]))
        tokens = (windows * query[-2], prod(value[:-3]) * value[-2])
        found = _Heads(*heads, *tokens, query[-1], value[-1], windows)
    if found.key_tokens % windows:
        raise NotImplementedError(f"{windows} windows of queries on {found.key_tokens} keys")
    if found.n_queries % found.n_keys or at.size(node.inputs[1]) != found.n_keys * found.key_tokens * found.width:
        raise NotImplementedError(f"{found.n_queries} heads of queries on {found.n_keys} of keys and values")
    return found


def _in_lanes(at: Importer, stream: Stream, tokens: int, values: int, name: str) -> Stream:
    """A stream of so many tokens and values, so that every head can take its own."""
    found = at.in_tokens(stream, tokens, name)
    if found.values < values:
        raise NotImplementedError(f"{found.values} values per token for {values}")
    return found
