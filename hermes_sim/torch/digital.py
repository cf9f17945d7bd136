"""Digital operators of a converted network, in the numbers of the units that compute them.

PyTorch hands every operation to a mode, whether a module, a function, a method or an operator asked for it. Which of
them are whose is found once, by their values: the same samples go through the network and through the evaluation that
a simulation makes, both exact, and a result of PyTorch that has the values of one of its tensors is that tensor.
Results are rounded below autograd: gradients are those of the exact operations.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hermes_sim.numerics.network import Evaluation

    Array = NDArray[Any]

_aten = torch.ops.aten
_LARGEST = 65504.0
_CLOSE = 1e-5  # of the largest value: between the same function in NumPy and in PyTorch
# What is one kernel here and several results of a unit there.
_PIECES = {
    _aten.silu.default: lambda x: x * x.sigmoid(),
    _aten.silu_.default: lambda x: x.copy_(x * x.sigmoid()),
    _aten.rsqrt.default: lambda x: x.sqrt().reciprocal(),
}


class Call(NamedTuple):
    """A result of an operation in a pass through a network: of its calls the how manieth, which of its results."""

    operation: str
    call: int
    result: int


class UnitNumbers(TorchDispatchMode):
    """Rounds the results of digital operators in a pass through a network.

    Attributes
    ----------
    rounded : results that are numbers of FP16, with gradients and without: PyTorch may compute the two differently
    """

    def __init__(self) -> None:
        super().__init__()
        self.rounded: dict[bool, frozenset[Call]] = {}
        self._made: dict[Call, Array] | None = None
        self._calls: Counter[str] = Counter()
        self._mask: Any = None
        self._is_paused = False
        self._pass: ExitStack | None = None

    def begin(self) -> None:
        """Begin a pass: attention in its pieces, and no layer that goes round its modules."""
        self.end()
        self._calls.clear()
        with ExitStack() as entered:
            entered.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
            torch.backends.mha.set_fastpath_enabled(False)
            entered.enter_context(sdpa_kernel(SDPBackend.MATH))
            entered.enter_context(self)
            self._pass = entered.pop_all()

    def end(self) -> None:
        """End the pass, if there is one."""
        if self._pass is not None:
            self._pass.close()
        self._pass = self._mask = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave alone what is computed here."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def recorded(self, network: Any, inputs: tuple[Any, ...]) -> dict[Call, Array]:
        """Results of a pass by call, their values in order of size."""
        self._made = {}
        self.begin()
        try:
            network(*inputs)
            return self._made
        finally:
            self.end()
            self._made = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute, and round what is a result of a unit."""
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        if func in _PIECES:
            with self:
                return _PIECES[func](*args)
        result = func(*args, **kwargs)
        if _is_view(func) or self._is_dropout(func, args):
            return result
        call = self._calls[str(func)]
        self._calls[str(func)] += 1
        for i, one in enumerate(result if isinstance(result, (tuple, list)) else (result,)):
            if isinstance(one, torch.Tensor) and one.dtype in {torch.float32, torch.float64}:
                self._take(Call(str(func), call, i), one)
        return result

    def _take(self, call: Call, values: Any) -> None:
        if self._made is not None:
            self._made[call] = np.sort(values.detach().to("cpu", torch.float32).numpy(), axis=None)
        elif call in self.rounded.get(torch.is_grad_enabled(), ()):
            values.copy_(values.clamp(-_LARGEST, _LARGEST).half())

    def _is_dropout(self, func: Any, args: tuple[Any, ...]) -> bool:
        """Whether a mask is made or used, which is done in training only."""
        if func is _aten.bernoulli_.float:
            self._mask = args[0]
        return self._mask is not None and any(one is self._mask for one in args)


def attribute(
    numbers: UnitNumbers, network: Any, inputs: tuple[Any, ...], made: Mapping[str, Array], of: Evaluation
) -> frozenset[str]:
    """Find what a network computes that is rounded.

    Parameters
    ----------
    numbers : that are told
    network, inputs : exact, some samples
    made : tensors of the evaluation for these samples by name, exact
    of : what says whose results are rounded

    Returns
    -------
    tensors whose values no result of the network has
    """
    missing: set[str] = set()
    for with_gradients in (False, True):
        with torch.set_grad_enabled(with_gradients):
            alike = _alike(numbers.recorded(network, inputs), made)
        found: dict[Call, str] = {}
        for call, names in alike.items():
            taken = set(found.values())
            found[call] = next((name for name in names if name not in taken), names[0])
        numbers.rounded[with_gradients] = frozenset(call for call, name in found.items() if of.makes_fp16(name))
        missing |= made.keys() - {name for names in alike.values() for name in names}
    return frozenset(missing)


def _alike(calls: Mapping[Call, Array], made: Mapping[str, Array]) -> dict[Call, list[str]]:
    """Calls -> tensors with their values, in whatever order of axes."""
    by_size: dict[int, list[tuple[str, Array]]] = defaultdict(list)
    for name, values in made.items():
        if values.dtype.kind == "f":
            by_size[values.size].append((name, np.sort(values, axis=None)))
    alike = {
        call: [name for name, other in by_size[values.size] if _are_close(values, other)]
        for call, values in calls.items()
    }
    return {call: names for call, names in alike.items() if names}


def _are_close(one: Array, other: Array) -> bool:
    if not one.size:
        return False
    return bool(np.abs(one - other).max() <= _CLOSE * max(abs(other[0]), abs(other[-1])))


def _is_view(func: Any) -> bool:
    return any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns)  # noqa: SLF001
