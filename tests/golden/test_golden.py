"""The whole result document of eight runs, field by field. `make golden-update` stores what the runs say now."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.workload.load import load_workload

RESULTS = Path(__file__).parent / "results"
# differ from run to run, machine to machine or version to version; `inputs.sha256` counts the version in
VOLATILE = ("wall_time_s", "events_per_s", "hermes_sim_version", "inputs.sha256")
PICOSECONDS = ("latency_ns", "makespan_ns", "lower_bound_ns")  # whole picoseconds, written in ns
ACCURACY = "accuracy."
FLOAT_FRAC, ACCURACY_DIFFERENCE = 1e-9, 1e-3


@dataclass(frozen=True)
class Case:
    """A run: chip, workload, what is set in both, and how it is placed."""

    arch: str
    workload: str
    mapping: str
    inferences: int
    chip_values: tuple[tuple[str, Any], ...] = ()
    workload_values: tuple[tuple[str, Any], ...] = ()
    baselines: tuple[str, ...] = ("a100",)

    def document(self, folder: Path) -> dict[str, Any]:
        make = {"onnx": convolutions, "life cycle": projection_with_life_cycle}.get(self.workload)
        name = str(make(folder)) if make else self.workload
        return dict(
            simulate(
                load_arch(self.arch, dict(self.chip_values)),
                load_workload(name, dict(self.workload_values)),
                mapping=self.mapping,
                inferences=self.inferences,
                baselines=self.baselines,
            ).document
        )


LIFE_CYCLE = "life_cycle: {program_first: true, compensate_every: 8, redraw_every: 10, redraw: [W]}"
CASES = {
    "digits_packed": Case("hermes_64", "kernel_ridge_digits", "packed", 50),
    "breast_cancer_spread": Case(
        "hermes_64_hetero", "kernel_ridge_breast_cancer", "spread", 50, (("read_mode", "one_phase"),)
    ),
    "projection_life_cycle": Case("hermes_64", "life cycle", "packed", 40),
    "resnet9_balanced": Case("hermes_64", "resnet9_cifar10", "balanced", 2, baselines=("a100", "systolic_same_area")),
    "lstm_local": Case("hermes_64_hetero", "lstm_caption", "local", 2, (("read_mode", "one_phase"),)),
    "performer_balanced": Case(
        "hermes_64_hetero", "performer_imdb_full", "balanced", 3, workload_values=(("sequence_length", 64),)
    ),
    "attention_layer_spread": Case("hermes_64", "performer_imdb_attention_layer", "spread", 2),
    "onnx_spread": Case("hermes_64", "onnx", "spread", 3, (("network.topology", "mesh"),)),
}


def projection_with_life_cycle(folder: Path) -> Path:
    """The shipped projection, programmed at first, compensated and redrawn on the way."""
    shipped = Path(__file__).parents[2] / "workloads" / "kernel_projection.yaml"
    path = folder / "projection.yaml"
    path.write_text(f"{shipped.read_text()}{LIFE_CYCLE}\n")
    return path


def convolutions(folder: Path) -> Path:
    """Two convolutions with a sum around the second, pooling, and a classifier."""
    onnx = pytest.importorskip("onnx")
    helper, f32 = onnx.helper, onnx.TensorProto.FLOAT
    shapes = {"w1": (32, 3, 3, 3), "w2": (32, 32, 3, 3), "w3": (10, 32 * 4 * 4), "b3": (10,)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="first", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Add", ["c2", "r1"], ["a2"], name="sum"),
        helper.make_node("MaxPool", ["a2"], ["p2"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["f2"], name="flatten"),
        helper.make_node("Gemm", ["f2", "w3", "b3"], ["g3"], name="classifier", transB=1),
        helper.make_node("Softmax", ["g3"], ["y"], name="softmax"),
    ]
    weights = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in shapes.items()]
    ends = [helper.make_tensor_value_info(n, f32, shape) for n, shape in (("x", (1, 3, 8, 8)), ("y", (1, 10)))]
    graph = helper.make_graph(nodes, "convolutions", ends[:1], ends[1:], weights)
    path = folder / "convolutions.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


def fields(value: Any, path: str = "") -> dict[str, Any]:
    """Path -> value of every leaf; an empty list or record is one."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    found: dict[str, Any] = {}
    for key, part in parts:
        found |= fields(part, f"{path}.{key}".lstrip("."))
    return found or {path: value}


def equal(path: str, stored: Any, now: Any) -> bool:
    """Counts, names and times exactly, other numbers to 1e-9, accuracies to 1e-3."""
    if type(stored) is not type(now) or not isinstance(stored, float):
        return type(stored) is type(now) and bool(stored == now)
    if path in PICOSECONDS:
        return round(stored * 1000) == round(now * 1000)
    if path.startswith(ACCURACY):
        points = 100 if path.endswith("_pp") else 1
        return abs(stored - now) <= points * ACCURACY_DIFFERENCE
    return math.isclose(stored, now, rel_tol=FLOAT_FRAC, abs_tol=0) or stored == now


def differences(stored: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """One line per field that differs: path, stored, now."""
    old, new = fields(stored), fields(now)
    lines = []
    for path in sorted({*old, *new}):
        if path in VOLATILE:
            continue
        if path not in old or path not in new:
            lines.append(f"{path}: {f'stored {old[path]!r}, gone now' if path in old else f'new, {new[path]!r}'}")
        elif not equal(path, old[path], new[path]):
            lines.append(f"{path}: stored {old[path]!r}, now {new[path]!r}")
    return lines


def written(document: dict[str, Any]) -> str:
    """Stored form: sorted, and without what never stays the same."""
    plain = json.loads(json.dumps(document))
    for path in VOLATILE:
        part = plain
        *folders, last = path.split(".")
        for folder in folders:
            part = part[folder]
        del part[last]
    text = json.dumps(plain, indent=1, sort_keys=True)
    # lists of numbers on one line
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: f"[{' '.join(found[0][1:-1].split())}]", text) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_golden_result(name, tmp_path, request):
    now = json.loads(json.dumps(CASES[name].document(tmp_path)))
    path = RESULTS / f"{name}.json"
    stored = json.loads(path.read_text()) if path.is_file() else {}
    changed = differences(stored, now)
    if request.config.getoption("--golden-update"):
        if changed:  # what stays within its bounds stays as it is
            path.write_text(written(now))
        return
    assert not changed, f"{len(changed)} fields of {path.name} differ (make golden-update):\n" + "\n".join(changed)


def test_there_is_no_result_without_a_case():
    assert {path.stem for path in RESULTS.glob("*.json")} == set(CASES)


@pytest.mark.parametrize(
    ("path", "stored", "now", "same"),
    [
        ("firings", 10, 11, False),
        ("firings", 10, 10.0, False),
        ("accuracy.seeds", 5, 6, False),
        ("accuracy.simulated", 0.9, 0.9009, True),
        ("accuracy.simulated", 0.9, 0.9011, False),
        ("accuracy.drop_pp", 0.1, 0.19, True),
        ("accuracy.drop_pp", 0.1, 0.21, False),
        ("latency_ns", 4097882.001, 4097882.002, False),
        ("latency_ns", 0.1 + 0.2, 0.3, True),
        ("power_w", 1.0, 1.0 + 1e-10, True),
        ("power_w", 1.0, 1.0 + 1e-8, False),
        ("power_w", 0.0, 1e-30, False),
        ("accuracy", None, {}, False),
        ("inputs.arch", "a", "b", False),
    ],
)
def test_what_counts_as_equal(path, stored, now, same):
    assert equal(path, stored, now) is same


def test_a_difference_names_path_stored_and_now():
    stored, now = {"a": {"b": [1, 2.0]}, "gone": 1, "wall_time_s": 1.0}, {"a": {"b": [1, 3.0]}, "new": []}
    assert differences(stored, now) == ["a.b.1: stored 2.0, now 3.0", "gone: stored 1, gone now", "new: new, []"]
