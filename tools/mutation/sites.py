"""Every one-line bug that the operators can make of a source file, found on its syntax tree."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARE = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
_ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "//"), ast.Pow: ("**", "*"),
}  # fmt: skip
_NO_EFFECT = {None, "strict"}  # `strict` only checks lengths that are equal
_ORDER_FREE = {"min", "max", "lcm", "gcd", "minimum", "maximum"}  # functions whose arguments may be swapped
_SWAPPED_NAMES = {"min": "max", "max": "min"}


@dataclass(frozen=True, order=True)
class Mutant:
    """One bug: which text of which file becomes which other text.

    Parameters
    ----------
    file : path from the root of the repository
    scope : class and function that hold it, "" for the module
    operator : kind of bug
    before, after : the lines it touches, without indent
    nth : counts equal bugs of one scope
    """

    file: str
    scope: str
    operator: str
    before: str
    after: str
    nth: int

    @property
    def name(self) -> tuple[str, ...]:
        """What stays the same when other lines change or the file goes to another folder."""
        return (self.file.rpartition("/")[2], self.scope, self.operator, self.before, self.after, str(self.nth))


@dataclass(frozen=True)
class _Edit:
    """Characters start to stop of a source become `text`."""

    scope: str
    operator: str
    start: int
    stop: int
    text: str


def mutants_of(file: str, source: str) -> dict[Mutant, str]:
    """All mutants of a source, each with the mutated source."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: dict[Mutant, str] = {}
    for edit in _Finder(source).edits():
        mutated = source[: edit.start] + edit.text + source[edit.stop :]
        first = source.rfind("\n", 0, edit.start) + 1
        rest = len(source) - (source.find("\n", edit.stop) % (len(source) + 1))
        before, after = (_flat(text[first : len(text) - rest]) for text in (source, mutated))
        if before == after or not _compiles(mutated):
            continue
        key = (edit.scope, edit.operator, before, after)
        found[Mutant(file, *key, seen[key])] = mutated
        seen[key] += 1
    return found


def _flat(text: str) -> str:
    return " ".join(text.split())


def _compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


class _Finder:
    """Walks a tree and leaves out what no test can see: annotations, docstrings, errors, decorators, imports."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line_start = [0]
        for line in source.splitlines(keepends=True):
            self._line_start.append(self._line_start[-1] + len(line))
        self._lines = source.splitlines(keepends=True)

    def edits(self) -> Iterator[_Edit]:
        """All edits in the order of the source."""
        for scope, node in self._walk(ast.parse(self._source), ""):
            yield from self._edits_of(scope, node)

    def _walk(self, node: ast.AST, scope: str) -> Iterator[tuple[str, ast.AST]]:
        if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        skipped: set[int] = set()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            scope = f"{scope}.{node.name}".lstrip(".")
            skipped |= {id(part) for part in node.decorator_list}
        for field in ("annotation", "returns"):
            skipped.add(id(getattr(node, field, None)))
        yield scope, node
        for child in ast.iter_child_nodes(node):
            if id(child) not in skipped and not _is_text(child) and getattr(child, "arg", None) != "strict":
                yield from self._walk(child, scope)

    def _edits_of(self, scope: str, node: ast.AST) -> Iterator[_Edit]:
        if isinstance(node, ast.expr):
            yield from self._in_expression(scope, node)
        else:
            yield from self._in_statement(scope, node)

    def _in_expression(self, scope: str, node: ast.expr) -> Iterator[_Edit]:
        match node:
            case ast.Compare():
                for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                    yield from self._between(scope, "comparison", left, right, *_COMPARE[type(op)])
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                yield from self._between(scope, "arithmetic", node.left, node.right, *_ARITHMETIC[type(node.op)])
            case ast.BoolOp():
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in itertools.pairwise(node.values):
                    yield from self._between(scope, "and/or", left, right, *words)
            case ast.UnaryOp(op=ast.USub() | ast.Not()):
                operator = "sign" if isinstance(node.op, ast.USub) else "negation"
                yield self._replace(scope, operator, node, self._text(node.operand))
            case ast.IfExp():
                yield self._negate(scope, node.test)
            case ast.Constant():
                yield from self._constant(scope, node)
            case ast.Call():
                yield from self._call(scope, node)

    def _in_statement(self, scope: str, node: ast.AST) -> Iterator[_Edit]:
        match node:
            case ast.If() | ast.While():
                yield self._negate(scope, node.test)
            case ast.comprehension():
                yield from (self._negate(scope, test) for test in node.ifs)
            case ast.Return() if node.value is not None and not _is_none(node.value):
                yield self._replace(scope, "return", node, "return None")
            case ast.AugAssign() | ast.Expr(value=ast.Call()):
                yield self._replace(scope, "deleted statement", node, "pass")

    def _constant(self, scope: str, node: ast.Constant) -> Iterator[_Edit]:
        if isinstance(node.value, bool):
            yield self._replace(scope, "constant", node, str(not node.value))
        elif isinstance(node.value, int):
            yield self._replace(scope, "constant", node, str(node.value + 1))
            if node.value > 1:
                yield self._replace(scope, "constant", node, str(node.value - 1))
        elif isinstance(node.value, float):
            yield self._replace(scope, "constant", node, repr(node.value * 2 if node.value else 1.0))

    def _call(self, scope: str, node: ast.Call) -> Iterator[_Edit]:
        if isinstance(node.func, ast.Name) and node.func.id in _SWAPPED_NAMES:
            yield self._replace(scope, "min/max", node.func, _SWAPPED_NAMES[node.func.id])
        plain = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
        called = self._text(node.func).rpartition(".")[2]
        if len(plain) == len(node.args) > 1 and called not in _ORDER_FREE:
            one, two = node.args[:2]
            between = self._source[self._stop(one) : self._start(two)]
            text = self._text(two) + between + self._text(one)
            if self._text(one) != self._text(two):
                yield _Edit(scope, "swapped arguments", self._start(one), self._stop(two), text)
        for keyword in node.keywords:
            if keyword.arg not in _NO_EFFECT:
                stop = self._stop(keyword)
                tail = self._source[stop:]
                comma = len(tail) - len(tail.lstrip(" \n"))
                stop += comma + 1 if tail[comma : comma + 1] == "," else 0
                yield _Edit(scope, "dropped argument", self._start(keyword), stop, "")

    def _between(self, scope: str, operator: str, left: ast.AST, right: ast.AST, old: str, new: str) -> Iterator[_Edit]:
        """The operator's word between two operands; brackets and comments may stand there too."""
        start, stop = self._stop(left), self._start(right)
        if self._source[start:stop].count(old) == 1:
            at = self._source.index(old, start)
            yield _Edit(scope, operator, at, at + len(old), new)

    def _negate(self, scope: str, test: ast.expr) -> _Edit:
        return self._replace(scope, "condition", test, f"(not ({self._text(test)}))")

    def _replace(self, scope: str, operator: str, node: ast.AST, text: str) -> _Edit:
        return _Edit(scope, operator, self._start(node), self._stop(node), text)

    def _text(self, node: ast.AST) -> str:
        return self._source[self._start(node) : self._stop(node)]

    def _start(self, node: ast.AST) -> int:
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def _stop(self, node: ast.AST) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        """Place of a (line, byte column) among the characters."""
        return self._line_start[line - 1] + len(self._lines[line - 1].encode()[:column].decode())


def _is_text(node: ast.AST) -> bool:
    """A statement that is only a string: a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
