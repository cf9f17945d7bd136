"""Attention on the shipped vectors of a trained encoder."""

import dataclasses

import numpy as np
import pytest

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.errors import WorkloadError
from hermes_sim.numerics.attention import EncoderVectors, encoder_vectors, evaluate_encoder_attention

RUN = {"batch": 256, "n_seeds": 2, "seed": 3, "read_mode": ReadMode.ONE_PHASE}


@pytest.fixture(scope="module")
def few():
    """Two inputs and the first 64 tokens: quick."""
    whole = encoder_vectors()
    return EncoderVectors(whole.query[:2, :64], whole.key[:2, :64], whole.value[:2, :64])


def test_shipped_vectors_are_ten_padded_inputs_of_one_head():
    vectors = encoder_vectors()
    for array in (vectors.query, vectors.key, vectors.value):
        assert array.shape == (10, 512, 64)
        assert array.dtype == np.float32
        # padding: the same token at the same place in every input of the first layer
        assert (array[:, 18:] == array[:1, 18:]).all()
        assert (array[:, 1] != array[0, -1]).any(axis=1).all()


def test_error_falls_with_projections_in_fp32_and_grows_on_the_chip(spec, few):
    small, large = (evaluate_encoder_attention(spec=spec, vectors=few, n_rows=n, **RUN) for n in (15, 447))
    assert large.digital_fp32 < small.digital_fp32
    assert large.simulated != large.digital_fp32
    assert large.n_test == 2 * 64


def test_an_ideal_chip_errs_as_fp32_does(spec, few):
    result = evaluate_encoder_attention(spec=spec.ideal(), vectors=few, n_rows=63, **RUN)
    np.testing.assert_allclose(result.simulated_values, result.digital_values, rtol=1e-4)


def test_same_seed_same_bits_in_any_threads(spec, few):
    one, two = (evaluate_encoder_attention(spec=spec, vectors=few, n_rows=31, n_threads=n, **RUN) for n in (1, 2))
    assert one == two
    other = evaluate_encoder_attention(spec=spec, vectors=few, n_rows=31, **(RUN | {"seed": 4}))
    assert other.simulated_values != one.simulated_values


def test_the_error_does_not_depend_on_the_size_of_the_values(spec, few):
    plain = evaluate_encoder_attention(spec=spec, vectors=few, n_rows=31, **RUN)
    doubled = dataclasses.replace(few, value=2 * few.value)
    result = evaluate_encoder_attention(spec=spec, vectors=doubled, n_rows=31, **RUN)
    assert result.simulated_values == pytest.approx(plain.simulated_values)


@pytest.mark.parametrize("field", ["n_rows", "n_seeds"])
def test_sizes_below_one_are_refused(spec, few, field):
    with pytest.raises(WorkloadError, match=field):
        evaluate_encoder_attention(spec=spec, vectors=few, **({"n_rows": 3} | RUN | {field: 0}))
