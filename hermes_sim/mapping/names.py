"""What a mapping file may call the matrices and operators of a workload: either by its own name or by the other's."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.errors import MappingError, listed, nearest

if TYPE_CHECKING:
    from hermes_sim.workload.graph import OpGraph


class Names:
    """Names of the matrices on the crossbars and of the operators that use them.

    Parameters
    ----------
    source : of the names, for refusals
    """

    def __init__(self, source: object, graph: OpGraph) -> None:
        self._source = source
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
            matrix if users in ([], [matrix]) else f"{matrix} (operator {listed(users, 3)})"
            for matrix, users in self._users.items()
        ]
        return MappingError(
            f"{self._source}: {field}",
            got=f"no {what} {name!r}",
            allowed=listed(every),
            hint=nearest(name, self._matrix),
        )
