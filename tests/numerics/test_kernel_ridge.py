"""Kernel ridge, attention, drift, fit and validation on small problems."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import Memory

from hermes_sim.config.vocabulary import Kernel, ReadMode, Sampler
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.device.cells import published_specs
from hermes_sim.errors import DataError, WorkloadError
from hermes_sim.mapping.place import map_graph
from hermes_sim.numerics.attention import evaluate_attention_error
from hermes_sim.numerics.chip_models import chip_model
from hermes_sim.numerics.datasets import load_dataset
from hermes_sim.numerics.drift import drift_study
from hermes_sim.numerics.kernel_ridge import evaluate_kernel_ridge
from hermes_sim.numerics.programmed import ProgrammedChip
from hermes_sim.numerics.ranges import largest_of_groups
from hermes_sim.numerics.settings import Experiment, setup_for
from hermes_sim.validation import cells
from hermes_sim.validation.accuracy import summarise, validate_accuracy
from hermes_sim.validation.cells import Plan, run_cells
from hermes_sim.validation.device import summarise_device, validate_device
from hermes_sim.validation.fit import fit_chip
from hermes_sim.validation.measurements import MeasuredCell, read_measurements
from hermes_sim.validation.reference import DEVICE_STATISTICS
from hermes_sim.validation.store import open_store
from hermes_sim.validation.tables import rows_frame, write_rows
from hermes_sim.workload.load import build_graph, load_workload

CELL = Experiment(Kernel.RBF, Sampler.ORF, 2, 0.05, 0.5)
RUN = {"experiment": CELL, "seed": 1}


def evaluated(spec, dataset, *, mode=ReadMode.ONE_PHASE, threads=1, **names):
    """On chips that hold the projection and nothing else."""

    def chip_of(run):
        chip = run.alone(spec, mode)
        chip.n_threads = threads
        return chip

    return evaluate_kernel_ridge(chip_of=chip_of, dataset=dataset, **(RUN | names))


@pytest.fixture(scope="module")
def cancer():
    return load_dataset("breast_cancer")


def test_ideal_chip_is_the_digital_result(spec, cancer):
    result = evaluated(spec.ideal(), cancer, n_seeds=2)
    assert result.simulated_values == pytest.approx(result.digital_values, abs=0.004)
    assert result.kernel_errors == pytest.approx(result.digital_kernel_errors, rel=1e-3)
    assert abs(result.drop_pp) < 0.4


@pytest.mark.parametrize("mode", list(ReadMode))
def test_chip_loses_a_little(spec, cancer, mode):
    result = evaluated(spec, cancer, n_seeds=3, mode=mode, experiment=replace(CELL, log2_ratio=4))
    assert result.digital_fp32 > 0.93
    assert result.digital_fp32 - 0.05 < result.simulated <= result.digital_fp32 + 0.02
    assert result.kernel_error > result.digital_kernel_error
    assert json.dumps(result.record())


def test_many_classes_and_matrices_larger_than_a_core(spec):
    cell = replace(CELL, kernel=Kernel.ARCCOS0, sampler=Sampler.RFF)
    small = replace(spec, rows=40, columns=50)  # digits has 64 inputs: two row blocks, partial sums
    result = evaluated(small, load_dataset("digits"), n_seeds=1, experiment=cell)
    assert result.digital_fp32 > 0.85
    assert result.simulated > result.digital_fp32 - 0.1


def test_same_seed_same_result_in_any_threads(spec, cancer):
    one, two = (evaluated(spec, cancer, n_seeds=2, threads=n) for n in (1, 2))
    assert one == two


def test_ranges_are_shared_by_the_vectors_of_a_job():
    x = np.array([[1.0, -2.0], [0.5, 0.1], [4.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(largest_of_groups(x, vectors=2), [2, 2, 4, 4, 1])
    np.testing.assert_array_equal(largest_of_groups(x, vectors=9, clip_std=3.0), [3, 3, 3, 3, 3])


def test_bad_names_are_refused(spec, cancer):
    for changes in ({"kernel": "rbff"}, {"sampler": "orff"}, {"kernel": "softmax"}):
        with pytest.raises(WorkloadError):
            setup_for(load_dataset("digits")).changed(**changes)
    with pytest.raises(WorkloadError, match="n_seeds"):
        evaluated(spec, cancer, n_seeds=0)


def test_attention_error_grows_on_the_chip(hermes):
    sizes = {"sequence_length": 128, "d_model": 32, "heads": 1}

    def error(n_rows, n_seeds=3):
        work = load_workload("performer_imdb_attention_layer", sizes | {"projection_rows": n_rows})
        graph = build_graph(work)
        mapping = map_graph(graph, hermes, "packed")

        def chip_of(seed):
            return ProgrammedChip(graph, mapping, spec=core_crossbar(hermes.core), mode=ReadMode.ONE_PHASE, seed=seed)

        return evaluate_attention_error(chip_of=chip_of, workload=work, n_seeds=n_seeds, seed=0)

    few, many = error(31), error(223)
    assert many.digital_fp32 < few.digital_fp32
    assert many.simulated > many.digital_fp32
    assert many.metric == "attention_relative_error"
    assert many.drop_pp is None  # an error is no accuracy
    assert not many.higher_is_better
    with pytest.raises(WorkloadError, match="n_seeds"):
        error(3, n_seeds=0)


def test_drift_without_compensation_costs_kernel_error(spec, cancer):
    points = drift_study(
        spec=spec,
        mode=ReadMode.ONE_PHASE,
        dataset=cancer,
        experiment=replace(CELL, log2_ratio=3),
        times_s=[3600.0, 3e7],
        n_seeds=2,
        seed=0,
        first_calibration_s=3600.0,
    )
    error = {(p.time_s, p.compensated): p.kernel_error for p in points}
    assert error[3600.0, True] == error[3600.0, False]
    assert error[3e7, False] > 1.2 * error[3e7, True]


@pytest.fixture
def table(tmp_path, cancer):
    """A data folder and a measurement table made from our own simulation, so that it must agree with itself."""
    np.savez(tmp_path / "toy.npz", X=cancer.x[:200, :8], y=cancer.y[:200])
    (tmp_path / "toy.yaml").write_text(
        "name: toy\nfile: toy.npz\ntarget: {positive: [1]}\n"
        "normalise: {kind: zscore, ddof: 1, fit: all}\nsplit: {kind: random_half}\npublished_split: unknown\n"
    )
    return tmp_path


def _plan(spec, **changes):
    return Plan(**({"spec": spec, "read_mode": ReadMode.ONE_PHASE, "n_seeds": 4, "seed": 0} | changes))


def _measure(spec, folder, *, seed):
    dataset = load_dataset("toy", folder)
    known = [MeasuredCell("toy", "rbf", "rff", k) for k in (1.0, 2.0)]
    values = run_cells(_plan(spec, seed=seed), known, {"toy": dataset}, store=Memory(None))
    rows = [
        (v.cell.dataset, v.cell.sampler, v.cell.kernel, v.cell.log2_ratio, i, platform, metric, float(x))
        for v in values
        for platform, model in (("chip", "full"), ("fp32", "fp32"))
        for metric, series in (("accuracy", v.accuracy), ("approx_error", v.error))
        for i, x in enumerate(series[model])
    ]
    columns = ["dataset", "sampler", "kernel", "log2_ratio", "seed_index", "platform", "metric", "value"]
    path = folder / "measured.csv"
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_validation_agrees_with_our_own_chip_and_resumes(spec, table):
    path = _measure(spec, table, seed=77)
    store = table / "store"
    arguments = {"plan": _plan(spec), "data_dir": table, "measurements_path": path, "wanted": {"kernel": ["rbf"]}}
    done: list[float] = []
    rows = validate_accuracy(store=open_store(store), progress=done.append, **arguments)
    assert done[-1] == 1.0
    summary = summarise(rows)
    assert summary["accuracy"]["full"]["cells"] == 2
    assert summary["accuracy"]["full"]["share_within_2_se"] == 1
    assert summary["accuracy"]["full"]["spread_ratio"] is None  # the table does not say which split was used
    entries = sorted(store.rglob("output.pkl"))
    entries[0].unlink()
    entries[1].write_bytes(b"torn")  # killed while it wrote
    again = validate_accuracy(store=open_store(store), **arguments, n_threads=2)
    assert [r.record() for r in again] == [r.record() for r in rows]
    write_rows(rows, table / "out.csv")
    assert len(pd.read_csv(table / "out.csv")) == len(rows_frame(rows)) == 4
    json.dumps([row.record() for row in rows], allow_nan=False)


def test_the_spread_over_seeds_is_compared_where_the_split_is_known(spec, table):
    rule = table / "toy.yaml"
    rule.write_text(rule.read_text().replace("published_split: unknown", "published_split: fixed"))
    path = _measure(spec, table, seed=0)
    frame = pd.read_csv(path)
    mean = frame.groupby(["log2_ratio", "platform", "metric"]).value.transform("mean")
    frame.assign(value=mean + 2 * (frame.value - mean)).to_csv(path, index=False)
    arguments = {"plan": _plan(spec), "data_dir": table, "measurements_path": path, "store": Memory(None)}
    summary = summarise(validate_accuracy(wanted={"kernel": ["rbf"]}, **arguments))
    for metric in ("accuracy", "approx_error"):
        assert summary[metric]["full"]["spread_ratio"] == pytest.approx(0.5)


def test_values_of_other_code_are_made_again(spec, table, monkeypatch):
    path = _measure(spec, table, seed=7)
    arguments = {"plan": _plan(spec), "data_dir": table, "measurements_path": path, "wanted": {"kernel": ["rbf"]}}
    stored = []
    for code in ("old", "old", "new"):
        monkeypatch.setattr(cells, "code_fingerprint", lambda code=code: code)
        validate_accuracy(store=open_store(table / "store"), **arguments)
        stored.append(len(list((table / "store").rglob("output.pkl"))))
    assert stored == [stored[0], stored[0], 2 * stored[0]]


def test_validation_refuses_bad_tables(spec, table):
    path = _measure(spec, table, seed=7)
    arguments = {"plan": _plan(spec), "data_dir": table, "store": Memory(None)}
    with pytest.raises(DataError, match="did you mean 'rff'"):
        validate_accuracy(measurements_path=path, wanted={"sampler": ["rf"]}, **arguments)
    frame = pd.read_csv(path)
    for broken, message in (
        (frame.drop(columns="value"), "no such column"),
        (frame.assign(platform="cpu"), "chip, fp32"),
        (frame.assign(value="high"), "finite number"),
        (frame.assign(kernel="softmax"), "no kernel-ridge cells"),
    ):
        broken.to_csv(table / "bad.csv", index=False)
        with pytest.raises(DataError, match=message):
            validate_accuracy(measurements_path=table / "bad.csv", wanted={}, **arguments)
    with pytest.raises(DataError, match="no such file"):
        read_measurements(table / "gone.csv")


def test_fit_moves_towards_the_truth(spec, table):
    truth = replace(spec, adc_noise_counts=4.0)
    path = _measure(truth, table, seed=5)
    plan = Plan(spec, ReadMode.ONE_PHASE, n_seeds=4, seed=0, models=("full",), accuracy=False, kernel_batch=256)
    report = fit_chip(
        plan=plan,
        fitted=chip_model("fixed_counts").fitted,
        data_dir=table,
        measurements_path=path,
        wanted={},
        store=Memory(None),
        iterations=1,
        leave_one_out=False,
    )
    assert report["cells"] == 2
    assert report["parameters"]["adc_noise_counts"]["value"] > 1.05 * spec.adc_noise_counts
    with pytest.raises(DataError, match="two or more"):
        fit_chip(
            plan=plan,
            fitted=chip_model("fixed_counts").fitted,
            data_dir=table,
            measurements_path=path,
            wanted={},
            store=Memory(None),
            iterations=1,
            leave_one_out=True,
        )


@pytest.mark.silicon
def test_device_statistics(hermes):
    models = published_specs(hermes.core.analog.device)
    assert sorted(models) == [1, 2]
    rows = validate_device(models, DEVICE_STATISTICS, n_samples=20_000)
    assert summarise_device(rows)["failed"] == 0
    with pytest.raises(DataError, match="num_devices"):
        validate_device({2: models[2]}, DEVICE_STATISTICS, n_samples=1000)
