"""`reproduce lra_vectors`: attention errors on vectors of the trained Performer, on few and made-up vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.errors import DataError
from hermes_sim.numerics.attention import EncoderVectors
from hermes_sim.validation import lra_vectors
from hermes_sim.validation.lra_vectors import (
    AttentionErrors,
    LayerVectors,
    scale_of,
    spread_of_kernel,
    square_of_spread,
)
from hermes_sim.validation.reproduce import reproduce
from hermes_sim.validation.reproduce_base import Sources


@pytest.fixture
def sources(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Sources(data_dir=tmp_path, seeds=1)


@pytest.fixture
def layer(sources, monkeypatch):
    monkeypatch.setattr(lra_vectors, "_FEWEST_SEEDS", 1)
    random = np.random.default_rng(0)
    return LayerVectors(0, EncoderVectors(*random.normal(size=(3, 2, 24, 8)).astype(np.float32)), sources)


def made_up(monkeypatch, of):
    """Layers whose FP32 errors are a function of scale, ratio and law; the chip adds 0.03."""

    def errors(_self, ratio, *, scale=1.0, law=None):
        fp32 = of(scale, ratio, law)
        return AttentionErrors(float(np.hypot(fp32, 0.03)), fp32)

    random = np.random.default_rng(0)
    vectors = EncoderVectors(*random.normal(size=(3, 2, 24, 32)).astype(np.float32))
    monkeypatch.setattr(LayerVectors, "errors", errors)
    monkeypatch.setattr(lra_vectors, "layers_of", lambda sources: [LayerVectors(i, vectors, sources) for i in range(2)])


def test_shorter_vectors_until_fp32_errs_as_published(sources, monkeypatch):
    made_up(monkeypatch, lambda scale, ratio, law: (0.6 if law is None else 0.9) * scale**3 * (4 / ratio) ** 0.3)
    outcome = reproduce(["lra_vectors"], sources)["lra_vectors"]
    fitted = [row for row in outcome.rows if row.kind == "fitted"]
    assert [row.name for row in fitted] == [
        f"attention error, layer {i}, times 0.47, 4 projections per value, FP32" for i in (0, 1)
    ]
    assert all(row.simulated == pytest.approx(row.expected) for row in fitted)  # a power law all the way
    as_trained = [row for row in outcome.rows if "as trained" in row.name]
    assert len(as_trained) == 4
    assert not any(row.passed for row in as_trained)
    assert len(outcome.rows) == 4 + 2 * 2 * 7  # layers, platforms, numbers of projections
    published, *mine = outcome.lines
    assert (published["FP32"], published["chip"], published["excess"]) == ("0.061", "0.079", "0.050")
    assert [line["FP32"] for line in mine[:4]] == ["0.600", "0.900", "0.900", "0.061"]
    assert {line["excess"] for line in mine} == {"0.030"}
    assert "these vectors do not give the published errors" in outcome.words[0]
    assert "the chip adds 0.030 to 0.030" in outcome.words[1]
    assert outcome.svg.count("queries and keys times") == 2


def test_vectors_that_give_the_published_error_are_said_to(sources, monkeypatch):
    made_up(monkeypatch, lambda scale, _ratio, _law: 0.0612 * scale)
    words = reproduce(["lra_vectors"], sources)["lra_vectors"].words
    assert "these vectors give the published errors" in words[0]


def test_without_its_data_it_is_left_out(sources, monkeypatch):
    def missing(_sources):
        raise DataError("imdb", got="no such file", allowed="one")

    monkeypatch.setattr(lra_vectors, "layers_of", missing)
    outcome = reproduce(["lra_vectors"], sources)["lra_vectors"]
    assert outcome.skipped == "imdb left out: imdb: no such file."
    assert not outcome.rows


def test_a_table_without_the_number_of_projections(sources, tmp_path):
    table = tmp_path / "table.csv"
    rows = [f"attention,favor+,softmax,1,0,{platform},approx_error,.1" for platform in ("chip", "fp32")]
    table.write_text("\n".join(["dataset,sampler,kernel,log2_ratio,seed_index,platform,metric,value", *rows]))
    outcome = reproduce(["lra_vectors"], replace(sources, measurements=table))["lra_vectors"]
    assert "no attention errors of 4 projections per value" in outcome.skipped


def test_errors_grow_with_the_vectors_and_are_kept(layer, monkeypatch):
    short, long = (layer.errors(4, scale=scale) for scale in (0.1, 1.0))
    assert short.fp32 < 0.1 * long.fp32
    assert layer.errors(4, law="published").fp32 != long.fp32
    monkeypatch.setattr(lra_vectors, "evaluate_encoder_attention", lambda **_: pytest.fail("computed again"))
    assert layer.errors(4) == long


def test_lengths_are_those_of_the_scaled_vectors(layer):
    ones = np.ones((2, 3, 16), np.float32)  # 16^(1/2) long, 2 times 16^(-1/4)
    plain = LayerVectors(0, EncoderVectors(ones, -ones, ones), layer._sources)
    assert plain.lengths == pytest.approx((2, 2))
    assert plain.median_square == pytest.approx(0, abs=1e-5)
    assert plain.alike == pytest.approx(0, abs=1e-6)  # all values are the same


def test_spread_of_the_kernel_is_that_of_many_draws():
    random = np.random.default_rng(0)
    q, k = random.normal(size=(2, 6)) * 0.3
    w = random.normal(size=(20_000, 16, 6))
    both = [np.exp(s * (w @ (q + k)) - (q @ q + k @ k) / 2) for s in (1, -1)]
    found = np.mean(both, axis=(0, 2))
    assert found.std() / np.exp(q @ k) == pytest.approx(spread_of_kernel((q + k) @ (q + k), 16), rel=0.05)
    assert square_of_spread(spread_of_kernel(1.7, 16), 16) == pytest.approx(1.7)


def test_scale_lies_between_those_that_were_tried():
    errors = [0.6 * scale**2 for scale in lra_vectors._SCALES]
    assert scale_of(errors, 0.6 * 0.45**2) == pytest.approx(0.45)


def test_excess_of_a_chip_that_adds_nothing_is_zero():
    assert AttentionErrors(0.05, 0.06).excess == 0
    assert AttentionErrors(0.05, 0.03).excess == pytest.approx(0.04)
