"""Attention error on the chip beside FP32 for every pair of heads of the encoder behind attention_vectors.npz.

    python tools/attention_heads.py MODEL_DIR

Shows how much the choice of the shipped heads matters. MODEL_DIR as for attention_vectors.py; needs `tokenizers`.
"""  # noqa: INP001

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attention_vectors import HEAD_DIM, dense, embed, encode, layer_norm, read_weights
from scipy.special import erf

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.numerics.attention import EncoderVectors, evaluate_encoder_attention
from hermes_sim.numerics.chip_models import as_published, chip_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attention_vectors import Weights
    from numpy.typing import NDArray

N_ROWS = (63, 255, 447)
N_SEEDS = 3


def layers(weights: Weights, codes: NDArray[np.int64]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Queries, keys and values, (texts, tokens, width) each, of one layer after the other (BERT's forward pass)."""
    hidden = embed(weights, codes, np.arange(codes.shape[1]))
    n_layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    for layer in (f"encoder.layer.{i}" for i in range(n_layers)):
        query, key, value = (
            dense(weights, f"{layer}.attention.self.{name}", hidden) for name in ("query", "key", "value")
        )
        yield query, key, value
        context = np.empty_like(hidden)
        for text, real in enumerate(codes != 0):
            for start in range(0, hidden.shape[-1], HEAD_DIM):
                head = slice(start, start + HEAD_DIM)
                logits = query[text, :, head] @ key[text, real, head].T / np.sqrt(HEAD_DIM)
                shares = np.exp(logits - logits.max(axis=1, keepdims=True))
                context[text, :, head] = shares @ value[text, real, head] / shares.sum(axis=1, keepdims=True)
        mixed = hidden + dense(weights, f"{layer}.attention.output.dense", context)
        hidden = layer_norm(weights, f"{layer}.attention.output.LayerNorm", mixed)
        inner = dense(weights, f"{layer}.intermediate.dense", hidden)
        inner *= 0.5 * (1 + erf(inner / np.sqrt(2)))
        mixed = hidden + dense(weights, f"{layer}.output.dense", inner)
        hidden = layer_norm(weights, f"{layer}.output.LayerNorm", mixed)


def main(model: Path) -> None:
    """One line per pair of heads: FP32 error and the chip's factor, by rows of W."""
    chip = load_arch(as_published("hermes_64"))
    spec, mode = core_crossbar(chip.core), chip.read_mode
    factors = []
    print("layer, heads:", *(f"FP32 error, factor at {n}" for n in N_ROWS), sep="  ")
    for layer, arrays in enumerate(layers(read_weights(model / "model.safetensors"), encode(model))):
        for start in range(0, arrays[0].shape[-1], 2 * HEAD_DIM):
            vectors = EncoderVectors(*(a[..., start : start + 2 * HEAD_DIM].astype(np.float32) for a in arrays))
            cells = []
            for n_rows in N_ROWS:
                result = evaluate_encoder_attention(
                    spec=spec,
                    read_mode=mode,
                    vectors=vectors,
                    n_rows=n_rows,
                    n_seeds=N_SEEDS,
                    seed=0,
                    batch=int(chip_model().kernel_vectors.value),
                )
                digital, chip = np.mean(result.digital_values), np.mean(result.simulated_values)
                cells.append((digital, chip / digital))
            factors.append([factor for _, factor in cells])
            first = start // HEAD_DIM
            print(f"{layer}, {first} + {first + 1}:", *(f"{e:.3f}, {f:.2f}" for e, f in cells), sep="  ", flush=True)
    for name, values in (("lowest", np.min), ("median", np.median), ("highest", np.max)):
        print(f"{name} factor:", *(f"{value:.2f}" for value in values(np.array(factors), axis=0)), sep="  ")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
