"""What operators compute: nodes of a network with their attributes, and references to their constants.

Nothing here holds weights: timing needs shapes only, and whoever evaluates a network asks for the values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True)
class TensorRef:
    """A constant of a network's file; `load` reads it, and nothing else does.

    Parameters
    ----------
    path : the network's file
    name : tensor in it, an initializer or the result of nodes that take no input of the network
    shape : as the file says, or None where only evaluation can tell
    dtype : name of the element type, e.g. ``"float32"``, or empty where only evaluation can tell
    location : file beside `path` that holds the values, or empty if they are in `path` itself
    """

    path: Path
    name: str
    shape: tuple[int, ...] | None
    dtype: str
    location: str
    _read: Callable[[str], npt.NDArray[Any]] = field(compare=False, repr=False)

    def load(self) -> npt.NDArray[Any]:
        """Values, read (or worked out from the file's constants) now.

        Raises
        ------
        WorkloadError
            file or values that are not there any more
        """
        return self._read(self.name)


@dataclass(frozen=True)
class Node:
    """A node of a network.

    Parameters
    ----------
    inputs, outputs : names of tensors; an optional one that is left out is empty
    attributes : as the file gives them; graphs are left out
    constants : those of the inputs that are the same in every inference, by name of the tensor
    captured : tensors of the network that graphs among the attributes use
    parts : nodes of the file that this one stands for, in their order; none if it is a node of the file itself
    opset : version of the set of operators that it is written in; 0 for the newest one
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, TensorRef] = field(default_factory=dict)
    captured: tuple[str, ...] = ()
    parts: tuple[Node, ...] = ()
    opset: int = 0

    def get(self, attribute: str, default: Any) -> Any:
        """Value of an attribute."""
        return self.attributes.get(attribute, default)


OWN = "hermes_sim"  # domain of nodes that ONNX does not have: kernelized attention


def no_constants(_name: str) -> None:
    """Constants of a network whose weights come from a file of their own."""


@dataclass(frozen=True)
class NodeGraph:
    """What a workload computes for one sample: nodes in ONNX's terms, each input before the nodes that take it.

    Parameters
    ----------
    inputs : name of each input -> its shape, in which axes that count samples have size 1
    outputs : names of tensors
    nodes : every one, those that only rename or reorder values too
    where : of messages: the workload's file or name
    constants : tensors that are the same in every inference, by name; matrices that come from a file of weights are
        not among them
    whole_inputs : inputs that are whole numbers, symbols for example
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    where: str
    constants: Callable[[str], npt.NDArray[Any] | None] = field(compare=False, repr=False)
    whole_inputs: frozenset[str] = frozenset()
