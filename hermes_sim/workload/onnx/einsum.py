"""Equation of an Einsum: which axes are summed over, and whether it is a product with a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Contraction:
    """Two tensors, one letter per axis, and the letters of the result."""

    left: str
    right: str
    result: str

    @classmethod
    def of(cls, equation: str) -> Contraction:
        """Read an equation.

        Raises    NotImplementedError  for anything but two tensors whose axes differ
        """
        inputs, _, result = equation.replace(" ", "").partition("->")
        left, _, right = inputs.partition(",")
        if "." in equation or "," in right or not right:
            raise NotImplementedError(f"equation {equation!r}, allowed two tensors without an ellipsis")
        if not result and "->" not in equation:
            result = "".join(sorted(letter for letter in left + right if (left + right).count(letter) == 1))
        if any(len(set(letters)) < len(letters) for letters in (left, right, result)):
            raise NotImplementedError(f"equation {equation!r}, allowed one that uses a letter once per tensor")
        return cls(left, right, result)

    def turned(self) -> Contraction:
        """The same with the tensors in the other order."""
        return Contraction(self.right, self.left, self.result)

    @property
    def summed(self) -> str:
        """Letters of both tensors that the result has not, in the order of the right one."""
        return "".join(letter for letter in self.right if letter in self.left and letter not in self.result)

    @property
    def own(self) -> str:
        """Letters of the right tensor alone."""
        return "".join(letter for letter in self.right if letter not in self.left)

    @property
    def free(self) -> str:
        """Letters of the left tensor that are not summed over."""
        return "".join(letter for letter in self.left if letter not in self.summed)

    @property
    def is_matrix(self) -> bool:
        """Whether the right tensor is one matrix that every vector of the left one meets."""
        return set(self.right) == set(self.summed + self.own) and set(self.result) == set(self.free + self.own)

    def sizes(self, left: Sequence[int], right: Sequence[int]) -> dict[str, int]:
        """Size of every letter."""
        return dict(zip(self.left + self.right, (*left, *right), strict=True))
