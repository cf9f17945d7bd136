"""A small task for Performers, and their formulas once more in NumPy."""

from __future__ import annotations

import math

import numpy as np

from hermes_sim.numerics.training_data import Rows, TrainingData

SMALL = {"sequence_length": 24, "d_model": 16, "d_ff": 12, "symbols": 8, "projection_rows": 10, "classifier_width": 9}


def counting_task(classes=2, lengths=True):
    """Texts of few symbols: is the one more frequent than the other?"""
    rng = np.random.default_rng(0)

    def rows(_part):
        length = rng.integers(8, 25, 300) if lengths else np.full(300, 24)
        raw = rng.integers(1, 6, (300, 24)) * (np.arange(24) < length[:, None])
        labels = ((raw == 1).sum(1) > (raw == 2).sum(1)).astype(np.int64)
        return Rows(raw.astype(np.uint8), labels, lengths=length)

    return TrainingData("imdb", rows, classes)


def norm(weights, name, x):
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def dense(weights, name, x):
    return x @ weights[f"{name}.weight"] + weights.get(f"{name}.bias", 0.0)


def active(function, x):
    if function == "gelu":
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return x / (1 + np.exp(-x)) if function == "silu" else np.maximum(x, 0)


def attended(workload, weights, layer, x):
    """Attention of one text: all its tokens count."""
    role = {name: dense(weights, f"{layer}{name}_proj", x) for name in "qkv"}
    made, d = [], workload.head_dim
    for head in range(workload.heads):
        q, k, v = (role[name][:, head * d : (head + 1) * d] for name in "qkv")
        shared = f"{layer}W.weight" in weights
        features = []
        for name, vectors in (("q", q), ("k", k)):
            scaled = vectors * d**-0.25
            projected = scaled @ weights[f"{layer}W.weight" if shared else f"{layer}W_{name}.weight"]
            half_square = (scaled**2).sum(1, keepdims=True) / 2
            features.append(np.exp(np.hstack([projected, -projected]) - half_square))
        query, key = features
        made.append(query @ (key.T @ v) / (query @ key.sum(0))[:, None])
    return dense(weights, f"{layer}out_proj", np.hstack(made))


def scores(workload, weights, tokens, lengths):
    """Outputs of a performer_encoder in float64, text by text and without padding."""
    weights = {name: values.astype(np.float64) for name, values in weights.items()}
    half = workload.d_model // 2
    rates = [10_000 ** (-i / (half - 1)) for i in range(half)]
    found = []
    for text, length in zip(tokens, lengths, strict=True):
        counting = text[:length]
        if workload.embedding == "symbols":
            x = weights["embedding.weight"][counting]
        else:
            x = counting[:, None] * weights["embedding.weight"] + weights["embedding.bias"]
        angles = np.outer(np.arange(1, length + 1), rates)
        x = norm(weights, "embedding_norm", x + np.hstack([np.sin(angles), np.cos(angles)]))
        for i in range(workload.layers):
            layer = f"layers.{0 if workload.share_layers else i}."
            x = norm(weights, f"{layer}norm1", x + attended(workload, weights, layer, x))
            hidden = active(workload.activation, dense(weights, f"{layer}fc1", x))
            x = norm(weights, f"{layer}norm2", x + dense(weights, f"{layer}fc2", hidden))
        hidden = active(workload.classifier_activation, dense(weights, "classifier.0.0", x.mean(0)))
        found.append(dense(weights, "sentence_projection_layer", hidden))
    return np.array(found)
