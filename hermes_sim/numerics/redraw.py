"""Random features drawn anew: a life-cycle event, and how much accuracy hangs on the draw of W."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.kernels.performer import drawn_projection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hermes_sim.workload.schema import PerformerEncoder

_WEIGHT = ".weight"


def is_projection(matrix: str) -> bool:
    """Whether a matrix of a Performer is a W."""
    return matrix.rpartition(".")[2].startswith("W")


def with_drawn_projections(
    workload: PerformerEncoder,
    weights: Mapping[str, NDArray[Any]],
    rng: np.random.Generator,
    *,
    only: Collection[str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Weights of a Performer with other random features, as many as the workload says, drawn by its law.

    only : matrices to draw; None: every W
    """
    changed = dict(weights)
    for name, values in weights.items():
        matrix = name.removesuffix(_WEIGHT)
        if matrix != name and is_projection(matrix) and (only is None or matrix in only):
            changed[name] = drawn_projection(workload.projection_law, workload.projection_rows, len(values), rng)
    return changed
