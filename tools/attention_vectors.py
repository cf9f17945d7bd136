"""Make hermes_sim/numerics/attention_vectors.npz again; hermes_sim/numerics/attention_vectors.md says what it holds.

    python tools/attention_vectors.py MODEL_DIR OUT.npz

MODEL_DIR holds `model.safetensors` and `tokenizer.json` of all-MiniLM-L6-v2; needs the package `tokenizers`.
"""  # noqa: INP001

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

N_TOKENS = 512  # the model's longest input; shorter texts are padded to it
HEADS = (8, 9)  # of layer 0, side by side
HEAD_DIM = 32  # of the model
_EPSILON = 1e-12  # of its layer normalisation
# The first eight words of ten texts whose copyright has expired: A Tale of Two Cities, Pride and Prejudice, Moby Dick,
# Alice in Wonderland, the Gettysburg Address, the Constitution of the United States, A Scandal in Bohemia,
# Frankenstein, The War of the Worlds, On the Origin of Species.
TEXTS = (
    "It was the best of times, it was",
    "It is a truth universally acknowledged, that a",
    "Call me Ishmael. Some years ago, never mind",
    "Alice was beginning to get very tired of",
    "Four score and seven years ago our fathers",
    "We the People of the United States, in",
    "To Sherlock Holmes she is always the woman.",
    "You will rejoice to hear that no disaster",
    "No one would have believed in the last",
    "When on board H.M.S. Beagle, as naturalist, I",
)


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """FP32 arrays of a safetensors file: length of the header, header (JSON), bytes."""
    data = path.read_bytes()
    (n_header,) = struct.unpack("<Q", data[:8])
    header: dict[str, Any] = json.loads(data[8 : 8 + n_header])
    body = memoryview(data)[8 + n_header :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def encode(model: Path) -> NDArray[np.int64]:
    """Token numbers of the texts, (texts, N_TOKENS)."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - not needed to check or document this file

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    codes = np.zeros((len(TEXTS), N_TOKENS), np.int64)  # 0 is the padding token
    for row, text in zip(codes, TEXTS, strict=True):
        ids = tokenizer.encode(text).ids
        row[: len(ids)] = ids
    return codes


def dense(weights: Weights, name: str, x: NDArray[Any]) -> NDArray[Any]:
    """A linear layer of the model."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(weights: Weights, name: str, x: NDArray[Any]) -> NDArray[Any]:
    """A layer normalisation of the model, over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _EPSILON)
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def embed(weights: Weights, codes: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[Any]:
    """What tokens at their places enter the first layer as; both of the same shape, or one that broadcasts."""
    embedded = (
        weights["embeddings.word_embeddings.weight"][codes]
        + weights["embeddings.position_embeddings.weight"][places]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    return layer_norm(weights, "embeddings.LayerNorm", embedded)


def main(model: Path, out: Path) -> None:
    """Queries, keys and values of every different (token, place) pair, and which of them each input holds."""
    weights = read_weights(model / "model.safetensors")
    codes = encode(model)
    places = np.broadcast_to(np.arange(N_TOKENS), codes.shape)
    pairs, tokens = np.unique(np.stack([codes, places], axis=-1).reshape(-1, 2), axis=0, return_inverse=True)
    hidden = embed(weights, pairs[:, 0], pairs[:, 1])
    columns = slice(HEADS[0] * HEAD_DIM, (HEADS[1] + 1) * HEAD_DIM)
    heads = {
        name: dense(weights, f"encoder.layer.0.attention.self.{name}", hidden)[:, columns]
        for name in ("query", "key", "value")
    }
    np.savez_compressed(
        out,
        tokens=tokens.reshape(codes.shape).astype(np.uint16),
        **{name: array.astype(np.float16) for name, array in heads.items()},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
