"""Workload files as PyTorch modules, and their weights in the form that a workload's `weights:` file has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hermes_sim.errors import WorkloadError
from hermes_sim.torch.performer import PerformerModule
from hermes_sim.workload.load import build_graph
from hermes_sim.workload.schema import ConvNet, Lstm, PerformerEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from hermes_sim.workload.schema import ConvNetLayer, Workload

    F32 = NDArray[np.float32]

LSTM, OUTPUT, EMBEDDING = "lstm", "output", "embedding"  # matrices and table of an lstm workload
_GATES = 4  # i, f, g, o


class ConvNetModule(nn.Module):
    """A conv_net workload; a batch norm follows every convolution, its scale and shift are the LDPU's affine.

    Attributes
    ----------
    layers : name -> convolution or dense layer; norms : name of a convolution -> its batch norm
    """

    def __init__(self, workload: ConvNet) -> None:
        super().__init__()
        graph = build_graph(workload)
        self.said = workload.layers
        self.layers, self.norms = nn.ModuleDict(), nn.ModuleDict()
        for layer in workload.layers:
            width = layer.channels or 0
            if layer.op == "conv":
                kernel = layer.kernel or 1
                channels = graph.operator(layer.name).in_values // kernel**2
                self.layers[layer.name] = nn.Conv2d(
                    channels, width, kernel, stride=layer.stride, padding=layer.padding, bias=False
                )
                self.norms[layer.name] = nn.BatchNorm2d(width)
            elif layer.op == "linear":
                self.layers[layer.name] = nn.Linear(graph.operator(layer.name).in_values, width)

    def forward(self, image: Any) -> Any:
        """Outputs of the last layer for pictures (n, channels, rows, columns)."""
        made = {"image": image}
        result = image
        for layer in self.said:
            source = made[layer.source] if layer.source else result
            result = source + made[layer.other] if layer.other else self._computed(layer, source)
            made[layer.name] = result
        return result

    def _computed(self, layer: ConvNetLayer, x: Any) -> Any:
        if layer.op in {"max_pool", "average_pool"}:
            pool = nn.functional.max_pool2d if layer.op == "max_pool" else nn.functional.avg_pool2d
            return pool(x, layer.kernel, layer.stride, layer.padding)
        if layer.op == "global_max_pool":
            return x.amax(dim=(2, 3), keepdim=True)
        if layer.op == "global_average_pool":
            return x.mean(dim=(2, 3), keepdim=True)
        product = self.layers[layer.name](x.flatten(1) if layer.op == "linear" else x)
        if layer.op == "conv":
            product = self.norms[layer.name](product)
        return product.relu() if layer.has_relu else product

    def products(self) -> Iterator[tuple[str, Any]]:
        """Names and parts of the products that are on crossbars."""
        yield from self.layers.items()

    def weights(self) -> dict[str, F32]:
        """Weights as a file has them; a batch norm becomes a scale and a bias."""
        found: dict[str, F32] = {}
        for name, layer in self.layers.items():
            found[f"{name}.weight"] = _array(layer.weight.flatten(1).T)
            if name not in self.norms:
                found[f"{name}.bias"] = _array(layer.bias)
                continue
            norm = self.norms[name]
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            found[f"{name}.scale"] = _array(scale)
            found[f"{name}.bias"] = _array(norm.bias - norm.running_mean * scale)
        return found

    def take(self, given: Mapping[str, F32]) -> None:
        """Take the weights of a file, all of which have the right shapes."""
        for name, layer in self.layers.items():
            layer.weight.copy_(torch.from_numpy(given[f"{name}.weight"].T.copy()).reshape(layer.weight.shape))
            bias = torch.from_numpy(given[f"{name}.bias"])
            if name not in self.norms:
                layer.bias.copy_(bias)
                continue
            norm = self.norms[name]
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.copy_(torch.from_numpy(given[f"{name}.scale"]))
            norm.bias.copy_(bias)

    def unfold(self, batches: Iterable[tuple[Any, ...]]) -> None:
        """Give batch norms that came folded from a file the statistics of these batches again; outputs stay.

        Only then does training, which normalises by each batch, begin at what the file says.
        """
        seen: dict[str, list[tuple[Any, Any]]] = {name: [] for name in self.norms}

        def look(name: str, x: Any) -> None:
            seen[name].append((x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3))))

        hooks = [
            norm.register_forward_pre_hook(lambda _norm, given, name=name: look(name, given[0]))
            for name, norm in self.norms.items()
        ]
        with torch.inference_mode():
            for batch in batches:
                self(*batch)
        with torch.no_grad():
            for name, norm in self.norms.items():
                mean, variance = (torch.stack(part).mean(0) for part in zip(*seen[name], strict=True))
                norm.bias.add_((mean - norm.running_mean) * norm.weight / torch.sqrt(norm.running_var + norm.eps))
                norm.weight.mul_(torch.sqrt((variance + norm.eps) / (norm.running_var + norm.eps)))
                norm.running_mean.copy_(mean)
                norm.running_var.copy_(variance)
        for hook in hooks:
            hook.remove()


class LstmModule(nn.Module):
    """An lstm workload: embedding, one layer of LSTM from a zero state, output layer.

    Inputs and state of a step go through one product, as on the crossbars.
    """

    def __init__(self, workload: Lstm) -> None:
        super().__init__()
        self.embedding = nn.Embedding(workload.outputs, workload.inputs)
        self.gates = nn.Linear(workload.inputs + workload.hidden, _GATES * workload.hidden)
        self.output = nn.Linear(workload.hidden, workload.outputs)

    def forward(self, symbols: Any) -> Any:
        """Scores (n, steps, outputs) of the next symbol for symbols (n, steps)."""
        inputs = self.embedding(symbols)
        state = cell = inputs.new_zeros(len(symbols), self.output.in_features)
        states = []
        for x in inputs.unbind(1):
            write, forget, new, read = self.gates(torch.cat([x, state], dim=1)).chunk(_GATES, dim=1)
            cell = forget.sigmoid() * cell + write.sigmoid() * new.tanh()
            state = read.sigmoid() * cell.tanh()
            states.append(state)
        return self.output(torch.stack(states, dim=1))

    def products(self) -> Iterator[tuple[str, Any]]:
        """Names and parts of the products that are on crossbars."""
        yield LSTM, self.gates
        yield OUTPUT, self.output

    def weights(self) -> dict[str, F32]:
        """Weights as a file has them."""
        return {
            f"{EMBEDDING}.weight": _array(self.embedding.weight),
            f"{LSTM}.weight": _by_unit(_array(self.gates.weight.T)),
            f"{LSTM}.bias": _by_unit(_array(self.gates.bias)),
            f"{OUTPUT}.weight": _array(self.output.weight.T),
            f"{OUTPUT}.bias": _array(self.output.bias),
        }

    def take(self, given: Mapping[str, F32]) -> None:
        """Take the weights of a file, all of which have the right shapes."""
        self.embedding.weight.copy_(torch.from_numpy(given[f"{EMBEDDING}.weight"]))
        self.gates.weight.copy_(torch.from_numpy(_by_gate(given[f"{LSTM}.weight"])).T)
        self.gates.bias.copy_(torch.from_numpy(_by_gate(given[f"{LSTM}.bias"])))
        self.output.weight.copy_(torch.from_numpy(given[f"{OUTPUT}.weight"]).T)
        self.output.bias.copy_(torch.from_numpy(given[f"{OUTPUT}.bias"]))


MODULES: dict[type[Any], type[Any]] = {ConvNet: ConvNetModule, Lstm: LstmModule, PerformerEncoder: PerformerModule}


def module_of(workload: Workload, weights: Mapping[str, NDArray[Any]] | None = None) -> Any:
    """PyTorch module of a conv_net, lstm or performer_encoder workload, with random weights or those of a weights file.

    Raises
    ------
    WorkloadError
        a workload of another kind, weights that do not fit it
    """
    if type(workload) not in MODULES:
        allowed = "conv_net, lstm, performer_encoder"
        raise WorkloadError(f"{workload.name}: kind", got=workload.kind, allowed=allowed)
    module = MODULES[type(workload)](workload)
    if weights is not None:
        load_weights(module, weights)
    return module


def export_weights(module: Any) -> dict[str, F32]:
    """Weights as files have them: ``<matrix>.weight`` (rows, columns), ``.bias``, ``.scale`` of folded batch norms."""
    found: dict[str, F32] = module.weights()
    return found


def load_weights(module: Any, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put weights of a file into a module; what `export_weights` gives comes back as it was.

    Raises
    ------
    WorkloadError
        arrays that are missing, or of another shape
    """
    wanted = export_weights(module)  # a file may say more, as what it was trained for
    given = {name: np.asarray(weights[name], np.float32) for name in wanted if name in weights}
    for name, now in wanted.items():
        if name not in given or given[name].shape != now.shape:
            got = f"shape {given[name].shape}" if name in given else "nothing"
            raise WorkloadError(f"weights: {name}", got=got, allowed=f"an array of shape {now.shape}")
    with torch.no_grad():
        module.take(given)


def _array(values: Any) -> F32:
    return np.ascontiguousarray(values.detach().cpu().numpy(), np.float32)


def _by_unit(columns: F32) -> F32:
    """Columns gate by gate -> hidden unit by hidden unit, its gates side by side."""
    return np.ascontiguousarray(columns.reshape(*columns.shape[:-1], _GATES, -1).swapaxes(-1, -2)).reshape(
        columns.shape
    )


def _by_gate(columns: F32) -> F32:
    """The other way round."""
    return np.ascontiguousarray(columns.reshape(*columns.shape[:-1], -1, _GATES).swapaxes(-1, -2)).reshape(
        columns.shape
    )
