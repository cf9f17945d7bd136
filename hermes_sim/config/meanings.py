"""What the fields of a section mean: the docstrings below them."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent


def meanings_of(section: type) -> dict[str, str]:
    """Field -> its docstring, inherited fields too; a field without one is left out.

    Sources are read when somebody asks: nothing is spent on them while files are loaded.
    """
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if base.__module__.partition(".")[0] not in {"pydantic", "builtins"}:
            found |= _below_fields(base)
    return found


def _below_fields(section: type) -> dict[str, str]:
    (tree,) = ast.parse(dedent(inspect.getsource(section))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
