"""How well outputs of a network do: one number per sample and metric, so that draws can be paired sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hermes_sim.errors import DataError, chosen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]
    F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A measure of outputs against labels, or against those of FP32 where there are no labels.

    Parameters
    ----------
    name : of the measure
    higher_is_better : false of an error
    labelled : whether it needs labels
    of : (outputs, labels or FP32 outputs) -> one value per sample and token, (n, tokens)
    """

    name: str
    higher_is_better: bool
    labelled: bool
    of: Callable[[Array, Array], F64]

    def scores(self, outputs: Array, wanted: Array, lengths: Array | None = None) -> tuple[F64, F64]:
        """Sum of the values of each sample and what it counts, (n,) each; tokens from `lengths` on do not count."""
        values = self.of(outputs, wanted)
        counts = np.ones_like(values)
        if lengths is not None and values.shape[1] > 1:
            counts = (np.arange(values.shape[1]) < lengths[:, None]).astype(np.float64)
        return (values * counts).sum(axis=1), counts.sum(axis=1)


def _classes(outputs: Array, labels: Array) -> tuple[Array, Array]:
    """Scores (n, tokens, classes) and labels (n, tokens)."""
    wanted = labels.reshape(len(labels), -1)
    n_tokens = wanted.shape[1]
    scores = outputs.reshape(len(outputs), n_tokens, -1)
    if scores.shape[2] == 1:  # one score: positive or not
        scores = np.concatenate([np.zeros_like(scores), scores], axis=2)
    return scores, wanted


def _right(outputs: Array, labels: Array) -> F64:
    scores, wanted = _classes(outputs, labels)
    return np.asarray(scores.argmax(axis=2) == wanted, np.float64)


def _bits(outputs: Array, labels: Array) -> F64:
    scores, wanted = _classes(outputs.astype(np.float64), labels)
    largest = scores.max(axis=2, keepdims=True)
    log_sum = np.log(np.exp(scores - largest).sum(axis=2)) + largest[:, :, 0]
    picked = np.take_along_axis(scores, wanted[:, :, None], axis=2)[:, :, 0]
    return np.asarray((log_sum - picked) / np.log(2))


def _squared(outputs: Array, labels: Array) -> F64:
    difference = outputs.reshape(len(outputs), -1).astype(np.float64) - labels.reshape(len(labels), -1)
    return np.asarray((difference**2).mean(axis=1, keepdims=True))


def _same(outputs: Array, exact: Array) -> F64:
    scores, wanted = (one.reshape(len(one), -1, one.shape[-1]) for one in (outputs, exact))
    if scores.shape[2] == 1:
        return np.asarray((scores > 0) == (wanted > 0), np.float64)[:, :, 0]
    return np.asarray(scores.argmax(axis=2) == wanted.argmax(axis=2), np.float64)


def _relative(outputs: Array, exact: Array) -> F64:
    got, wanted = (one.reshape(len(one), -1).astype(np.float64) for one in (outputs, exact))
    norms = np.linalg.norm(wanted, axis=1)
    return np.asarray(np.linalg.norm(got - wanted, axis=1) / np.where(norms > 0, norms, 1.0))[:, None]


METRICS = {
    one.name: one
    for one in (
        Metric("accuracy", True, True, _right),
        Metric("bits_per_character", False, True, _bits),
        Metric("mean_squared_error", False, True, _squared),
        Metric("agreement", True, False, _same),
        Metric("output_error", False, False, _relative),
    )
}


def metric_for(name: str | None, outputs: Array, labels: Array | None, *, where: str) -> Metric:
    """The metric of that name, or the usual one of such labels and outputs.

    Whole numbers are classes: one per sample asks for `accuracy`, one per token for `bits_per_character`; other
    labels for `mean_squared_error`; without labels for `agreement` of the most likely class with FP32.

    Raises
    ------
    DataError
        an unknown name, no labels where the metric needs them, or labels that do not fit the outputs
    """
    if name is not None:
        metric = METRICS[chosen("--metric", name, METRICS, error=DataError)]
    elif labels is None:
        metric = METRICS["agreement"]
    elif labels.dtype.kind not in "iu":
        metric = METRICS["mean_squared_error"]
    else:
        metric = METRICS["bits_per_character" if labels[0].size > 1 else "accuracy"]
    if metric.labelled and labels is None:
        free = ", ".join(one.name for one in METRICS.values() if not one.labelled)
        raise DataError(where, got=f"no labels `y` for the metric {metric.name}", allowed=f"labels, or {free}")
    if metric.labelled and labels is not None:
        _check_labels(metric, outputs, labels, where=where)
    return metric


def _check_labels(metric: Metric, outputs: Array, labels: Array, *, where: str) -> None:
    per_sample = outputs[0].size
    if metric.name == "mean_squared_error":
        if labels[0].size != per_sample:
            raise DataError(f"{where}: y", got=f"{labels[0].size} values per sample", allowed=f"{per_sample}")
        return
    if labels.dtype.kind not in "iu":
        raise DataError(f"{where}: y", got=f"numbers of type {labels.dtype}", allowed="whole numbers for classes")
    n_tokens = labels[0].size
    if per_sample % n_tokens:
        raise DataError(
            f"{where}: y", got=f"{n_tokens} labels per sample", allowed=f"a divisor of {per_sample} outputs per sample"
        )
    n_classes = max(per_sample // n_tokens, 2)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise DataError(f"{where}: y", got=f"labels from {low} to {high}", allowed=f"0 to {n_classes - 1}")
