"""Formulas of a study file: arithmetic over dotted names, checked word by word and never handed to Python's `eval`."""

from __future__ import annotations

import ast
import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hermes_sim.errors import nearest
from hermes_sim.explore.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = float | int | str | bool

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": round,
    "sqrt": math.sqrt,
}
_MAX_LENGTH = 500
_MAX_EXPONENT = 64
_GRAMMAR = "numbers, 'text', dotted names, + - * / // % **, comparisons, and or not, a if b else c, " + ", ".join(
    f"{name}()" for name in _FUNCTIONS
)


@dataclass(frozen=True)
class Expression:
    """A parsed formula.

    Parameters
    ----------
    text : as written
    names : dotted names it needs, in order of appearance
    """

    text: str
    tree: ast.expr
    names: tuple[str, ...]

    def value(self, variables: Mapping[str, Value], *, where: str) -> Value:
        """Value for given variables.

        Raises
        ------
        StudyError
            unknown name, or arithmetic that has no result (a division by zero, text plus number)
        """
        try:
            result = _value(self.tree, variables)
        except KeyError as cause:
            name = str(cause.args[0])
            hint = nearest(name, variables)
            raise StudyError(where, got=f"unknown name {name!r} in {self.text!r}", hint=hint) from None
        except (ArithmeticError, TypeError, ValueError) as cause:
            raise StudyError(where, got=f"{self.text!r}: {cause}", allowed="a formula with a result") from None
        if isinstance(result, float) and not math.isfinite(result):
            raise StudyError(where, got=f"{self.text!r} = {result}", allowed="a finite number")
        return result  # type: ignore[no-any-return]


@lru_cache(maxsize=1024)
def parse(text: str, where: str) -> Expression:
    """Parse a formula.

    Raises
    ------
    StudyError
        anything but the arithmetic listed in the message
    """
    if len(text) > _MAX_LENGTH:
        raise StudyError(where, got=f"{len(text)} characters", allowed=f"at most {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        names: dict[str, None] = {}
        _check(tree, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as cause:
        raise StudyError(where, got=f"{text!r}: {cause.args[0] if cause.args else cause}", allowed=_GRAMMAR) from None
    return Expression(text, tree, tuple(names))


def dotted_name(node: ast.expr) -> str | None:
    """``arch.core.rows`` of nested attributes, or None."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _check(node: ast.expr, names: dict[str, None]) -> None:
    """Refuse every kind of node but the known ones; collect names."""
    if (name := dotted_name(node)) is not None:
        names.setdefault(name)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return
    for child in _children(node):
        _check(child, names)


def _children(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and (type(node.op) in _BINARY or isinstance(node.op, ast.Pow)):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd, ast.Not)):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        return [node.left, *node.comparators]
    if isinstance(node, ast.IfExp):
        return [node.test, node.body, node.orelse]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _FUNCTIONS
        and not node.keywords
    ):
        return node.args
    raise ValueError(f"{ast.unparse(node)!r} is not part of a formula")


def _value(node: ast.expr, variables: Mapping[str, Value]) -> Any:  # noqa: PLR0911 - one return per kind of node
    if isinstance(node, ast.Constant):
        return node.value
    if (name := dotted_name(node)) is not None:
        return variables[name]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, variables), _value(node.right, variables)
        return _power(left, right) if isinstance(node.op, ast.Pow) else _arithmetic(node.op, left, right)
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, variables)
        return not inner if isinstance(node.op, ast.Not) else -inner if isinstance(node.op, ast.USub) else +inner
    if isinstance(node, ast.BoolOp):
        parts = (bool(_value(part, variables)) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.Compare):
        values = [_value(part, variables) for part in (node.left, *node.comparators)]
        return all(_COMPARE[type(op)](a, b) for op, a, b in zip(node.ops, values[:-1], values[1:], strict=True))
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, variables) else node.orelse, variables)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return _FUNCTIONS[node.func.id](*(_value(argument, variables) for argument in node.args))


def _arithmetic(op: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("text takes part in comparisons only")
    return _BINARY[type(op)](left, right)


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, str) or abs(exponent) > _MAX_EXPONENT or abs(base) > 2**_MAX_EXPONENT:
        raise ValueError(f"base or exponent beyond 2^{_MAX_EXPONENT} or {_MAX_EXPONENT}")
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("no real result")  # noqa: TRY004 - the types are right
    return result
