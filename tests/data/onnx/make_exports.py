"""Makes the files of this folder: small networks with random weights, as PyTorch's two exporters write them.

Needs torch, onnx, onnxscript and scikit-learn: `python make_exports.py`. The files are kept, since tests do without
PyTorch. `digits_vit` alone is trained.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent


class Residual(nn.Module):
    """A ResNet of one block, with a projection beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(
            nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 12, 3, padding=1, bias=False),
            nn.BatchNorm2d(12),
        )
        self.beside = nn.Sequential(nn.Conv2d(8, 12, 1, stride=2, bias=False), nn.BatchNorm2d(12))
        self.head = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = functional.relu(self.body(x) + self.beside(x))
        return self.head(x.mean(dim=(2, 3)))


class Depthwise(nn.Module):
    """Two inverted residual blocks as in MobileNetV3: depthwise convolutions, squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.up = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.deep = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1), nn.Hardsigmoid()
        )
        self.down = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.deep(self.up(x))
        return self.head(x + self.down(y * self.squeeze(y)))


class Sequence(nn.Module):
    """A recurrent layer over symbols or values, and an output layer."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


class Gpt2Block(nn.Module):
    """One block of GPT-2: causal attention from one projection, GELU by tanh."""

    def __init__(self, width: int = 24, heads: int = 3, tokens: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.together, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("kept", torch.ones(tokens, tokens).tril().bool()[None, None])

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        shape = (batch, tokens, self.heads, width // self.heads)
        q, k, v = (one.view(shape).transpose(1, 2) for one in self.together(self.norm1(x)).split(width, dim=2))
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(~self.kept[:, :, :tokens, :tokens], torch.finfo(x.dtype).min)
        mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.out(mixed)
        return x + self.narrow(functional.gelu(self.wide(self.norm2(x)), approximate="tanh"))


class VitBlock(nn.Module):
    """Patches, class token, positions, one block with scaled dot-product attention, GELU by erf, classifier."""

    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 17, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        y = self.norm1(x)
        q, k, v = (one(y).unflatten(2, (self.heads, -1)).transpose(1, 2) for one in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        x = x + self.mlp(self.norm2(x))
        return self.head(x[:, 0])


class ShiftedWindows(nn.Module):
    """A Swin block: 8 x 8 pixels rolled by two, attention within windows of 4 x 4, then pixels merged by four."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 2, stride=2)
        self.before, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.bias = nn.Parameter(torch.randn(1, 2, 16, 16))
        region = torch.tensor([0] * 4 + [1] * 2 + [2] * 2)
        places = (3 * region[:, None] + region).reshape(1, 8, 8, 1)
        apart = self.windows(places).squeeze(-1)
        mask = torch.where(apart[:, None, :] == apart[:, :, None], 0.0, -100.0)
        self.register_buffer("mask", mask.reshape(4, 1, 16, 16))
        self.merge = nn.Linear(64, 8)
        self.head = nn.Linear(8, 5)

    @staticmethod
    def windows(x: Tensor) -> Tensor:
        """(1, 8, 8, n) as (4, 16, n)."""
        return x.reshape(1, 2, 4, 2, 4, -1).permute(0, 1, 3, 2, 4, 5).reshape(4, 16, -1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        y = self.windows(torch.roll(self.before(x), (-2, -2), (1, 2)))
        q, k, v = self.qkv(y).reshape(4, 16, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) * 8**-0.5 + self.bias + self.mask
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(4, 16, 16)
        y = self.out(y).reshape(1, 2, 2, 4, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(1, 8, 8, 16)
        x = x + torch.roll(y, (2, 2), (1, 2))
        fours = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return self.head(functional.gelu(self.merge(torch.cat(fours, -1))).mean((1, 2)))


class TokenTypes(nn.Module):
    """Kinds of tokens from a buffer, as BERT's embeddings do, and queries that are constant over computed keys."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.kinds = nn.Embedding(40, 16), nn.Embedding(2, 16)
        self.register_buffer("positions", torch.arange(80)[None])
        self.register_buffer("kind", (torch.arange(80)[None] // 5) % 2)
        self.norm = nn.LayerNorm(16)
        self.queries, self.keys = nn.Parameter(torch.randn(2, 3, 8)), nn.Linear(16, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        kinds = torch.gather(self.kind.expand(x.shape[0], -1), 1, self.positions[:, : x.shape[1]])
        y = self.norm(self.tokens(x) + self.kinds(kinds))
        keys = self.keys(y).reshape(1, -1, 2, 8).transpose(1, 2)
        y = (self.queries[None] @ keys.transpose(-2, -1)).softmax(-1) @ keys
        return self.head(y.transpose(1, 2).reshape(1, 3, 16))[:, 1:]


class DigitsVit(VitBlock):
    """The same for digits of 8 x 8 pixels in patches of 2 x 2."""

    def __init__(self, width: int = 64, heads: int = 4) -> None:
        super().__init__(width, heads)
        self.patches = nn.Conv2d(1, width, 2, stride=2)
        nn.init.normal_(self.token, std=0.02)
        nn.init.normal_(self.positions, std=0.1)
        self.mlp = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, width))


class Performer(nn.Module):
    """Attention with positive random features of the softmax kernel, linear in the tokens."""

    def __init__(self, width: int = 16, heads: int = 2, features: int = 12) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.register_buffer("omega", torch.randn(width // heads, features))

    def features(self, x: Tensor) -> Tensor:
        x = x * x.shape[-1] ** -0.25
        square = (x * x).sum(dim=-1, keepdim=True) / 2
        return torch.exp(x @ self.omega - square) + 1e-4

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (one(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for one in (self.q, self.k, self.v))
        q, k = self.features(q), self.features(k)
        state = k.transpose(-1, -2) @ v
        norm = q @ k.sum(dim=2).unsqueeze(-1)
        return self.out((q @ state / norm).transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """Symbols, positions, one of PyTorch's encoder layers, mean over the tokens, classifier."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.symbols, self.positions = nn.Embedding(40, width), nn.Parameter(torch.randn(1, 9, width))
        self.layer = nn.TransformerEncoderLayer(width, 2, 32, batch_first=True)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.symbols(x) + self.positions).mean(dim=1))


class UNet(nn.Module):
    """Down and up again: group norm, SiLU, transposed convolution, resizing, pictures side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.SiLU())
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.SELU())
        self.deep = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.last = nn.Conv2d(6 + 16, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        down = self.down(first)
        both = torch.cat([down, self.up(self.deep(down))], dim=1)
        return self.last(torch.cat([first, self.larger(both)], dim=1))


def trained(module: nn.Module, epochs: int = 40) -> nn.Module:
    """Trained on scikit-learn's digits from the 361st of a random order on: the first 360 are for tests."""
    pixels, classes = load_digits(return_X_y=True)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(classes)))[360:]
    x, y = torch.tensor(pixels / 16).float().reshape(-1, 1, 8, 8)[order], torch.tensor(classes)[order]
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs=epochs, steps_per_epoch=-(-len(y) // 64))
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(64):
            loss = functional.cross_entropy(module(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return module.eval()


def shake(module: nn.Module) -> nn.Module:
    """Statistics and scales of batch norms that are not those of an untrained network."""
    for one in module.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.uniform_(one.weight, 0.5, 1.5)
            nn.init.normal_(one.bias, std=0.2)
            nn.init.normal_(one.running_mean, std=0.2)
            nn.init.uniform_(one.running_var, 0.5, 1.5)
    return module.eval()


def export(name: str, module: nn.Module, x: Tensor, *, dynamo: bool, batch: bool = False, **more: Any) -> None:
    """Write one file; `batch` leaves the number of samples open."""
    path = HERE / f"{name}.onnx"
    if batch and dynamo:
        more["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif batch:
        more["dynamic_axes"] = {"x": {0: "batch"}, "y": {0: "batch"}}
    torch.onnx.export(
        module, (x,), str(path), dynamo=dynamo, input_names=["x"], output_names=["y"], external_data=False, **more
    )
    model = onnx.load(path)
    for node in model.graph.node:  # notes about the exporter's own machine
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.save(model, path)
    print(name, path.stat().st_size)


def main() -> None:
    """Make all files."""
    torch.manual_seed(0)
    picture, tokens = torch.randn(1, 3, 16, 16), torch.randn(1, 8, 24)
    keep = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
    export("residual_dynamo", shake(Residual()), picture, dynamo=True)
    export("residual_script", shake(Residual()), picture, dynamo=False, **keep)
    export("depthwise_script", shake(Depthwise()), picture, dynamo=False, batch=True, **keep)
    for dynamo, kind in ((True, "dynamo"), (False, "script")):
        export(f"gpt2_{kind}", Gpt2Block().eval(), tokens, dynamo=dynamo)
        export(f"vit_{kind}", VitBlock().eval(), picture, dynamo=dynamo, batch=dynamo)
        export(f"unet_{kind}", UNet().eval(), torch.randn(1, 2, 8, 8), dynamo=dynamo)
        export(f"encoder_{kind}", Encoder().eval(), torch.randint(0, 40, (1, 9)), dynamo=dynamo)
    export("performer_dynamo", Performer().eval(), torch.randn(1, 10, 16), dynamo=True)
    steps = torch.randn(7, 1, 5)
    export("lstm_script", Sequence(nn.LSTM(5, 8), 8).eval(), steps, dynamo=False)
    export("bilstm_script", Sequence(nn.LSTM(5, 8, num_layers=2, bidirectional=True), 16).eval(), steps, dynamo=False)
    export("gru_script", Sequence(nn.GRU(5, 8), 8).eval(), steps, dynamo=False)
    export("lstm_dynamo", Sequence(nn.LSTM(5, 8, batch_first=True), 8).eval(), steps.transpose(0, 1), dynamo=True)
    torch.manual_seed(0)
    for dynamo, kind in ((True, "dynamo"), (False, "script")):
        export(f"windows_{kind}", ShiftedWindows().eval(), picture, dynamo=dynamo)
        export(f"token_types_{kind}", TokenTypes().eval(), torch.randint(0, 40, (1, 9)), dynamo=dynamo)
    torch.manual_seed(0)
    export(
        "digits_vit", trained(DigitsVit()), torch.randn(1, 1, 8, 8), dynamo=False, batch=True, do_constant_folding=False
    )


if __name__ == "__main__":
    main()
