"""`performer_encoder` workloads as PyTorch modules: post-norm layers, random features, mean, classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hermes_sim.errors import WorkloadError, chosen
from hermes_sim.kernels.performer import drawn_projection
from hermes_sim.torch.kernel_attention import KernelAttention
from hermes_sim.workload.builders.performer_meaning import sinusoidal_positions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hermes_sim.workload.schema import PerformerEncoder

ACTIVATIONS = {"relu": nn.functional.relu, "gelu": nn.functional.gelu, "silu": nn.functional.silu}
# What of a workload a module has.
_ALLOWED: dict[str, tuple[Any, ...]] = {
    "attention": ("performer",),
    "feature_map": ("exponential",),
    "projections": ("shared", "separate_qk"),
    "documents": (1,),
}


class Projection(nn.Module):
    """W of the random features: drawn, not learnt.

    Attributes
    ----------
    passes_gradient : whether queries and keys learn through it (published runs: no)
    """

    weight: Any

    def __init__(self, law: str, rows: int, head_dim: int) -> None:
        super().__init__()
        self.law, self.rows, self.head_dim = law, rows, head_dim
        self.passes_gradient = True
        self.register_buffer("weight", torch.empty(head_dim, rows))
        self.draw(np.random.default_rng(int(torch.randint(2**62, (1,)))))

    def draw(self, rng: np.random.Generator) -> None:
        """Draw W anew."""
        drawn = drawn_projection(self.law, self.rows, self.head_dim, rng)
        self.weight.copy_(torch.from_numpy(drawn))

    def forward(self, x: Any) -> Any:
        """Projections (..., rows) of vectors (..., head_dim)."""
        return (x if self.passes_gradient else x.detach()) @ self.weight


class Brightness(nn.Module):
    """Embedding of pixels: their value times a vector, plus a vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(width)), nn.Parameter(torch.zeros(width))

    def forward(self, pixels: Any) -> Any:
        """Vectors (..., width) of pixels."""
        return torch.addcmul(self.bias, pixels[..., None], self.weight)


class EncoderLayer(nn.Module):
    """Attention and feed-forward, a residual around each and a layer norm behind."""

    def __init__(self, workload: PerformerEncoder) -> None:
        super().__init__()
        d, ff, bias = workload.d_model, workload.d_ff, workload.qkv_bias
        self.heads, self.activation = workload.heads, ACTIVATIONS[workload.activation]
        self.q_proj, self.k_proj, self.v_proj = (_dense(d, d, bias=bias) for _ in range(3))
        self.out_proj, self.fc1, self.fc2 = _dense(d, d), _dense(d, ff), _dense(ff, d)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.W = nn.ModuleDict()
        for name in ("W",) if workload.projections == "shared" else ("W_q", "W_k"):
            self.W[name] = Projection(workload.projection_law, workload.projection_rows, workload.head_dim)
        self.dropout = self.attention_dropout = 0.0

    def forward(self, x: Any, counted: Any) -> Any:
        """Vectors (n, tokens, d_model); `counted` (n, tokens, 1): 1 for tokens that count, else 0."""
        x = self.norm1(x + self._dropped(self.out_proj(self._attention(x, counted)))) * counted
        hidden = self._dropped(self.activation(self.fc1(x)))
        return self.norm2(x + self._dropped(self.fc2(hidden))) * counted

    def _dropped(self, x: Any) -> Any:
        return nn.functional.dropout(x, self.dropout, self.training) if self.dropout else x

    def _attention(self, x: Any, counted: Any) -> Any:
        n, tokens, width = x.shape
        query, key, value = (self._by_head(part(x)).float() for part in (self.q_proj, self.k_proj, self.v_proj))
        scale = query.shape[-1] ** -0.25
        query, key = query * scale, key * scale
        of_query, of_key = self.W.values() if len(self.W) > 1 else 2 * list(self.W.values())
        term = (key.square().sum(-1, keepdim=True) * -0.5).view(n, self.heads, tokens, 1)
        term = (term + counted.log()[:, None]).view(-1, tokens, 1)
        with torch.autocast(x.device.type, enabled=False):  # exponentials need all digits
            made = KernelAttention.apply(of_query(query), of_key(key), term, value)
        made = nn.functional.dropout(made, self.attention_dropout, self.training)
        return made.view(n, self.heads, tokens, -1).transpose(1, 2).reshape(n, tokens, width)

    def _by_head(self, x: Any) -> Any:
        """Vectors (n, tokens, d_model) -> (n * heads, tokens, head_dim)."""
        n, tokens, width = x.shape
        split = x.view(n, tokens, self.heads, width // self.heads)
        return split.transpose(1, 2).reshape(n * self.heads, tokens, width // self.heads)


class PerformerModule(nn.Module):
    """A performer_encoder workload with random features.

    Attributes
    ----------
    layers : one, used again and again, where a workload shares them
    dropout : behind the embedding, between and behind the dense layers; attention_dropout : behind the attention
    """

    positions: Any

    def __init__(self, workload: PerformerEncoder) -> None:
        super().__init__()
        for field, allowed in _ALLOWED.items():
            chosen(f"{workload.name}: {field}", getattr(workload, field), allowed, error=WorkloadError)
        d = workload.d_model
        self.repeats = workload.layers if workload.share_layers else 1
        self.only_projections = workload.split == "attention"
        symbols = workload.symbols
        self.embedding = nn.Embedding(symbols, d) if symbols else Brightness(d)
        if symbols:
            nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.scale = float(np.sqrt(d)) if symbols else 1.0
        self.embedding_norm = nn.LayerNorm(d)
        self.layers = nn.ModuleList([EncoderLayer(workload) for _ in range(workload.layers // self.repeats)])
        self.classifier = _dense(d, workload.classifier_width)
        self.classifier_activation = ACTIVATIONS[workload.classifier_activation]
        self.sentence_projection_layer = _dense(workload.classifier_width, workload.classes, bias=False)
        positions = sinusoidal_positions(workload.sequence_length, d)
        self.register_buffer("positions", torch.from_numpy(positions), persistent=False)
        self.dropout = 0.0

    def regularise(self, dropout: float, attention_dropout: float) -> None:
        """Set the dropout of a training."""
        self.dropout = dropout
        for layer in self.layers:
            layer.dropout, layer.attention_dropout = dropout, attention_dropout

    def forward(self, tokens: Any, length: Any = None) -> Any:
        """Scores (n, classes).

        Parameters
        ----------
        tokens : (n, tokens) symbols, or brightness of pixels
        length : (n,) how many of them count; default: all
        """
        if length is None:
            length = tokens.new_full((len(tokens),), tokens.shape[1], dtype=torch.int64)
        n_tokens = int(length.max())  # what is padding for every sample costs nothing
        tokens, positions = tokens[:, :n_tokens], self.positions[:n_tokens]
        counted = (torch.arange(n_tokens, device=length.device) < length[:, None])[..., None].to(positions.dtype)
        x = self.embedding_norm(self.embedding(tokens) * self.scale + positions)
        x = nn.functional.dropout(x, self.dropout, self.training) * counted
        for layer in self.layers:
            for _ in range(self.repeats):
                x = layer(x, counted)
        mean = x.sum(1) / length[:, None]
        return self.sentence_projection_layer(self.classifier_activation(self.classifier(mean)))

    @property
    def calls_per_pass(self) -> int:
        """How often a pass calls the features of one W."""
        return 2 * self.repeats // len(self.layers[0].W)

    @property
    def projections(self) -> list[Any]:
        """Every W."""
        return [part for part in self.modules() if isinstance(part, Projection)]

    def products(self) -> Iterator[tuple[str, Any]]:
        """Names and parts of the products that are on crossbars."""
        for i, layer in enumerate(self.layers):
            yield from ((f"layers.{i}.{name}", part) for name, part in layer.W.items())
            if not self.only_projections:
                dense = ((name, part) for name, part in layer.named_children() if isinstance(part, nn.Linear))
                yield from ((f"layers.{i}.{name}", part) for name, part in dense)
        if not self.only_projections:
            yield "classifier.0.0", self.classifier
            yield "sentence_projection_layer", self.sentence_projection_layer

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Weights as a file has them."""
        found = {name: tensor.detach().cpu().numpy() for name, tensor in self._named().items()}
        found["embedding.weight"] = found["embedding.weight"] * np.float32(self.scale)
        return {name: np.ascontiguousarray(values, np.float32) for name, values in found.items()}

    def take(self, given: Mapping[str, NDArray[np.float32]]) -> None:
        """Take the weights of a file, all of which have the right shapes."""
        for name, tensor in self._named().items():
            tensor.copy_(torch.from_numpy(np.array(given[name])))
        self.embedding.weight.div_(self.scale)

    def _named(self) -> dict[str, Any]:
        """Names in a file -> tensors that share their memory with the module."""
        found: dict[str, Any] = {}
        pixels = isinstance(self.embedding, Brightness)
        found["embedding.weight"] = self.embedding.weight[None] if pixels else self.embedding.weight
        if pixels:
            found["embedding.bias"] = self.embedding.bias
        found |= _of_norm("embedding_norm", self.embedding_norm)
        for i, layer in enumerate(self.layers):
            before = f"layers.{i}."
            for name, part in layer.named_children():
                if isinstance(part, nn.Linear):
                    found |= _of_dense(f"{before}{name}", part)
                elif isinstance(part, nn.LayerNorm):
                    found |= _of_norm(f"{before}{name}", part)
            found |= {f"{before}{name}.weight": part.weight for name, part in layer.W.items()}
        found |= _of_dense("classifier.0.0", self.classifier)
        return found | _of_dense("sentence_projection_layer", self.sentence_projection_layer)


def _dense(rows: int, columns: int, *, bias: bool = True) -> nn.Linear:
    made = nn.Linear(rows, columns, bias=bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def _of_dense(name: str, part: nn.Linear) -> dict[str, Any]:
    found = {f"{name}.weight": part.weight.T}
    return found if part.bias is None else found | {f"{name}.bias": part.bias}


def _of_norm(name: str, part: nn.LayerNorm) -> dict[str, Any]:
    return {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
