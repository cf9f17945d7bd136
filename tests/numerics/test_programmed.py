"""A mapped graph on cores: equal to exact products without effects, and with them as place and cut decide."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.core import Weights, program_core
from hermes_sim.crossbar.matrix import AnalogMatrix, Piece
from hermes_sim.crossbar.spec import Effects
from hermes_sim.errors import DeviceModelError
from hermes_sim.mapping.mapping import Block, Mapping, Strategy
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.programmed import PROJECT, Compared, ExactProducts, ProgrammedChip, W, one_product, weights_of
from hermes_sim.program.lower import lower
from hermes_sim.workload.graph import GraphBuilder, Matrix
from hermes_sim.workload.load import build_graph, load_workload

ONE, FOUR = ReadMode.ONE_PHASE, ReadMode.FOUR_PHASE
WORKLOADS = [
    "kernel_ridge_digits",
    "performer_imdb_attention_layer",
    "performer_imdb_full",
    "performer_listops_attention",
]
PUBLISHED = {
    "imdb_mapping": "performer_imdb_attention",
    "imdb_mapping_full": "performer_imdb_full",
    "cifar10_mapping": "performer_cifar10_attention",
    "cifar10_mapping_full": "performer_cifar10_full",
    "listops_mapping_full": "performer_listops_full",
}


def on(spec, **changes):
    return spec.with_effects(replace(Effects.none(), **changes))


def random_weights(graph, mapping, rng):
    """Weights of all matrices of a graph; those that share cells are one."""
    names = {weights_of(graph)[op.name] for op in graph.operators if op.on_crossbar}
    drawn = {name: rng.standard_normal((graph.matrix(name).rows, graph.matrix(name).columns)) for name in sorted(names)}
    return {name: drawn[mapping.aliases.get(name, name)] for name in drawn}


def largest_difference(graph, mapping, spec, n_tokens=5):
    """max|a - b| / max|b| of every product on crossbars, chip against float32."""
    rng = np.random.default_rng(0)
    weights = random_weights(graph, mapping, rng)
    biases = {name: rng.standard_normal(matrix.shape[1]) for name, matrix in weights.items()}
    biases = {name: biases[mapping.aliases.get(name, name)] for name in biases}
    chip = ProgrammedChip(graph, mapping, spec=spec.ideal(), mode=FOUR, seed=1)
    exact = ExactProducts(weights_of(graph))
    for products in (chip, exact):
        products.program(weights, biases)
    found = {}
    for op in graph.operators:
        if op.on_crossbar:
            x = rng.standard_normal((n_tokens, op.in_values)).astype(np.float32)
            a, b = (products.project(op.name, x, first_token=3) for products in (chip, exact))
            found[op.name] = float(np.abs(a - b).max() / np.abs(b).max())
    assert found
    return max(found.values())


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("name", WORKLOADS)
def test_without_effects_every_product_is_the_float32_one(spec, hetero, name, strategy):
    changes = {"readout": "crossbar"} if name.startswith("kernel_ridge") else {}
    graph = build_graph(load_workload(name, changes))
    mapping = map_graph(graph, hetero, strategy)
    assert largest_difference(graph, mapping, spec) <= 1e-5


@pytest.mark.parametrize("name", PUBLISHED)
def test_without_effects_published_mappings_give_float32_products(spec, hermes, shared, name):
    graph = build_graph(load_workload(PUBLISHED[name]))
    mapping = map_graph(graph, hermes, str(shared / "reference" / "hermes_mappings" / f"{name}.json"))
    assert largest_difference(graph, mapping, spec) <= 1e-5


@st.composite
def cuts(draw):
    """A matrix taken apart by cuts through the whole of a piece, and its pieces on three cores, below each other."""
    pieces = [((0, draw(st.integers(1, 60))), (0, draw(st.integers(1, 60))))]
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(pieces) - 1))
        piece, axis = pieces[at], draw(st.integers(0, 1))
        low, high = piece[axis]
        if high - low > 1:
            middle = draw(st.integers(low + 1, high - 1))
            pieces[at : at + 1] = [
                tuple((one if k == axis else piece[k]) for k in range(2)) for one in ((low, middle), (middle, high))
            ]
    used = [0, 0, 0]
    blocks = []
    for rows, columns in pieces:
        core = draw(st.integers(0, 2))
        if used[core] + rows[1] - rows[0] > 256:
            core = int(np.argmin(used))
        blocks.append(Block(W, 0, rows, columns, core, used[core], draw(st.integers(0, 100))))
        used[core] += rows[1] - rows[0]
    shape = max(rows[1] for rows, _ in pieces), max(columns[1] for _, columns in pieces)
    return shape, tuple(blocks)


@settings(max_examples=40, deadline=None)
@given(cut=cuts(), mode=st.sampled_from(ReadMode), seed=st.integers(0, 9))
def test_without_effects_any_cut_gives_the_float32_product(spec, cut, mode, seed):
    shape, blocks = cut
    graph, _ = one_product(*shape, rows=256, columns=256)
    mapping = Mapping("any cut", blocks, {PROJECT: (0,)}, {})
    rng = np.random.default_rng(seed)
    w, x, bias = rng.standard_normal(shape), rng.standard_normal((4, shape[0])), rng.standard_normal(shape[1])
    chip = ProgrammedChip(graph, mapping, spec=spec.ideal(), mode=mode, seed=seed)
    chip.program({W: w}, {W: bias})
    exact = x.astype(np.float32) @ w.astype(np.float32) + bias
    assert np.abs(chip.project(PROJECT, x) - exact).max() <= 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize(("mode", "conversions"), [(ONE, 1), (FOUR, 4)])
@pytest.mark.parametrize("n_pieces", [1, 2, 5])
def test_rows_cut_over_cores_are_converted_each_by_itself(spec, mode, conversions, n_pieces):
    # The noise of one conversion is 2 counts, of 40 counts per weight of 1 and input of 1. Cut into k pieces, k times
    # as many conversions are added: variance k (2 / 40)^2, times the conversions of a read. The whole of the other
    # error, of counts rounded to whole ones, is that of conversions that know nothing of each other, too: k / 12.
    rows = 40
    core = on(spec, adc_noise=True, adc_quantisation=True)
    core = replace(
        core, adc_noise_counts=2.0, adc_four_phase_noise_counts=2.0, counts_per_cell=40.0, weight_limit_sd=0.0
    )
    step = rows // n_pieces
    blocks = tuple(Block(W, 0, (i * step, (i + 1) * step), (0, 30), core=i) for i in range(n_pieces))
    graph, _ = one_product(rows, 30, rows=256, columns=256)
    chip = ProgrammedChip(graph, Mapping("rows", blocks, {PROJECT: (0,)}, {}), spec=core, mode=mode, seed=4)
    w = np.where(np.random.default_rng(0).random((rows, 30)) < 0.5, -1.0, 1.0)
    chip.program({W: w})
    y = chip.project(PROJECT, np.zeros((4000, rows)), input_range=1.0)
    expected = np.sqrt(n_pieces * conversions * (2.0**2 + 1 / 12)) / 40
    assert y.std() == pytest.approx(expected, rel=0.02)
    # of the same tokens on the same core, below each other, the conversions differ as well
    below = tuple(replace(block, core=0, core_row=block.rows[0]) for block in blocks)
    one_core = ProgrammedChip(graph, Mapping("rows", below, {PROJECT: (0,)}, {}), spec=core, mode=mode, seed=4)
    one_core.program({W: w})
    assert one_core.project(PROJECT, np.zeros((4000, rows)), input_range=1.0).std() == pytest.approx(expected, rel=0.02)


def test_partial_sums_are_rounded_in_the_format_and_order_of_the_ldpu(spec):
    core = on(spec, ldpu_fp16=True)
    w, x = np.random.default_rng(1).standard_normal((30, 20)), np.random.default_rng(2).standard_normal((50, 30))
    bias = np.random.default_rng(3).standard_normal(20)
    edges = ((0, 10), (10, 20), (20, 30))
    blocks = tuple(Block(W, 0, rows, (0, 20), core=2 - i) for i, rows in enumerate(edges))
    graph, _ = one_product(30, 20, rows=256, columns=256)
    chip = ProgrammedChip(graph, Mapping("rows", blocks, {PROJECT: (0,)}, {}), spec=core, mode=ONE, seed=0)
    chip.program({W: w}, {W: bias})
    expected = np.zeros((50, 20))
    for i, (piece, rows) in enumerate(zip(chip.replica(PROJECT).pieces, edges, strict=True)):
        assert (piece.rows, piece.adds) == (rows, i > 0)
        scale = np.float64(np.float16(piece.block.weight_scale / core.counts_per_cell))
        full = np.abs(x).max()
        counts = x[:, slice(*rows)] @ (w[slice(*rows)] / piece.block.weight_scale) * core.counts_per_cell / full
        part = np.float16(counts * scale * full + (0 if i else bias)).astype(np.float64)
        expected = np.float16(expected + part).astype(np.float64) if i else part
    found = chip.project(PROJECT, x)
    assert (found == np.float16(found)).all()
    # ties of the rounding may fall the other way, by one step of FP16
    assert (found == expected).mean() > 0.99
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)


def two_matrices(rows=20, columns=(10, 14)):
    graph = GraphBuilder("two")
    for name, n in zip("ab", columns, strict=True):
        graph.product(f"op_{name}", Matrix(name, rows, n), tokens=1, on_crossbar=True)
    return graph.build()


def test_blocks_on_one_core_share_scale_compensation_and_converters(spec):
    graph = two_matrices()
    together = Mapping(
        "one core", (Block("a", 0, (0, 20), (0, 10), 3), Block("b", 0, (0, 20), (0, 14), 3, 0, 10)),
        {"op_a": (0,), "op_b": (0,)}, {},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {"a": rng.standard_normal((20, 10)), "b": 5 * rng.standard_normal((20, 14))}
    late = replace(spec, inference_s=1e5, compensation_s=1e5, adc_gain_sd=0.1)
    chip = ProgrammedChip(graph, together, spec=late, mode=FOUR, seed=7)
    chip.program(weights)
    one, other = (chip.replica(op).pieces[0].block for op in ("op_a", "op_b"))
    everything = np.concatenate([weights["a"].ravel(), weights["b"].ravel()])
    assert one.weight_scale == other.weight_scale == pytest.approx(spec.weight_limit_sd * everything.std())
    assert one.output_scale == other.output_scale > 1
    whole = np.hstack([weights["a"], weights["b"]])
    (alone,) = program_core(late, [Weights(whole)], mode=FOUR, seed=7, core=3)
    ratio = (
        np.concatenate([one.gain.ravel(), other.gain.ravel()]) / alone.gain.ravel()
    )  # one grid of the cells each, one converter a column
    assert len(np.unique(ratio[:10].round(6))) == len(np.unique(ratio[10:].round(6))) == 1
    # apart, each has its own
    apart = replace(together, blocks=(together.blocks[0], replace(together.blocks[1], core=4)))
    chip = ProgrammedChip(graph, apart, spec=late, mode=FOUR, seed=7)
    chip.program(weights)
    assert chip.replica("op_a").pieces[0].block.weight_scale == pytest.approx(spec.weight_limit_sd * weights["a"].std())


def test_a_token_goes_to_the_replica_that_takes_it_in_time(spec, hermes):
    graph = build_graph(load_workload("kernel_ridge_digits", {"log2_ratio": 1}))
    matrix = graph.matrix(W)
    whole = ((0, matrix.rows), (0, matrix.columns))
    blocks = tuple(Block(W, r, *whole, core=5 + r) for r in range(3))
    mapping = replace(map_graph(graph, hermes, "packed"), blocks=blocks, replicas={PROJECT: (2, 0, 1)})
    w = np.random.default_rng(0).standard_normal((matrix.rows, matrix.columns))
    x = np.random.default_rng(1).standard_normal((11, matrix.rows)).astype(np.float32)
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=ONE, seed=2)
    chip.program({W: w})
    found = chip.project(PROJECT, x, input_range=4.0, first_token=7)
    # in time: which tokens the read actor of each replica fires for
    lowered = lower(graph, mapping, hermes, inferences=1)
    read = [i for i, info in enumerate(lowered.actors) if info.stage == "read"]
    turns = {lowered.program.actor_names[i][-len("r0/read") :]: lowered.firings[i][1:] for i in read}
    assert turns == {"r2/read": (0, 3), "r0/read": (1, 3), "r1/read": (2, 3)}
    for token in range(11):
        replica = (2, 0, 1)[(7 + token) % 3]
        (block,) = program_core(spec, [Weights(w)], mode=ONE, seed=2, core=5 + replica)
        alone = AnalogMatrix(w.shape, [Piece(*whole, block)], np.zeros(matrix.columns))
        np.testing.assert_array_equal(
            found[token], alone.matmul(x[token : token + 1], input_range=4.0, first_vector=7 + token)[0]
        )


def test_results_do_not_depend_on_batch_or_threads(spec):
    graph, mapping = one_product(300, 70, rows=256, columns=64)
    many = replace(
        mapping,
        blocks=tuple(
            replace(block, replica=replica, core=10 * replica + block.core)
            for replica in range(3)
            for block in mapping.blocks
        ),
        replicas={PROJECT: (0, 1, 2)},
    )
    w, x = np.random.default_rng(0).standard_normal((300, 70)), np.random.default_rng(1).standard_normal((50, 300))
    chips = [ProgrammedChip(graph, many, spec=spec, mode=FOUR, seed=3, n_threads=n) for n in (1, 3)]
    for chip in chips:
        chip.program({W: w})
    whole = chips[0].project(PROJECT, x, input_range=5.0)
    np.testing.assert_array_equal(chips[1].project(PROJECT, x, input_range=5.0), whole)
    parts = [chips[0].project(PROJECT, x[i : i + 7], input_range=5.0, first_token=i) for i in range(0, 50, 7)]
    np.testing.assert_array_equal(np.vstack(parts), whole)


def test_two_operators_on_the_same_cells_have_noise_of_their_own(spec):
    graph = GraphBuilder("two uses")
    for name in ("q", "k"):
        graph.product(name, Matrix("W", 20, 30), tokens=1, on_crossbar=True)
    mapping = Mapping("shared", (Block("W", 0, (0, 20), (0, 30), 0),), {"q": (0,), "k": (0,)}, {})
    chip = ProgrammedChip(graph.build(), mapping, spec=on(spec, adc_noise=True), mode=ONE, seed=0)
    chip.program({"W": np.ones((20, 30))})
    one, other = (chip.project(name, np.zeros((300, 20)), input_range=1.0).ravel() for name in ("q", "k"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_cells_written_again_have_other_imperfections_and_the_same_converters(spec):
    graph, mapping = one_product(20, 30, rows=256, columns=256)
    chip = ProgrammedChip(graph, mapping, spec=replace(spec, adc_gain_sd=0.1), mode=FOUR, seed=0)
    w = np.random.default_rng(0).standard_normal((20, 30))
    written = []
    for _ in range(2):
        chip.program({W: w})
        written.append(chip.replica(PROJECT).pieces[0].block)
    cells = [block.cells / np.abs(block.cells).max() for block in written]
    assert (cells[0] != cells[1]).mean() > 0.4
    ratio = written[0].gain / written[1].gain
    assert ratio.std() < 1e-6 * ratio.mean()


def test_the_deviation_of_a_chip_is_that_of_its_outputs(spec):
    graph, mapping = one_product(20, 30, rows=256, columns=256)
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=FOUR, seed=0)
    both = Compared(chip)
    w, x = np.random.default_rng(0).standard_normal((20, 30)), np.random.default_rng(1).standard_normal((40, 20))
    bias = np.full(30, 100.0)
    both.program({W: w}, {W: bias})
    outputs = np.vstack([both.project(PROJECT, x[i : i + 10], input_range=4.0, first_token=i) for i in (0, 10, 20, 30)])
    expected = np.linalg.norm(outputs - x @ w - bias) / np.linalg.norm(x @ w)
    assert both.deviations[PROJECT].relative == pytest.approx(expected, rel=1e-4)


def test_weights_that_do_not_fit_are_refused_by_name(spec):
    graph = two_matrices()
    mapping = Mapping(
        "shared", (Block("a", 0, (0, 20), (0, 10), 0),), {"op_a": (0,), "op_b": (0,)}, {}, aliases={"b": "a"}
    )
    chip = ProgrammedChip(graph, mapping, spec=spec, mode=ONE, seed=0)
    for weights, message in (
        ({"a": np.ones((20, 11))}, r"weights of a(.|\n)*\(20, 11\)"),
        ({"a": np.full((20, 10), np.nan)}, "weights of a(.|\n)*NaN"),
    ):
        with pytest.raises(DeviceModelError, match=message):
            chip.program(weights)
    with pytest.raises(DeviceModelError, match="bias of a"):
        chip.program({"a": np.ones((20, 10))}, {"a": np.ones(3)})
    same = GraphBuilder("same")
    for name in "ab":
        same.product(f"op_{name}", Matrix(name, 20, 10), tokens=1, on_crossbar=True)
    shared = ProgrammedChip(same.build(), mapping, spec=spec, mode=ONE, seed=0)
    with pytest.raises(DeviceModelError, match=r"weights of b(.|\n)*share cells"):
        shared.program({"a": np.ones((20, 10)), "b": np.zeros((20, 10))})
    with pytest.raises(DeviceModelError, match=r"bias of b(.|\n)*share cells"):
        shared.program({"a": np.ones((20, 10)), "b": np.ones((20, 10))}, {"b": np.ones(10)})


def test_wrong_calls_are_refused_in_words(spec):
    graph, mapping = one_product(20, 30, rows=256, columns=256)
    chip = ProgrammedChip(graph, mapping, spec=spec, mode="four_phase", seed=0)
    assert chip.mode is FOUR
    with pytest.raises(DeviceModelError, match=r"read_mode(.|\n)*did you mean 'four_phase'"):
        ProgrammedChip(graph, mapping, spec=spec, mode="fourphase", seed=0)
    with pytest.raises(DeviceModelError, match=r"weights of W(.|\n)*`program` them first"):
        chip.project(PROJECT, np.ones((1, 20)))
    with pytest.raises(DeviceModelError, match=r"weights(.|\n)*'Q'(.|\n)*allowed  W"):
        chip.program({"Q": np.ones((20, 30))})
    chip.program({W: np.ones((20, 30))})
    with pytest.raises(DeviceModelError, match=r"operator(.|\n)*'nope'(.|\n)*project"):
        chip.project("nope", np.ones((1, 20)))
    with pytest.raises(DeviceModelError, match=r"replica of project(.|\n)*'7'"):
        chip.replica(PROJECT, 7)
