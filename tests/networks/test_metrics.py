"""Metrics by hand, and which one a data set asks for."""

import numpy as np
import pytest

from hermes_sim.errors import DataError
from hermes_sim.numerics.metrics import METRICS, metric_for
from hermes_sim.numerics.network_accuracy import PairedScores, RowScores, standard_error


def mean(name, outputs, wanted, lengths=None):
    values, counts = METRICS[name].scores(np.asarray(outputs, np.float32), np.asarray(wanted), lengths)
    return values.sum() / counts.sum()


def test_values_by_hand():
    scores = [[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]
    assert mean("accuracy", scores, [0, 1]) == 0.5
    assert mean("accuracy", [[0.3], [-0.3]], [1, 0]) == 1.0  # one score: positive or not
    log_sum = np.log2(np.exp(2) + np.exp(1) + 1)
    expected = np.mean([log_sum - 2 / np.log(2), log_sum - 1 / np.log(2)])
    assert mean("bits_per_character", scores, [0, 1]) == pytest.approx(expected)
    assert mean("mean_squared_error", [[1.0, 2.0]], [[1.0, 4.0]]) == 2.0
    assert mean("agreement", scores, [[5.0, 0.0, 0.0], [5.0, 0.0, 0.0]]) == 0.5
    assert mean("output_error", [[3.0, 0.0]], [[3.0, 4.0]]) == pytest.approx(0.8)


def test_tokens_behind_the_length_do_not_count():
    outputs = [[[9.0, 0.0], [9.0, 0.0]], [[9.0, 0.0], [0.0, 9.0]]]
    labels = [[0, 1], [0, 1]]
    assert mean("accuracy", outputs, labels) == 0.75
    assert mean("accuracy", outputs, labels, np.array([1, 2])) == 1.0


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([0, 2]), "accuracy"),
        (np.array([[0, 1], [1, 2]]), "bits_per_character"),
        (np.zeros((2, 6)), "mean_squared_error"),
        (None, "agreement"),
    ],
)
def test_the_usual_metric_of_labels(labels, expected):
    outputs = np.zeros((2, 2, 3), np.float32) if labels is None or labels.ndim > 1 else np.zeros((2, 3), np.float32)
    assert metric_for(None, outputs, labels, where="d").name == expected


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("accuracy", None, "no labels `y` for the metric accuracy"),
        (None, np.array([0, 3]), "labels from 0 to 3"),
        (None, np.array([-1, 0]), "labels from -1 to 0"),
        ("accuracy", np.array([0.5, 1.0]), "numbers of type float64"),
        ("mean_squared_error", np.zeros((2, 4)), "4 values per sample"),
        ("acuracy", np.array([0, 1]), "acuracy"),
    ],
)
def test_labels_that_do_not_fit_are_refused(name, labels, message):
    with pytest.raises(DataError, match=message):
        metric_for(name, np.zeros((2, 3), np.float32), labels, where="d")


def test_the_standard_error_counts_rows_and_draws():
    random = np.random.default_rng(0)
    n_draws, n_rows = 8, 400
    exact = RowScores(np.ones(n_rows), np.ones(n_rows))
    by_row, by_draw = random.normal(size=n_rows), 0.2 * random.normal(size=n_draws)

    def error(rows, draws):
        values = [RowScores(1 + rows * by_row + draws * shift, np.ones(n_rows)) for shift in by_draw]
        return standard_error([PairedScores(chip, exact) for chip in values], seed=0)

    assert error(1, 0) == pytest.approx(by_row.std() / np.sqrt(n_rows), rel=0.1)
    assert error(0, 1) == pytest.approx(by_draw.std() / np.sqrt(n_draws), rel=0.1)
    assert error(1, 1) == pytest.approx(np.hypot(error(1, 0), error(0, 1)), rel=0.1)
