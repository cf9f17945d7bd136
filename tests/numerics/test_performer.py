"""Performer encoders as networks, against the formulas written out in float64."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erf

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.errors import DataError
from hermes_sim.kernels.performer import drawn_projection
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.formats import to_fp16
from hermes_sim.numerics.functions.kernel_attention import key_features, key_state, query_features
from hermes_sim.numerics.network import Evaluation, network_weights, rounded_operators
from hermes_sim.numerics.network_accuracy import network_accuracy
from hermes_sim.numerics.network_data import NetworkData
from hermes_sim.numerics.programmed import ExactProducts, ProgrammedChip, weights_of
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.redraw import with_drawn_projections
from hermes_sim.numerics.weights import about_weights, matrix_shapes, read_weights
from hermes_sim.numerics.workloads import network_inputs, redraw_of, workload_accuracy
from hermes_sim.workload.builders.performer_meaning import sinusoidal_positions
from hermes_sim.workload.load import build_graph, load_workload
from hermes_sim.workload.schema import LifeCycleSection, PerformerEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.chip.schema import Chip
    from hermes_sim.numerics.result import AccuracyResult
    from hermes_sim.workload.graph import OpGraph

Arrays = dict[str, NDArray[Any]]

TASKS = (
    "performer_imdb_full_short",
    "performer_listops_full_short",
    "performer_pathfinder_full_short",
    "performer_cifar10_attention_short",
)
N_TOKENS = 40
FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def encoder(name: str, **changed: Any) -> PerformerEncoder:
    """A shipped encoder of fewer tokens."""
    work = load_workload(name)
    assert isinstance(work, PerformerEncoder)
    return work.model_copy(update={"sequence_length": N_TOKENS, **changed})


def random_weights(work: PerformerEncoder, graph: OpGraph, *, qk_factor: float = 1.0) -> Arrays:
    """Weights of a file, of the size that training begins with."""
    rng, d = np.random.default_rng(0), work.d_model
    found: Arrays = {}
    for name, (rows, columns) in matrix_shapes(graph).items():
        part = name.rpartition(".")[2]
        if part.startswith("W"):
            found[f"{name}.weight"] = drawn_projection(work.projection_law, columns, rows, rng)
            continue
        factor = qk_factor if part in {"q_proj", "k_proj"} else 1.0
        found[f"{name}.weight"] = (factor * rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)
        if name != "sentence_projection_layer" and (work.qkv_bias or part not in {"q_proj", "k_proj", "v_proj"}):
            found[f"{name}.bias"] = (0.1 * rng.standard_normal(columns)).astype(np.float32)
    found["embedding.weight"] = rng.standard_normal((work.symbols or 1, d)).astype(np.float32)
    if work.embedding == "pixels":
        found["embedding.bias"] = rng.standard_normal(d).astype(np.float32)
    layers = range(1 if work.share_layers else work.layers)
    for norm in ["embedding_norm", *(f"layers.{i}.norm{j}" for i in layers for j in (1, 2))]:
        found[f"{norm}.weight"] = (1 + 0.1 * rng.standard_normal(d)).astype(np.float32)
        found[f"{norm}.bias"] = (0.1 * rng.standard_normal(d)).astype(np.float32)
    return found


def written_out(work: PerformerEncoder, weights: Arrays, tokens: NDArray[Any], length: int) -> NDArray[np.float64]:
    """Scores of one sample, from its first `length` tokens alone."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}

    def normed(x: NDArray[Any], name: str) -> NDArray[Any]:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return np.asarray(centred / deviation * w[f"{name}.weight"] + w[f"{name}.bias"])

    def dense(x: NDArray[Any], name: str) -> NDArray[Any]:
        return np.asarray(x @ w[f"{name}.weight"] + w.get(f"{name}.bias", 0.0))

    def features(x: NDArray[Any], projection: NDArray[Any]) -> NDArray[Any]:
        both = np.concatenate([x @ projection, -(x @ projection)], axis=1)
        return np.asarray(np.exp(both - (x**2).sum(axis=1, keepdims=True) / 2))

    here = tokens[:length]
    if work.embedding == "symbols":
        x = w["embedding.weight"][here]
    else:
        x = here[:, None] * w["embedding.weight"] + w["embedding.bias"]
    x = normed(x + sinusoidal_positions(length, work.d_model), "embedding_norm")
    for layer in range(work.layers):
        name = f"layers.{0 if work.share_layers else layer}."
        q, k, v = (dense(x, f"{name}{role}_proj") for role in "qkv")
        w_q, w_k = (w[f"{name}W{'' if work.projections == 'shared' else f'_{role}'}.weight"] for role in "qk")
        heads = []
        for head in range(work.heads):
            lane = slice(head * work.head_dim, (head + 1) * work.head_dim)
            of_q, of_k = (features(x[:, lane] * work.head_dim**-0.25, p) for x, p in ((q, w_q), (k, w_k)))
            heads.append(of_q @ (of_k.T @ v[:, lane]) / (of_q @ of_k.sum(axis=0))[:, None])
        x = normed(x + dense(np.concatenate(heads, axis=1), f"{name}out_proj"), f"{name}norm1")
        hidden = FUNCTIONS[work.activation](dense(x, f"{name}fc1"))
        x = normed(x + dense(hidden, f"{name}fc2"), f"{name}norm2")
    active = FUNCTIONS[work.classifier_activation](dense(x.mean(axis=0), "classifier.0.0"))
    return dense(active, "sentence_projection_layer")


def rows_of(work: PerformerEncoder, lengths: tuple[int, ...]) -> Arrays:
    """Inputs, padded by zeros."""
    rng = np.random.default_rng(1)
    shape = (len(lengths), 1, work.sequence_length)
    tokens = rng.integers(1, work.symbols, shape) if work.symbols else rng.standard_normal(shape).astype(np.float32)
    length = np.array(lengths)
    tokens[np.arange(work.sequence_length) >= length[:, None, None]] = 0
    return {"tokens": tokens, "length": length[:, None]}


def exact(graph: OpGraph, weights: Arrays) -> tuple[Evaluation, ExactProducts]:
    """FP32."""
    held = network_weights(graph, weights, where="test")
    products = ExactProducts(weights_of(graph))
    products.program(held.matrices, held.biases)
    return Evaluation(graph, held), products


@pytest.fixture(scope="module")
def chip() -> Chip:
    """The shipped heterogeneous chip."""
    return load_arch("hermes_64_hetero")


@pytest.mark.parametrize("name", TASKS)
def test_fp32_is_the_formula_whatever_the_padding(name: str) -> None:
    work = encoder(name)
    graph = build_graph(work)
    weights = random_weights(work, graph)
    evaluation, products = exact(graph, weights)
    rows = rows_of(work, (N_TOKENS, 13, 1))
    made = evaluation.run(products, rows)["logits"].reshape(3, -1)
    wanted = np.stack([written_out(work, weights, rows["tokens"][i, 0], int(rows["length"][i, 0])) for i in range(3)])
    assert np.abs(made - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("strategy", ["packed", "spread"])
@pytest.mark.parametrize("name", TASKS[:3])
def test_chip_without_imperfections_is_fp32(name: str, strategy: str, chip: Chip) -> None:
    work = encoder(name)
    graph = build_graph(work)
    mapping = map_graph(graph, chip, strategy)
    weights = random_weights(work, graph)
    evaluation, products = exact(mapping.mapped(graph), weights)
    spec = core_crossbar(chip.core, effects=Effects.none())
    programmed = ProgrammedChip(graph, mapping, spec=spec, mode=chip.read_mode, seed=0)
    programmed.program(evaluation.weights.matrices, evaluation.weights.biases)
    rows = rows_of(work, (N_TOKENS, 9))
    wanted, made = (evaluation.run(one, rows)["logits"] for one in (products, programmed))
    assert np.abs(made - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_padded_tokens_count_for_nothing() -> None:
    work = encoder(TASKS[0])
    graph = build_graph(work)
    evaluation, products = exact(graph, random_weights(work, graph))
    rows = rows_of(work, (17,))
    other = {**rows, "tokens": rows["tokens"].copy()}
    other["tokens"][0, 0, 17:] = 99
    made, again = (evaluation.run(products, one)["logits"] for one in (rows, other))
    np.testing.assert_array_equal(made, again)


def test_batches_change_no_bit_of_a_draw(chip: Chip) -> None:
    work = encoder(TASKS[0])
    graph = build_graph(work)
    mapping = map_graph(graph, chip, "packed")
    evaluation, _ = exact(mapping.mapped(graph), random_weights(work, graph))
    programmed = ProgrammedChip(graph, mapping, spec=core_crossbar(chip.core), mode=chip.read_mode, seed=3)
    programmed.program(evaluation.weights.matrices, evaluation.weights.biases)
    rows = rows_of(work, (40, 3, 25, 8))
    whole = evaluation.run(programmed, rows)["logits"]
    parts = [
        evaluation.run(programmed, {name: one[i : i + 1] for name, one in rows.items()}, first_sample=i)["logits"]
        for i in range(4)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_exponents_below_those_of_fp16_do_no_harm(chip: Chip) -> None:
    """exp(-16.6) is the least number of FP16: of keys and queries all of whose features are smaller, all is right."""
    work = encoder(TASKS[1], projection_law="textbook")
    graph = build_graph(work)
    mapping = map_graph(graph, chip, "packed")
    weights = random_weights(work, graph, qk_factor=3.0)
    evaluation, products = exact(mapping.mapped(graph), weights)
    rows = rows_of(work, (N_TOKENS,))
    inside = evaluation.tensors(products, rows)
    q, w = inside["L0.q_proj"][0, 0, :, : work.head_dim], weights["layers.0.W.weight"]
    exponents = np.abs(q * work.head_dim**-0.25 @ w) - (q**2).sum(axis=1, keepdims=True) / 2 / work.head_dim**0.5
    below = exponents.max(axis=1) < -16.7
    assert below.any()
    rounded = rounded_operators(mapping.mapped(graph), mapping, chip, ldpu=True, units=True)
    assert "L0.h0.features_k" in rounded
    made = Evaluation(mapping.mapped(graph), evaluation.weights, rounded).run(products, rows)["logits"]
    wanted = written_out(work, weights, rows["tokens"][0, 0], N_TOKENS)
    assert np.abs(made.reshape(-1) - wanted).max() < 0.1 * np.abs(wanted).max()


def test_exponents_above_those_of_fp16_do_no_harm() -> None:
    """exp(11.09) is the largest number of FP16; a vector along one of W's reaches exp(|w|^2 / 2)."""
    w = drawn_projection("textbook", 128, 32, np.random.default_rng(0))
    x = (w.T[np.linalg.norm(w, axis=0) ** 2 / 2 > 12][:4])[None, None]
    projected, values = x @ w, np.random.default_rng(1).standard_normal((1, 1, 4, 32)).astype(np.float32)
    assert (np.abs(projected).max(axis=-1) - (x**2).sum(axis=-1) / 2).min() > 11.09
    keys, queries = key_features(projected, x, np.ones((1, 1, 4), bool)), query_features(projected)
    sums = to_fp16(to_fp16(queries) @ to_fp16(key_state(to_fp16(keys), values)))
    plain = np.exp(np.concatenate([projected, -projected], axis=-1) - (x**2).sum(axis=-1, keepdims=True) / 2)[0, 0]
    wanted = plain @ (plain.T.astype(np.float64) @ values[0, 0]) / (plain @ plain.sum(axis=0))[:, None]
    made = sums[0, 0, :, :-1] / sums[0, 0, :, -1:]
    assert np.abs(made - wanted).max() < 0.01 * np.abs(wanted).max()


def test_norm_is_that_of_the_inputs_that_drive_the_rows(chip: Chip) -> None:
    """With few input bits the projection is of rounded vectors: |x|^2 of others would not fit it."""
    work = encoder(TASKS[0])
    graph = build_graph(work)
    mapping = map_graph(graph, chip, "packed")
    spec = replace(core_crossbar(chip.core, effects=replace(Effects.none(), input_quantisation=True)), input_levels=7)
    programmed = ProgrammedChip(graph, mapping, spec=spec, mode=chip.read_mode, seed=0)
    evaluation, products = exact(mapping.mapped(graph), random_weights(work, graph))
    programmed.program(evaluation.weights.matrices, evaluation.weights.biases)
    x = np.random.default_rng(2).standard_normal((6, work.head_dim)).astype(np.float32)
    step = np.abs(x).max() / spec.largest_input
    driven = programmed.driven("L0.h0.project_k", x, float(np.abs(x).max()))
    np.testing.assert_allclose(driven, np.rint(x / step) * step, rtol=1e-6)
    assert not np.allclose(driven, x, atol=step / 10)
    projected = programmed.project("L0.h0.project_k", x, input_range=float(np.abs(x).max()))
    np.testing.assert_allclose(projected, products.project("L0.h0.project_k", driven), rtol=1e-4, atol=1e-4)


def test_a_sum_in_fp16_stops_counting() -> None:
    """2,048 + 1 is 2,048 in FP16: a state of 2 bytes loses what one of 4 bytes counts."""
    features, values = np.ones((1, 1, 5000, 1), np.float32), np.ones((1, 1, 5000, 1), np.float32)
    exact_sum, small = key_state(features, values), key_state(features, values, fp16=True)
    scale = 2.0**13  # 5,000 is scaled below 1
    assert exact_sum[0, 0, 0, 1] * scale == 5000
    assert small[0, 0, 0, 1] * 2.0**12 == 2048


def test_features_are_those_of_the_kernel_up_to_what_cancels() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 1, 7, 8)).astype(np.float32)
    projected = (x @ rng.standard_normal((8, 5)).astype(np.float32)).astype(np.float32)
    counted = np.array([[[True] * 5 + [False] * 2]])
    keys = key_features(projected, x, counted)
    plain = np.exp(np.concatenate([projected, -projected], axis=-1) - (x**2).sum(axis=-1, keepdims=True) / 2)
    ratio = keys[0, 0, :5] / plain[0, 0, :5]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    assert keys.max() == pytest.approx(1.0)
    assert not keys[0, 0, 5:].any()
    queries = query_features(projected)
    per_query = queries / plain
    np.testing.assert_allclose(per_query, per_query[..., :1].repeat(10, axis=-1), rtol=1e-4)
    assert to_fp16(queries).max() == 1.0


def accuracy_of(work: PerformerEncoder, chip: Chip) -> AccuracyResult:
    """Two draws on a few rows."""
    graph = build_graph(work)
    rows, calibration = rows_of(work, (30, 12, 40, 7, 22)), rows_of(work, (25, 40))
    return network_accuracy(
        graph,
        map_graph(graph, chip, "packed"),
        chip,
        spec=core_crossbar(chip.core),
        weights=random_weights(work, graph),
        weights_name="random",
        data=NetworkData("rows", rows, calibration),
        question=Question(draws=2, metric="output_error", by_layer=False),
        seed=0,
        redraw=redraw_of(work, graph),
    )


def test_redrawn_features_differ_by_draw_on_both_sides(chip: Chip) -> None:
    """Outputs of FP32 are those of the same W: a redrawing costs the chip no more than a draw of its own."""
    plain = encoder(TASKS[1])
    redrawn = plain.model_copy(update={"life_cycle": LifeCycleSection(redraw_every=1, redraw=["layers.0.W"])})
    kept, anew = accuracy_of(plain, chip), accuracy_of(redrawn, chip)
    assert kept.simulated_values[0] == anew.simulated_values[0]
    assert kept.simulated_values[1] != anew.simulated_values[1]
    assert anew.simulated_values[1] < 3 * kept.simulated_values[1]


def test_only_what_is_to_be_redrawn_is() -> None:
    work = encoder(TASKS[0])
    weights = random_weights(work, build_graph(work))
    drawn = with_drawn_projections(work, weights, np.random.default_rng(5), only=["layers.0.W_q"])
    changed = [name for name in weights if not np.array_equal(weights[name], drawn[name])]
    assert changed == ["layers.0.W_q.weight"]
    every = with_drawn_projections(work, weights, np.random.default_rng(5))
    assert sum(not np.array_equal(weights[name], every[name]) for name in weights) == 4


def test_weights_of_another_length_are_refused(tmp_path: Path) -> None:
    """The published length has an accuracy only from a checkpoint of that length."""
    work = load_workload("performer_imdb_full_short")
    graph = build_graph(work)
    assert isinstance(work, PerformerEncoder)
    about = {"workload": work.name, "data": work.data, "sequence_length": work.sequence_length}
    file, tokens = tmp_path / "w.npz", tmp_path / "t.npz"
    np.savez(file, **random_weights(work, graph), about=np.array(json.dumps(about)))
    assert about_weights(file) == about
    assert "about" not in read_weights(file)
    long = load_workload("performer_imdb_full")
    rng = np.random.default_rng(0)
    np.savez(tokens, tokens=rng.integers(1, 256, (10, 4000)), length=np.full(10, 4000), y=np.arange(10) % 2)
    question = Question(data=tokens, weights=file)
    with pytest.raises(DataError, match=r"sequence_length 512 .*performer_imdb_full_short"):
        network_inputs(long, build_graph(long), question, seed=0)


def test_a_published_length_without_weights_says_so(chip: Chip) -> None:
    work = load_workload("performer_imdb_full")
    graph = build_graph(work)
    found = workload_accuracy(work, chip, graph, map_graph(graph, chip, "packed"), seed=0)
    assert found.accuracy is None
    assert found.missing
