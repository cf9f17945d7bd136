"""Tables of README.md and docs/ that no command prints, from stored results or a few runs; see docs_numbers.py."""  # noqa: INP001

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hermes_sim.api import simulate
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.roofline import evaluate_roofline
from hermes_sim.baselines.schema import RooflineDevice
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.read_cost import read_pj
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.engine.deadlock import DeadlockError
from hermes_sim.flow import map_operators
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.numerics.programmed import program_alone
from hermes_sim.validation.whole_layer import LayerFigure, lstm_step, resnet_layer_input
from hermes_sim.workload.load import build_graph, load_workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_sim.workload.graph import OpGraph

ROOT = Path(__file__).parents[1]
CELLS = "reports/accuracy/shared_cells.csv"
FIVE_SETS = "reports/accuracy/five_sets.csv"
_MAX_Z = 2.0
_MODELS = ("fp32", "device", "full")
_KERNELS = {"rbf": "RBF", "arccos0": "ArcCos-0"}
_METRICS = {"approx_error": "kernel error", "accuracy": "accuracy"}


def shares_of_cells() -> list[str]:
    """Share of cells within two standard errors and median deviation, for FP32 and the shipped model, by data set."""
    cells = pd.read_csv(ROOT / FIVE_SETS)
    names = [*sorted(cells["dataset"].unique())]
    rows = []
    for metric, name in _METRICS.items():
        here = cells[cells["metric"] == metric]
        for model, title in (("fp32", "FP32 taken as the chip"), ("full", "model")):
            parts = [here, *(here[here["dataset"] == dataset] for dataset in names)]
            rows.append([f"{name}, {title}", *(_share(part[f"z_{model}"]) for part in parts)])
            rows.append([f"its {_deviation_name(metric)}", *(_deviation(part, model) for part in parts)])
    return _table(["share of cells within two standard errors of the chip", "all", *names], rows)


def cells_of_five() -> list[str]:
    """Cells within two standard errors by data set, kernel and sampler: FP32 / cells only / whole chip."""
    cells = _cells()
    head = ["", "kernel error: RFF", "ORF", "SORF", "accuracy: RFF", "ORF", "SORF"]
    within = cells[[f"z_{model}" for model in _MODELS]].abs() <= _MAX_Z
    counts: Any = within.groupby([cells[name] for name in ("dataset", "kernel", "metric", "sampler")]).sum()
    rows = [
        [
            f"{dataset}, {kernel_name}",
            *(
                " / ".join(str(n) for n in counts.loc[dataset, kernel, metric, sampler])
                for metric in _METRICS
                for sampler in ("rff", "orf", "sorf")
            ),
        ]
        for dataset in sorted(cells["dataset"].unique())
        for kernel, kernel_name in _KERNELS.items()
    ]
    return _table(head, rows)


def worth_of_assumptions() -> list[str]:
    """One attention layer on the A100, with one assumption changed at a time."""
    graph = build_graph(load_workload("performer_imdb_attention_layer"))
    changes: dict[str, dict[str, object]] = {
        "as shipped": {},
        "launch 0.5 us (graph)": {"realistic.launch": "0.5 us"},
        "wait for a response 1 us": {"realistic.wait": "1 us"},
        "copies behind 7 us (a call of the driver)": {"link.latency": "7 us"},
        "memory and level-2 cache without latency": {"memory.latency": 0, "on_chip_memory.latency": 0},
        "host 6.25 W (waits in a loop)": {"host.idle_power": "6.25 W"},
        "without link and host": {"link": None, "host": None},
        "matrix units at 0.3": {"realistic.matrix_utilization": 0.3},
        "matrix units at 0.85": {"realistic.matrix_utilization": 0.85},
        "vector units at 0.4": {"realistic.vector_utilization": 0.4},
        "results between kernels through device memory": {"realistic.intermediates": "device_memory"},
        "all but products fused": {"realistic.fusion": "full"},
        "special function = 64 vector operations": {"special_cost": 64},
        "idle 90 W": {"idle_power": 90},
        "(optimistic, for comparison)": {},
    }
    rows = []
    for name, values in changes.items():
        device = load_baseline("a100", values)
        assert isinstance(device, RooflineDevice)
        row = [name]
        for batch in (1, 4):
            result = evaluate_roofline(device, graph, precision="int8", batch=batch)
            found = result.optimistic if name.startswith("(optimistic") else result.realistic
            row += [f"{found.latency_ns / 1e3:.1f}", f"{found.energy_pj / 1e6:.0f}"]
        rows.append(row)
    head = [f"{quantity}, batch {batch}" for batch in (1, 4) for quantity in ("latency us", "energy uJ")]
    return _table(["change", *head], rows)


def whole_layers() -> list[str]:
    """Time and energy of layers and steps that no figure was fitted to."""
    chips = [load_arch("hermes_64", {"read_mode": mode}) for mode in ("four_phase", "one_phase")]

    def cell(figure: LayerFigure) -> str:
        return f"{figure.time_us:.2f} us, {figure.energy_uj:.2f} uJ"

    rows = [
        ["one ResNet-9 layer input", "(fitted)", cell(resnet_layer_input(chips[1]))],
        ["one step of the captioning LSTM", "(fitted)", cell(lstm_step(chips[1]))],
        ["one step of the Penn Treebank LSTM", *(cell(lstm_step(chip, workload="lstm_ptb")) for chip in chips)],
    ]
    return _table(["figure", "four-phase", "one-phase"], rows)


def link_buffers() -> list[str]:
    """Latency of workloads with buffers per stream, one per link, and the fewest virtual channels that end."""
    rows = []
    for name in (
        "performer_imdb_full",
        "performer_imdb_attention",
        "resnet9_cifar10",
        "lstm_ptb",
        "kernel_ridge_digits",
    ):
        graph = build_graph(load_workload(name))
        found = [(n, _latency_us(graph, n)) for n in (None, 1)]
        channels = "not needed"
        if found[-1][1] is None:
            ended = ((n, _latency_us(graph, n)) for n in (2, 4, 8, 16, 32))
            channels = next((f"{n}: {us:.2f} us" for n, us in ended if us is not None), "none of them")
        rows.append([f"`{name}`", *("deadlock" if us is None else f"{us:.2f} us" for _, us in found), channels])
    head = ["workload", "`stream`", "`link`, one channel", "fewest of 2, 4, 8, 16, 32 channels that end"]
    return _table(head, rows)


def _latency_us(graph: OpGraph, channels: int | None) -> float | None:
    """Latency with so many virtual channels behind a link (None: buffers per stream); None for a deadlock."""
    fields: dict[str, object] = {}
    if channels is not None:
        count = {"value": channels, "unit": "count", "kind": "assumed", "source": "a table"}
        fields = {"network.buffering": "link", "network.virtual_channels": count}
    try:
        mapped = map_operators(load_arch("hermes_64_hetero", fields), graph, DEFAULT_MAPPING)
        return mapped.figures(1, throughput=False).latency_ns / 1e3
    except DeadlockError:
        return None


_SIZE, _DRAWS = 256, 4
_OF_RANGE = 4.0  # standard deviations of the inputs that get a full pulse in this table
_SAR = {
    "type": "sar",
    **{
        name: {"value": value, "unit": unit, "kind": "assumed", "source": "docs/crossbar.md"}
        for name, value, unit in (
            ("columns", 8, "count"), ("noise", 0.5, "count"), ("four_phase_noise", 0.5, "count"),
            ("gain_spread", 0, "count"), ("offset_spread", 0, "count"), ("cubic_loss", 0, "count"),
            ("bits", 8, "count"), ("full_scale", 20, "count"), ("step_energy", 10, "fJ"), ("area", 500, "um**2"),
            ("bit_time", 1, "ns"),
        )
    },
}  # fmt: skip
_SLICES = {
    "over": "columns",
    **{
        name: {"value": value, "unit": "count", "kind": "assumed", "source": "docs/crossbar.md"}
        for name, value in (("weight_bits", 9), ("bits", 4))
    },
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "`input_bits` 6": {"input_bits": 6},
    "`input_bits` 4": {"input_bits": 4},
    "`input_bits` 4, `input_keeps` counts": {"input_bits": 4, "input_keeps": "counts"},
    "`input_step` 2 ns, `adc.bits` 13": {"input_step": 2, "adc.bits": 13},
    "`input_coding` bit_serial": {"input_coding": "bit_serial"},
    "`read_voltage` 0.1 V": {"read_voltage": 0.1},
    "`device.devices` 1": {"device.devices": 1},
    "`device.g_max` 10.35 uS": {"device.g_max": 10.35},
    "`adc.counts_per_cell` 10.25": {"adc.counts_per_cell": 10.25},
    "`adc.columns` 4": {"adc.columns": 4},
    "`adc` of 8 bits, sar, for 8 columns": {"adc": _SAR},
    "`adc` ideal": {"adc": {"type": "ideal"}},
    "`adc.saturation_current` 42.7 uA": {"adc.saturation_current": 42.7},
    "`polarity_error` 0": {"polarity_error": 0},
    "`polarity_error` 0.2": {"polarity_error": 0.2},
    "`wire_resistance` 3 ohm": {"wire_resistance": 3},
    "`slices` of 4 bits over columns": {"slices": _SLICES},
    "`core.output` int8": {"..output.format": "int8"},
}


def what_settings_do() -> list[str]:
    """Time and energy of a read of a full core, counts of a cell and error of its product, for either read mode."""
    rows = []
    for label, changes in _SETTINGS.items():
        fields = {f"core.analog.{name}".replace("analog...", ""): value for name, value in changes.items()}
        found = [_full_core({"read_mode": str(mode), "core.analog.range.per": "matrix", **fields}) for mode in ReadMode]
        rows.append([label, *(text for texts in zip(*found, strict=True) for text in texts)])
    head = ["", *(f"{name}, {mode}" for name in ("ns", "nJ", "counts of a cell", "error") for mode in ("one", "four"))]
    return _table(head, rows)


_RANGES: dict[str, dict[str, Any]] = {
    "largest, per vector": {},
    "largest, per matrix": {"per": "matrix"},
    "quantile 0.999, per matrix": {"policy": "quantile", "per": "matrix", "value": 0.999},
    "3 deviations, per matrix": {"policy": "deviations", "per": "matrix", "value": 3},
    "3 deviations, per core": {"policy": "deviations", "per": "core", "value": 3},
}


def ranges_of_digits() -> list[str]:
    """Accuracy and kernel error of digits by policy of the input range."""
    rows = []
    for label, changes in _RANGES.items():
        fields = {f"core.analog.range.{name}": value for name, value in changes.items()}
        if "value" in changes:
            fields["core.analog.range.value"] = {
                "value": changes["value"], "unit": "count", "kind": "assumed", "source": "docs/crossbar.md",
            }  # fmt: skip
        result = simulate(load_arch("hermes_64", fields), "kernel_ridge_digits", inferences=2, baselines=())
        found = result.document["accuracy"]
        rows.append([label, f"{found['simulated']:.3f}", f"{found['kernel_error']:.3f}"])
    return _table(["`range`", "accuracy", "kernel error"], rows)


def _full_core(changes: dict[str, Any]) -> list[str]:
    chip = load_arch("hermes_64", changes)
    reading = chip.reading()
    errors = []
    for seed in range(_DRAWS):
        rng = np.random.default_rng(seed)
        weights, x = rng.standard_normal((_SIZE, _SIZE // reading.column_slices)), rng.standard_normal((256, _SIZE))
        matrix = program_alone(core_crossbar(chip.core), weights, mode=chip.read_mode, seed=seed)
        exact = x @ weights
        matrix.output_scale_full = matrix.spec.output_full_sd * float(exact.std())
        errors.append(np.linalg.norm(matrix.matmul(x, input_range=_OF_RANGE) - exact) / np.linalg.norm(exact))
    return [
        f"{reading.read_ps(chip.core.read) / 1000:g}",
        f"{read_pj(chip) / 1000:.2f}",
        f"{reading.counts_per_cell:.3g}",
        f"{np.mean(errors):.3f}",
    ]


TABLES: dict[str, Callable[[], list[str]]] = {
    "shares_of_cells": shares_of_cells,
    "cells_of_five": cells_of_five,
    "worth_of_assumptions": worth_of_assumptions,
    "whole_layers": whole_layers,
    "link_buffers": link_buffers,
    "what_settings_do": what_settings_do,
    "ranges_of_digits": ranges_of_digits,
}


@cache
def _cells() -> pd.DataFrame:
    return pd.read_csv(ROOT / CELLS)


def _share(z: pd.Series[float]) -> str:
    return f"{(z.abs() <= _MAX_Z).mean():.0%}".replace("%", " %")


def _deviation_name(metric: str) -> str:
    return "median deviation, points" if metric == "accuracy" else "median relative deviation"


def _deviation(cells: pd.DataFrame, model: str) -> str:
    difference = (cells[model] - cells["chip"]).abs()
    if (cells["metric"] == "accuracy").all():
        return f"{100 * difference.median():.2f}"
    return f"{100 * (difference / cells['chip'].abs()).median():.1f} %"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, ["---"] * len(head), *rows)]
