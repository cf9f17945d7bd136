"""Attention error on the chip beside FP32 for every pair of heads of the encoder behind attention_vectors.npz.

    python tools/attention_heads.py MODEL_DIR

Shows how much the choice of the shipped heads matters. MODEL_DIR as for attention_vectors.py; needs `tokenizers`.
"""  # noqa: INP001

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attention_vectors import EPSILON, HEAD_DIM, encode, read_weights
from scipy.special import erf

from hermes_sim.accuracy.attention import EncoderVectors, evaluate_encoder_attention
from hermes_sim.arch.load import load_arch
from hermes_sim.crossbar.spec import crossbar_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    _Weights = Mapping[str, NDArray[np.float32]]

N_ROWS = (63, 255, 447)
N_SEEDS = 3


def layers(weights: _Weights, codes: NDArray[np.int64]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Queries, keys and values, (texts, tokens, width) each, of one layer after the other (BERT's forward pass)."""

    def dense(x: NDArray[Any], name: str) -> NDArray[Any]:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normalised(x: NDArray[Any], name: str) -> NDArray[np.float32]:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"], np.float32)

    hidden = normalised(
        weights["embeddings.word_embeddings.weight"][codes]
        + weights["embeddings.position_embeddings.weight"][: codes.shape[1]]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "embeddings.LayerNorm",
    )
    n_layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    for layer in (f"encoder.layer.{i}" for i in range(n_layers)):
        query, key, value = (dense(hidden, f"{layer}.attention.self.{name}") for name in ("query", "key", "value"))
        yield query, key, value
        context = np.empty_like(hidden)
        for text, real in enumerate(codes != 0):
            for start in range(0, hidden.shape[-1], HEAD_DIM):
                head = slice(start, start + HEAD_DIM)
                logits = query[text, :, head] @ key[text, real, head].T / np.sqrt(HEAD_DIM)
                shares = np.exp(logits - logits.max(axis=1, keepdims=True))
                context[text, :, head] = shares @ value[text, real, head] / shares.sum(axis=1, keepdims=True)
        hidden = normalised(
            hidden + dense(context, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm"
        )
        inner = dense(hidden, f"{layer}.intermediate.dense")
        inner *= 0.5 * (1 + erf(inner / np.sqrt(2)))
        hidden = normalised(hidden + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")


def main(model: Path) -> None:
    """One line per pair of heads: FP32 error and the chip's factor, by rows of W."""
    spec = crossbar_spec(load_arch("hermes_64").core.analog, rows=256, columns=256)
    factors = []
    print("layer, heads:", *(f"FP32 error, factor at {n}" for n in N_ROWS), sep="  ")
    for layer, arrays in enumerate(layers(read_weights(model / "model.safetensors"), encode(model))):
        for start in range(0, arrays[0].shape[-1], 2 * HEAD_DIM):
            vectors = EncoderVectors(*(a[..., start : start + 2 * HEAD_DIM].astype(np.float32) for a in arrays))
            cells = []
            for n_rows in N_ROWS:
                result = evaluate_encoder_attention(spec=spec, vectors=vectors, n_rows=n_rows, n_seeds=N_SEEDS, seed=0)
                digital, chip = np.mean(result.digital_values), np.mean(result.simulated_values)
                cells.append((digital, chip / digital))
            factors.append([factor for _, factor in cells])
            first = start // HEAD_DIM
            print(f"{layer}, {first} + {first + 1}:", *(f"{e:.3f}, {f:.2f}" for e, f in cells), sep="  ", flush=True)
    for name, values in (("lowest", np.min), ("median", np.median), ("highest", np.max)):
        print(f"{name} factor:", *(f"{value:.2f}" for value in values(np.array(factors), axis=0)), sep="  ")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
