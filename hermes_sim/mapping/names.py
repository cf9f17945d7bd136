"""What a mapping file may call the matrices and operators of a workload: either by its own name or by the other's."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError, listed, nearest
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from hermes_sim.workload.graph import OpGraph

_THIS_FILE = "`digital` of this file"


class Names:
    """Names of the matrices on the crossbars and of the operators that use them.

    Parameters
    ----------
    place : field of the file -> where it stands, for refusals
    graph : without the products that the file keeps off the crossbars
    digital : operators of these products
    """

    def __init__(self, place: Callable[[str], str], graph: OpGraph, digital: AbstractSet[str] = frozenset()) -> None:
        self.place, self._called = place, graph.called
        self._digital: dict[str, str] = {}  # operators off the crossbars and their matrices -> who keeps them off
        for op in graph.operators:
            if op.kind is OpKind.STATIC_MATMUL and not op.on_crossbar:
                keeper = _THIS_FILE if op.name in digital else "the workload"
                self._digital |= {op.name: keeper, op.use or op.name: keeper}
        self._users: defaultdict[str, list[str]] = defaultdict(list)
        for op in graph.operators:
            if op.on_crossbar and op.matrix:
                self._users[op.matrix].append(op.name)
        self._used = {op: matrix for matrix, users in self._users.items() for op in users}
        self._matrix = self._used | {matrix.name: matrix.name for matrix in graph.matrices}

    def matrix(self, name: str, field: str) -> str:
        """Matrix of that name, or of the operator of that name.

        Raises
        ------
        MappingError
            neither is there; the message lists both
        """
        if name not in self._matrix:
            raise self._unknown(name, field, "matrix")
        return self._matrix[name]

    def operators(self, name: str, field: str) -> list[str]:
        """Operator of that name, or all operators that use the matrix of that name.

        Raises
        ------
        MappingError
            neither is there; the message lists both
        """
        if name in self._used:
            return [name]
        if name not in self._users:
            raise self._unknown(name, field, "operator on the crossbars")
        return self._users[name]

    def _unknown(self, name: str, field: str, what: str) -> MappingError:
        every = [
            name if users in ([], [name]) else f"{name} (operator {listed(users, 3)})"
            for name, users in ((self._called(matrix), users) for matrix, users in self._users.items())
        ]
        keeper = self._digital.get(name)
        return MappingError(
            self.place(field),
            got=f"no {what} {name!r}" if keeper is None else f"{name!r}, which {keeper} keeps off the crossbars",
            allowed=listed(every) or "nothing: no product is on the crossbars",
            hint="take it out of `digital`" if keeper == _THIS_FILE else nearest(name, self._matrix),
        )
