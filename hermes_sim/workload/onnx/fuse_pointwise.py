"""Activations and layer norms written as chains of simpler nodes."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erf

from hermes_sim.workload.onnx.chains import Found
from hermes_sim.workload.origin import Node

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.chains import Array, Chains

_X = np.linspace(-6, 6, 49)
_ACTIVATIONS = (
    ("Gelu", {"approximate": "none"}, _X / 2 * (1 + erf(_X / np.sqrt(2)))),
    ("Gelu", {"approximate": "tanh"}, _X / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (_X + 0.044715 * _X**3)))),
    ("Swish", {"alpha": 1.0}, _X / (1 + np.exp(-_X))),
    ("Swish", {"alpha": 1.702}, _X / (1 + np.exp(-1.702 * _X))),
)
_CLOSE = 2e-4  # rounded constants are nearer than that, the two forms of GELU 4.7e-4 apart
_FAR = 12  # tensors before the anchor in which the chain may begin
_LARGEST_EPSILON = 0.01


def find_activation(chains: Chains, anchor: int) -> Found | None:
    """GELU (by erf or tanh) or SiLU around an Erf, Tanh or Sigmoid: the longest chain that computes one."""
    best: Found | None = None
    for start in _starts(chains, anchor):
        after = chains.after(start, lambda place: _is_pointwise(chains, place))
        for end in after:
            places = chains.before(end, after)
            if anchor not in places or not chains.is_closed(places):
                continue
            if best is not None and len(places) <= len(best.places):
                continue
            made = chains.compute(places, {start: _X})
            named = _which(made)
            if named is not None:
                node = Node("", named[0], "", (start,), chains.nodes[end].outputs[:1], named[1])
                best = Found(node, places)
    return best


def _is_pointwise(chains: Chains, place: int) -> bool:
    return chains.computes(place) and chains.nodes[place].op_type != "ReduceMean"


def _starts(chains: Chains, anchor: int) -> list[str]:
    """Tensors from which the anchor's value may come, point by point."""
    found: list[str] = []
    waiting = chains.live_inputs(anchor)
    while waiting and len(found) < _FAR:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            if name in chains.maker and _is_pointwise(chains, chains.maker[name]):
                waiting += chains.live_inputs(chains.maker[name])
    return found


def _which(made: Array | None) -> tuple[str, dict[str, object]] | None:
    if made is None or made.shape != _X.shape or not np.isfinite(made).all():
        return None
    errors = [float(np.abs(made - wanted).max()) for _, _, wanted in _ACTIVATIONS]
    nearest = int(np.argmin(errors))
    name, attributes, _ = _ACTIVATIONS[nearest]
    return (name, dict(attributes)) if errors[nearest] < _CLOSE else None


def find_layer_norm(chains: Chains, anchor: int) -> Found | None:
    """Layer norm over the last axis, with or without scale and shift, whose first node is this ReduceMean."""
    live = chains.live_inputs(anchor)
    if len(live) != 1 or not _is_last_mean(chains, anchor):
        return None
    start = live[0]
    shape = chains.shape(start)
    after = chains.after(start, lambda place: _is_last_mean(chains, place) or _is_pointwise(chains, place))
    for end in reversed(after):
        places = chains.before(end, after)
        n_means = sum(chains.nodes[place].op_type == "ReduceMean" for place in places)
        if anchor not in places or n_means != 2 or not chains.is_closed(places):
            continue
        node = _as_layer_norm(chains, places, start, shape)
        if node is not None:
            return Found(node, places)
    return None


def _is_last_mean(chains: Chains, place: int) -> bool:
    """Whether a node is the mean over the last axis alone, kept as an axis of one."""
    node = chains.nodes[place]
    shape = chains.shape(node.inputs[0])
    if node.op_type != "ReduceMean" or node.domain or not shape or not node.get("keepdims", 1):
        return False
    axes = node.get("axes", None)
    if axes is None and len(node.inputs) > 1:
        known = chains.network.constants.small.get(node.inputs[1])
        axes = None if known is None else known.tolist()
    return axes is not None and [axis % len(shape) for axis in axes] == [len(shape) - 1]


def _as_layer_norm(chains: Chains, places: frozenset[int], start: str, shape: tuple[int, ...] | None) -> Node | None:
    """The chain as one node if it computes (x - mean) / sqrt(variance + epsilon), times a vector, plus a vector."""
    parts = [chains.nodes[place] for place in sorted(places)]
    names = dict.fromkeys(name for part in parts if part.op_type != "ReduceMean" for name in part.constants)
    vectors = [name for name in names if chains.scalar(name) is None]
    if shape is None or len(vectors) > 2 or any(not _is_vector(chains, name, shape[-1]) for name in vectors):
        return None
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 16)) * 2 + 1
    probes = {name: random.normal(size=16) for name in vectors}
    made = chains.compute(places, {start: x, **probes})
    small = [value for value in (chains.scalar(name) for name in names) if value is not None]
    epsilons = [0.0, *(value for value in small if 0 < value < _LARGEST_EPSILON)]
    for epsilon in epsilons:
        norm = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
        for scale, bias in _roles(vectors):
            wanted = norm * probes.get(scale, 1.0) + probes.get(bias, 0.0)
            if made is not None and made.shape == wanted.shape and np.allclose(made, wanted, rtol=1e-9, atol=1e-9):
                refs = {name: ref for part in parts for name, ref in part.constants.items() if name in vectors}
                node = Node("", "LayerNormalization", "", (start, scale, bias), parts[-1].outputs[:1])
                return replace(node, attributes={"axis": -1, "epsilon": epsilon}, constants=refs)
    return None


def _roles(vectors: list[str]) -> list[tuple[str, str]]:
    """Which of the vectors may be scale and which shift."""
    padded = [*vectors, "", ""][:2]
    return [(padded[0], padded[1]), (padded[1], padded[0])]


def _is_vector(chains: Chains, name: str, width: int) -> bool:
    shape = chains.shape(name)
    return bool(shape) and shape is not None and shape[-1] == width == prod(shape)
