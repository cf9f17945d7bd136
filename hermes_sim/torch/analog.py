"""Modules whose forward is the chip's, and the chip behind them: programmed again when weights have changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from hermes_sim.numerics.formats import to_fp16
from hermes_sim.numerics.network import in_unit_numbers
from hermes_sim.numerics.products import STATIC
from hermes_sim.numerics.weights import NetworkWeights
from hermes_sim.torch.digital import UnitNumbers
from hermes_sim.workload.origin import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from hermes_sim.numerics.programmed import ProgrammedChip
    from hermes_sim.workload.graph import Operator

    Array = NDArray[Any]

_PROBES = 512  # vectors that statistics are measured with
_PROBE_TOKEN = 1 << 40  # their numbers: beyond all that a network has


class Training(StrEnum):
    """What a converted module does in training mode."""

    CHIP = "chip"  # the same as for inference: programmed again in every step
    NOISE = "noise"  # exact products, with noise on weights and outputs as large as the chip's


class Deviations(NamedTuple):
    """How far one matrix on the chip is from the exact one.

    Parameters
    ----------
    weight_frac : standard deviation of what stays for all vectors, as an error of the weights, of the largest weight
    output_frac : of what is new in every read, of the root mean square of the products
    """

    weight_frac: float
    output_frac: float


@dataclass
class Product:
    """A matrix that modules use, under all its names, and the operators that do, in the order of the network."""

    matrices: tuple[str, ...]
    operators: tuple[Operator, ...]
    used: int = 0

    def next_operator(self) -> Operator:
        """Operator of the next call in this pass through the network."""
        operator = self.operators[self.used % len(self.operators)]
        self.used += 1
        return operator


@dataclass
class AnalogChip:
    """The chip behind a converted network; `convert` gives it as the attribute `analog` of the network.

    Parameters
    ----------
    chip : programmed with the network's weights
    weights : of the whole network; those of converted modules are replaced by what the modules hold
    rounded : operators whose results are numbers of FP16
    probes : operator -> inputs (n, rows) that statistics are measured with
    training : what happens in training mode
    clip_sd : weights are kept within so many standard deviations in training; 0: not at all
    modules : converted ones
    numbers : rounds what is computed digitally
    left_exact : operators on crossbars that the network computes without one of the modules
    not_rounded : operators whose results a simulation rounds and this network does not, as no result of it was found
        to be theirs
    is_exact : modules give the exact products
    first_sample : number of the next sample; noise is drawn anew for every one, the same for the same number
    n_samples : of the pass that is under way
    """

    chip: ProgrammedChip
    weights: NetworkWeights
    rounded: frozenset[str]
    probes: Mapping[str, Array]
    training: Training
    clip_sd: float
    modules: list[AnalogModule] = field(default_factory=list)
    numbers: UnitNumbers = field(default_factory=UnitNumbers)
    left_exact: tuple[str, ...] = ()
    not_rounded: tuple[str, ...] = ()
    is_exact: bool = False
    first_sample: int = 0
    n_samples: int | None = None
    _seen: tuple[int, ...] = ()
    _statistics: dict[str, Deviations] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._bare = NetworkWeights(self.chip.graph)  # nothing behind a product but what modules add

    def program(self) -> None:
        """Write the weights that the modules hold now; cells that were written before get new imperfections."""
        matrices, biases = dict(self.weights.matrices), dict(self.weights.biases)
        for module in self.modules:
            for name in module.product.matrices:
                matrices[name] = module.matrix()
                if module.bias_is_programmed:
                    biases[name] = module.bias.detach().cpu().numpy()
        self.chip.program(in_unit_numbers(self.chip.graph, self.rounded, matrices), biases)
        self._seen = self._versions()
        self._statistics.clear()

    def before_pass(self, samples: int, *, training: bool) -> None:
        """Make the chip ready for a pass through the network with so many samples."""
        self.n_samples = samples
        for module in self.modules:
            module.product.used = 0
        if self._seen == self._versions():
            return
        if training and self.clip_sd:
            self.clip_weights()
        if not (training and self.training is Training.NOISE):
            self.program()

    def after_pass(self) -> None:
        """Count the samples of a pass."""
        self.first_sample += self.n_samples or 0
        self.n_samples = None

    def clip_weights(self) -> None:
        """Keep weights within `clip_sd` standard deviations of their matrix."""
        with torch.no_grad():
            for module in self.modules:
                end = self.clip_sd * float(module.weight.std())
                module.weight.clamp_(-end, end)

    def statistics(self, module: AnalogModule) -> Deviations:
        """How far a module's matrix on the chip is from the exact one, measured with inputs of the example.

        The same vectors are read twice: what differs is new in every read, the rest stays.
        """
        operator = module.product.operators[0].name
        if operator not in self.probes:  # on a digital unit
            return Deviations(0.0, 0.0)
        if operator not in self._statistics:
            x = np.asarray(self.probes[operator][:_PROBES], np.float32)
            samples = np.arange(len(x))
            ranges = self.chip.ranges(x, samples)
            one, two = (
                self.chip.project(operator, x, input_range=ranges, first_token=_PROBE_TOKEN + i * len(x))
                for i in range(2)
            )
            exact = self.chip.exact.project(operator, x)
            product = exact - self.chip.exact.bias_of(operator)
            read = float(np.mean(np.square(one - two))) / 2
            stays = max(float(np.mean(np.square((one + two) / 2 - exact))) - read / 2, 0.0)
            length = float(np.mean(np.sum(np.square(x), axis=1))) or 1.0
            largest = float(np.abs(self.chip.exact.weights(module.product.matrices[0])).max()) or 1.0
            power = float(np.mean(np.square(product))) or 1.0
            self._statistics[operator] = Deviations(
                float(np.sqrt(stays / length)) / largest, float(np.sqrt(read / power))
            )
        return self._statistics[operator]

    def project(self, module: AnalogModule, x: Array, node: Node) -> Array:
        """Result of a module's node for the next of its calls, with its samples in front, and its bias behind it."""
        operator = module.product.next_operator()
        (made,) = STATIC[node.op_type](node, (operator,), self._bare).evaluate(self.chip, [x], self.first_sample)
        made = self._in_format(operator, made)
        if module.bias is None or module.bias_is_programmed:
            return made
        bias = module.bias.detach().to("cpu", torch.float32).numpy()
        return self._in_format(operator, made + bias.reshape(-1, *(1,) * module.axes_behind))

    def _in_format(self, operator: Operator, values: Array) -> Array:
        return to_fp16(values) if operator.name in self.rounded else values

    def _versions(self) -> tuple[int, ...]:
        """Numbers that change when a weight does."""
        parameters: Iterable[Any] = (p for module in self.modules for p in (module.weight, module.bias))
        held = [p for p in parameters if p is not None]
        return tuple(number for p in held for number in (id(p), p._version))  # noqa: SLF001 - nothing else says it


class _StraightThrough(torch.autograd.Function):
    """The chip's result, with the gradient of the exact one."""

    @staticmethod
    def forward(ctx: Any, exact: Any, on_chip: Any) -> Any:  # noqa: ARG004 - nothing is kept
        return on_chip

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:  # noqa: ARG004 - the same
        return gradient, None


class AnalogModule(nn.Module, ABC):
    """A dense layer or convolution on the chip; its parameters are those of the module that it stands for.

    Attributes
    ----------
    product : matrix and operators
    bias_is_programmed : whether the chip adds the bias with the product, else it is added behind
    """

    def __init__(self, exact: Any, product: Product, analog: AnalogChip, *, bias_is_programmed: bool) -> None:
        super().__init__()
        self.weight = exact.weight
        self.register_parameter("bias", exact.bias)
        self.product, self.bias_is_programmed = product, bias_is_programmed
        self._analog = analog
        self.training = exact.training

    def forward(self, x: Any) -> Any:
        """Result on the chip, or with its noise where that is wanted in training."""
        with self._analog.numbers.paused():
            return self._result(x)

    def _result(self, x: Any) -> Any:
        if self._analog.is_exact:
            return self.exact(x, self.weight, self.bias)
        if self.training and self._analog.training is Training.NOISE:
            return self._noisy(x)
        with torch.no_grad():
            made = self._on_chip(x.detach().to("cpu", torch.float32).numpy())
            on_chip = torch.from_numpy(np.ascontiguousarray(made)).to(x.device, x.dtype)
        if torch.is_grad_enabled():
            return _StraightThrough.apply(self.exact(x, self.weight, self.bias), on_chip)
        return on_chip

    def _noisy(self, x: Any) -> Any:
        found = self._analog.statistics(self)
        noise = torch.randn_like(self.weight) * (found.weight_frac * self.weight.detach().abs().max())
        product = self.exact(x, self.weight + noise, None)
        spread = found.output_frac * product.detach().square().mean().sqrt()
        product = product + torch.randn_like(product) * spread
        return product if self.bias is None else product + self.bias.reshape(-1, *(1,) * self.axes_behind)

    @abstractmethod
    def _on_chip(self, x: Array) -> Array:
        """Result of the chip."""

    @abstractmethod
    def exact(self, x: Any, weight: Any, bias: Any) -> Any:
        """Result in floats."""

    def matrix(self) -> Array:
        """Weights as cores hold them, (rows, columns)."""
        return matrix_of(self)

    axes_behind = 0  # of a result, behind its columns


class AnalogLinear(AnalogModule):
    """A dense layer on the chip."""

    def exact(self, x: Any, weight: Any, bias: Any) -> Any:
        """See `AnalogModule.exact`."""
        return nn.functional.linear(x, weight, bias)

    def _on_chip(self, x: Array) -> Array:
        samples = self._analog.n_samples or len(x)
        vectors = x.reshape(samples, -1, x.shape[-1])
        made = self._analog.project(self, vectors, Node("", "MatMul", "", ("x",), ("y",)))
        return made.reshape(*x.shape[:-1], made.shape[-1])


class AnalogConv2d(AnalogModule):
    """A convolution without groups on the chip."""

    axes_behind = 2

    def __init__(self, exact: Any, product: Product, analog: AnalogChip, *, bias_is_programmed: bool) -> None:
        super().__init__(exact, product, analog, bias_is_programmed=bias_is_programmed)
        self.stride, self.dilation = exact.stride, exact.dilation
        self._around = tuple(exact._reversed_padding_repeated_twice)  # noqa: SLF001 - for any kind of padding
        self._mode = "constant" if exact.padding_mode == "zeros" else exact.padding_mode

    def exact(self, x: Any, weight: Any, bias: Any) -> Any:
        """See `AnalogModule.exact`."""
        padded = nn.functional.pad(x, self._around, mode=self._mode)
        return nn.functional.conv2d(padded, weight, bias, self.stride, 0, self.dilation)

    def _on_chip(self, x: Array) -> Array:
        padded = nn.functional.pad(torch.from_numpy(x), self._around, mode=self._mode).numpy()
        attributes = {
            "kernel_shape": list(self.weight.shape[2:]),
            "strides": list(self.stride),
            "dilations": list(self.dilation),
        }
        return self._analog.project(self, padded[:, None], Node("", "Conv", "", ("x",), ("y",), attributes))[:, 0]


def matrix_of(module: Any) -> Array:
    """Weights of a dense layer or convolution as cores hold them: rows are inputs, channel by channel."""
    return np.ascontiguousarray(module.weight.detach().to("cpu", torch.float32).flatten(1).T.numpy())
