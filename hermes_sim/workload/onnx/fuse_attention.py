"""Attention written as products, factors, masks and a softmax: softmax(q k^T scale + mask) v."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hermes_sim.workload.onnx.chains import Found
from hermes_sim.workload.origin import Node

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.chains import Chains

_MAX_STEPS = 12  # factors, masks and casts on one side of the softmax


@dataclass(frozen=True)
class _Scores:
    """What goes into the softmax: queries and keys, factor (None if not a number of the file), masks, nodes."""

    queries: str
    keys: str
    scale: float | None = 1.0
    masks: tuple[str, ...] = ()
    places: frozenset[int] = field(default_factory=frozenset)

    def scaled(self, factor: float | None, place: int) -> _Scores:
        scale = None if factor is None or self.scale is None else self.scale * factor
        return replace(self, scale=scale, places=self.places | {place})


def find_attention(chains: Chains, anchor: int) -> Found | None:
    """Scaled dot-product attention around a softmax over the last axis.

    Factors may be applied to scores, queries or keys, by a product or a quotient; masks are added or put in with
    Where; rows that are masked altogether may be set to zero behind the softmax.
    """
    softmax = chains.nodes[anchor]
    shape = chains.shape(softmax.outputs[0])
    if not shape or softmax.get("axis", -1) not in {-1, len(shape) - 1}:
        return None
    scores = _scores(chains, softmax.inputs[0], _MAX_STEPS)
    product = _weighted(chains, anchor)
    if scores is None or product is None:
        return None
    end, after = product
    places = scores.places | after | {anchor}
    values = chains.nodes[end].inputs[1]
    if chains.is_constant(values) or not chains.is_closed(places):
        return None
    refs = {
        name: ref for place in places for name, ref in chains.nodes[place].constants.items() if name in scores.masks
    }
    node = Node(
        "",
        "Attention",
        "",
        (scores.queries, scores.keys, values, *scores.masks),
        chains.nodes[end].outputs[:1],
        {"scale": scores.scale, "keys_transposed": 1},
        refs,
    )
    return Found(node, places)


def _scores(chains: Chains, name: str, steps: int) -> _Scores | None:
    """Follow the scores back to the product of queries and keys."""
    place = chains.maker.get(name)
    if place is None or steps == 0 or chains.nodes[place].domain:
        return None
    node = chains.nodes[place]
    ways: tuple[tuple[str, str], ...] = ()
    if chains.is_same(place):
        found = _scores(chains, node.inputs[0], steps - 1)
        return found and found.scaled(1.0, place)
    if node.op_type == "MatMul":
        return _product(chains, place)
    factor = _factor(chains, place)
    if factor is not None:
        found = _scores(chains, factor[0], steps - 1)
        return found and found.scaled(factor[1], place)
    if node.op_type == "Add":
        left, right = node.inputs
        ways = ((left, right), (right, left))
    elif node.op_type == "Where":
        condition, yes, no = node.inputs
        ways = tuple((way, condition) for way, fill in ((yes, no), (no, yes)) if chains.scalar(fill) is not None)
    for way, mask in ways:
        found = _scores(chains, way, steps - 1)
        if found is not None:
            return replace(found, masks=(*found.masks, mask), places=found.places | {place})
    return None


def _factor(chains: Chains, place: int) -> tuple[str, float | None] | None:
    """Tensor and factor of a node that scales it by one number."""
    node = chains.nodes[place]
    if node.op_type not in {"Mul", "Div"} or node.domain:
        return None
    ways = [(0, 1), (1, 0)] if node.op_type == "Mul" else [(0, 1)]
    for tensor, number in ways:
        other = node.inputs[number]
        if chains.is_constant(other) and _is_one_number(chains.shape(other)):
            value = chains.scalar(other)
            if node.op_type == "Div":
                value = 1 / value if value else None
            return node.inputs[tensor], value
    return None


def _is_one_number(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and all(size == 1 for size in shape)


def _product(chains: Chains, place: int) -> _Scores | None:
    """Product of two computed tensors, with the factors in front of it."""
    left, right = chains.nodes[place].inputs
    if chains.is_constant(left) or chains.is_constant(right) or left == right:
        return None
    found = _Scores(left, right, places=frozenset({place}))
    for side in ("queries", "keys"):
        for _ in range(_MAX_STEPS):
            name = getattr(found, side)
            maker = chains.maker.get(name)
            alone = set(chains.takers[name]) <= found.places and name not in chains.network.outputs
            factor = _factor(chains, maker) if maker is not None and alone else None
            if maker is None or factor is None:
                break
            changed = {"queries": factor[0]} if side == "queries" else {"keys": factor[0]}
            found = replace(found.scaled(factor[1], maker), **changed)  # type: ignore[arg-type]
    return found


def _weighted(chains: Chains, anchor: int) -> tuple[int, frozenset[int]] | None:
    """Product of the softmax with the values, and the nodes on the way to it."""
    name, places = chains.nodes[anchor].outputs[0], set[int]()
    for _ in range(_MAX_STEPS):
        takers = sorted(set(chains.takers[name]))
        nodes = [chains.nodes[place] for place in takers]
        if [node.op_type for node in nodes] == ["IsNaN", "Where"] and nodes[0].outputs[0] == nodes[1].inputs[0]:
            places |= set(takers)
            name = nodes[1].outputs[0]
            continue
        if len(nodes) != 1:
            return None
        places.add(takers[0])
        if nodes[0].op_type == "MatMul" and nodes[0].inputs[0] == name != nodes[0].inputs[1]:
            return takers[0], frozenset(places)
        if not chains.is_same(takers[0]):
            return None
        name = nodes[0].outputs[0]
    return None
