"""Random features drawn anew: how much accuracy hangs on the draw of W, before any chip is blamed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from hermes_sim.errors import DataError
from hermes_sim.kernels.performer import drawn_projection
from hermes_sim.numerics.metrics import metric_for
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.workloads import network_inputs
from hermes_sim.rng import generator
from hermes_sim.workload.load import build_graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hermes_sim.workload.schema import PerformerEncoder


def with_drawn_projections(
    workload: PerformerEncoder, weights: Mapping[str, NDArray[Any]], rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Weights of a Performer with other random features, drawn by the law of the workload."""
    changed = dict(weights)
    for name, values in weights.items():
        if name.split(".")[-2].startswith("W"):
            head_dim, rows = values.shape
            changed[name] = drawn_projection(workload.projection_law, rows, head_dim, rng)
    return changed


def fp32_of_drawn_projections(
    workload: PerformerEncoder,
    *,
    n_draws: int,
    seed: int,
    samples: int | None = None,
    data_dir: str | Path | None = None,
) -> tuple[float, ...]:
    """Metric in FP32 of a Performer's own data, for so many draws of W with all other weights as they are.

    Raises    DataError  if weights or data are not at hand
    """
    graph = build_graph(workload)
    data, weights, name = network_inputs(workload, graph, Question(samples=samples), seed=seed, data_dir=data_dir)
    if weights is None or data.labels is None:
        raise DataError(workload.name, got="no weights or labels", allowed="a trained workload with labelled data")
    found = []
    with threadpool_limits(limits=1, user_api="blas"):
        for draw in range(n_draws):
            drawn = with_drawn_projections(workload, weights, generator(seed, "projections", draw))
            held = network_weights(graph, drawn, where=name)
            products = ExactProducts(weights_of(graph))
            products.program(held.matrices, held.biases)
            outputs = next(iter(Evaluation(graph, held).run(products, data.inputs).values()))
            metric = metric_for(None, outputs, data.labels, where=data.name)
            values, counts = metric.scores(outputs, data.labels)
            found.append(float(values.sum() / counts.sum()))
    return tuple(found)
