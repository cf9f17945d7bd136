"""A network on the chip: where the mapping puts it, bit for bit whatever the batch, and FP32 where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.flow import map_operators, map_workload
from hermes_sim.numerics.network import Evaluation, network_weights, rounded_operators
from hermes_sim.numerics.network_accuracy import NetworkRun
from hermes_sim.numerics.network_data import network_data
from hermes_sim.numerics.programmed import Compared, ExactProducts, ProgrammedChip, weights_of
from hermes_sim.numerics.weights import matrix_shapes
from hermes_sim.workload.load import load_workload

HETERO = "hermes_64_hetero"
NETS = {
    "perceptron": [
        {"name": "fc1", "op": "linear", "channels": 40, "activation": "relu"},
        {"name": "fc2", "op": "linear", "channels": 7},
    ],
    "residual": [
        {"name": "conv1", "op": "conv", "channels": 6, "kernel": 3, "padding": 1},
        {"name": "conv2", "op": "conv", "channels": 6, "kernel": 3, "padding": 1},
        {"name": "both", "op": "add", "other": "conv1"},
        {"name": "pool", "op": "max_pool", "kernel": 2, "stride": 2},
        {"name": "conv3", "op": "conv", "channels": 9, "kernel": 3, "stride": 2},
        {"name": "mean", "op": "global_average_pool"},
        {"name": "fc", "op": "linear", "channels": 4},
    ],
}


def conv_net(tmp_path, layers):
    path = tmp_path / "net.yaml"
    head = ["schema_version: 1", "name: net", "description: d", "source: s", "kind: conv_net", "inferences: 2"]
    lines = [*head, "image: {height: 8, width: 8, channels: 3}", "layers:", *(f"  - {layer}" for layer in layers)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_workload(path)


def random_weights(graph, *, scale=False, seed=0):
    random = np.random.default_rng(seed)
    arrays = {}
    for name, shape in matrix_shapes(graph).items():
        arrays[f"{name}.weight"] = random.normal(size=shape) / np.sqrt(shape[0])
        arrays[f"{name}.bias"] = random.normal(size=shape[1]) * 0.1
        if scale:
            arrays[f"{name}.scale"] = random.uniform(0.5, 2, size=shape[1])
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def run_of(digits, chip=None, mapping="balanced", effects=None):
    chip = chip or load_arch(HETERO)
    mapped = map_workload(chip, digits.onnx, mapping)
    data = network_data(digits.npz, mapped.graph.network)
    spec = core_crossbar(chip.core, effects=effects)
    return NetworkRun(mapped.graph, mapped.mapping, chip, spec=spec, data=data)


@pytest.mark.parametrize("strategy", ["packed", "spread", "balanced", "local"])
@pytest.mark.parametrize("rows", [256, 24])
@pytest.mark.parametrize("net", NETS)
def test_without_imperfections_a_network_is_float32_however_it_is_mapped_and_cut(tmp_path, net, rows, strategy):
    chip = load_arch(HETERO, {"core.rows": rows, "core.columns": rows})
    mapped = map_workload(chip, conv_net(tmp_path, NETS[net]), strategy)
    graph = mapped.graph
    weights = network_weights(graph, random_weights(graph))
    x = np.random.default_rng(1).normal(size=(5, 1, 3, 8, 8)).astype(np.float32)
    inputs = {"image": x}
    exact = ExactProducts(weights_of(graph))
    exact.program(weights.matrices, weights.biases)
    chip_products = ProgrammedChip(
        graph, mapped.mapping, spec=core_crossbar(chip.core, effects=Effects.none()), mode=chip.read_mode, seed=3
    )
    chip_products.program(weights.matrices, weights.biases)
    compared = Compared(chip_products)
    evaluation = Evaluation(graph, weights)
    ours, fp32 = (next(iter(evaluation.run(one, inputs).values())) for one in (compared, exact))
    assert all(one.relative < 1e-5 for one in compared.deviations.values())
    assert np.abs(ours - fp32).max() <= 1e-5 * np.abs(fp32).max()


def test_results_do_not_depend_on_batch_or_threads(digits):
    run = run_of(digits)
    chip = run.programmed(1)
    inputs = {name: values[:67] for name, values in run.data.inputs.items()}
    whole = run.outputs(chip, slice(0, 67))
    for batch in (1, 7, 64):
        for threads in (1, 3):
            chip.n_threads = threads
            parts = [
                run.evaluation.run(
                    chip, {name: values[i : i + batch] for name, values in inputs.items()}, first_sample=i
                )
                for i in range(0, 67, batch)
            ]
            np.testing.assert_array_equal(np.concatenate([next(iter(part.values())) for part in parts]), whole)
    alone = [
        next(iter(run.fp32.run(run.exact, {k: v[i : i + 1] for k, v in inputs.items()}, first_sample=i).values()))
        for i in range(9)
    ]
    np.testing.assert_array_equal(np.concatenate(alone), run.exact_outputs[:9])


def test_where_a_block_lies_and_how_a_matrix_is_cut_changes_what_comes_out(digits):
    outputs = {
        name: run.outputs(run.programmed(1))
        for name, run in {
            "here": run_of(digits, mapping="packed"),
            "there": run_of(digits, mapping="spread"),
            "cut": run_of(digits, load_arch(HETERO, {"core.rows": 32}), mapping="packed"),
        }.items()
    }
    assert not np.array_equal(outputs["here"], outputs["there"])
    assert not np.array_equal(outputs["here"], outputs["cut"])


def test_cells_that_are_all_noise_leave_chance(digits):
    good, bad = (run_of(digits, load_arch(HETERO, {"core.analog.device.g_max": g})) for g in ("20 uS", "0.1 uS"))
    assert good.scores(good.outputs(good.programmed(0))).mean > digits.fp32 - 0.04
    assert bad.scores(bad.outputs(bad.programmed(0))).mean < 0.25


def test_a_scale_behind_a_product_is_not_in_the_weights(tmp_path):
    chip = load_arch(HETERO)
    mapped = map_workload(chip, conv_net(tmp_path, NETS["residual"]))
    arrays = random_weights(mapped.graph, scale=True)
    folded = {name: values for name, values in arrays.items() if not name.endswith(".scale")}
    for name in matrix_shapes(mapped.graph):
        folded[f"{name}.weight"] = arrays[f"{name}.weight"] * arrays[f"{name}.scale"]
    x = {"image": np.random.default_rng(1).normal(size=(4, 1, 3, 8, 8)).astype(np.float32)}
    results = []
    for one in (arrays, folded):
        weights = network_weights(mapped.graph, one)
        exact = ExactProducts(weights_of(mapped.graph))
        exact.program(weights.matrices, weights.biases)
        results.append(next(iter(Evaluation(mapped.graph, weights).run(exact, x).values())))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(network_weights(mapped.graph, arrays).matrices["fc"], arrays["fc.weight"])


def test_units_round_to_their_numbers_and_hosts_do_not(digits):
    chip = load_arch(HETERO)
    mapped = map_workload(chip, digits.onnx)
    both = rounded_operators(mapped.graph, mapped.mapping, chip, ldpu=True, units=True)
    assert {"layer0", "relu0"} <= both
    assert "relu0" not in rounded_operators(mapped.graph, mapped.mapping, chip, ldpu=True, units=False)
    wide = load_arch(HETERO, {"numbers.digital": "4 byte"})
    assert "relu0" not in rounded_operators(mapped.graph, mapped.mapping, wide, ldpu=True, units=True)
    host = load_arch("hermes_64")
    there = map_operators(host, mapped.graph)
    on_host = {name for name, place in there.mapping.units.items() if place.kind == "host"}
    assert not on_host & rounded_operators(there.graph, there.mapping, host, ldpu=True, units=True)


def test_operators_that_share_a_matrix_keep_biases_of_their_own(tmp_path):
    onnx = pytest.importorskip("onnx")
    random = np.random.default_rng(0)
    weight, first, second = random.normal(size=(6, 6)), random.normal(size=6), random.normal(size=6)
    tensors = [
        onnx.numpy_helper.from_array(values.astype(np.float32), name)
        for name, values in (("w", weight), ("b0", first), ("b1", second))
    ]
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "w", "b0"], ["mid"], name="one"),
        onnx.helper.make_node("Gemm", ["mid", "w", "b1"], ["end"], name="two"),
    ]
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1, 6]) for name in ("x", "end")]
    graph = onnx.helper.make_graph(nodes, "tied", ends[:1], ends[1:], tensors)
    path = tmp_path / "tied.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    mapped = map_workload(HETERO, path)
    weights = network_weights(mapped.graph)
    assert not weights.biases
    exact = ExactProducts(weights_of(mapped.graph))
    exact.program(weights.matrices, weights.biases)
    x = random.normal(size=(3, 1, 6)).astype(np.float32)
    made = Evaluation(mapped.graph, weights).run(exact, {"x": x})["end"][:, 0]
    np.testing.assert_allclose(made, (x[:, 0] @ weight + first) @ weight + second, rtol=1e-4)


def test_digital_products_are_exact_and_their_cores_are_gone(digits):
    run = run_of(digits)
    work = load_workload(digits.onnx).model_copy(update={"digital": ["fc0", "fc1", "fc2"]})
    mapped = map_workload(HETERO, work)
    assert not mapped.mapping.blocks
    chip = load_arch(HETERO)
    quiet = core_crossbar(chip.core, effects=replace(Effects.none()))
    digital = NetworkRun(mapped.graph, mapped.mapping, chip, spec=quiet, data=run.data)
    np.testing.assert_array_equal(digital.outputs(digital.programmed(0)), digital.exact_outputs)


def test_weights_of_digital_products_have_the_numbers_of_their_unit(digits):
    work = load_workload(digits.onnx).model_copy(update={"digital": ["fc1"]})
    mapped, chip = map_workload(HETERO, work), load_arch(HETERO)
    data = network_data(digits.npz, mapped.graph.network)
    run = NetworkRun(mapped.graph, mapped.mapping, chip, spec=core_crossbar(chip.core), data=data)
    weights, written = run.weights, run.programmed(0).exact
    np.testing.assert_array_equal(written.weights("fc1"), weights.matrices["fc1"].astype(np.float16))
    np.testing.assert_array_equal(written.weights("fc0"), weights.matrices["fc0"])
