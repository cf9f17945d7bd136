"""The Python interface: names or paths everywhere, and errors of one class."""

from __future__ import annotations

import shutil

import pytest

import hermes_sim as hs
from hermes_sim.config.files import shipped_dir
from hermes_sim.errors import BaselineError, HermesSimError, WorkloadError


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Everything by path."""
    folder = tmp_path_factory.mktemp("own")
    for kind, name in (
        ("arch_configs", "hermes_64"),
        ("workloads", "kernel_ridge_digits"),
        ("arch_configs/baselines", "t4"),
    ):
        shutil.copy(shipped_dir(kind) / f"{name}.yaml", folder)
    return hs.simulate(
        folder / "hermes_64.yaml",
        folder / "kernel_ridge_digits.yaml",
        baselines=[folder / "t4.yaml"],
        accuracy=False,
        inferences=2,
    )


def test_paths_are_as_good_as_names(result):
    named = hs.simulate("hermes_64", "kernel_ridge_digits", baselines="t4", accuracy=False, inferences=2)
    assert named.document["inputs"]["sha256"] == result.document["inputs"]["sha256"]
    assert named.document["baselines"] == result.document["baselines"]


def test_an_unknown_table_names_the_nearest(result):
    with pytest.raises(hs.HermesSimError, match=r"got +'stage'\n  allowed +stages, [\s\S]*did you mean 'stages'"):
        result.to_frame("stage")
    assert len(result.to_frame("stages"))


def test_a_wrong_field_is_an_error_of_the_file_that_lacks_it():
    with pytest.raises(WorkloadError, match=r"'gama' in .*kernel_ridge_digits\.yaml[\s\S]*did you mean 'gamma'"):
        hs.load_workload("kernel_ridge_digits", {"gama": 1})
    with pytest.raises(BaselineError, match=r"'board_powr' in .*a100\.yaml[\s\S]*did you mean 'board_power'"):
        hs.load_baseline("a100", {"board_powr": 1})
    with pytest.raises(WorkloadError, match="no such file"):
        hs.simulate("hermes_64", "nothing")


def test_fields_of_an_onnx_file_may_be_set_below_a_section_that_it_does_not_have(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"")
    work = hs.load_workload(path, {"dimensions.x.2": 48, "inferences": 3})
    assert (work.dimensions, work.inferences, work.path) == ({"x.2": 48}, 3, str(path))


@pytest.mark.parametrize("inferences", [0, -1, 2**40 + 1, 10**24])
def test_a_number_of_inferences_that_no_run_can_have_is_refused(inferences):
    with pytest.raises(WorkloadError, match=r"inferences\n  got +-?\d+\n  allowed  a whole number from 1 to 2\^40"):
        hs.simulate("hermes_64", "kernel_ridge_digits", accuracy=False, inferences=inferences)


@pytest.mark.parametrize(
    ("arch", "workload", "baselines", "message"),
    [
        (
            "kernel_ridge_digits",
            "hermes_64",
            (),
            "'kernel_ridge_digits' is from workloads/: are",
        ),
        ("hermes_64", "a100", (), r"'a100' is from arch_configs/baselines/"),
        ("hermes_64", "", (), r"name from workloads[\s\S]*nothing"),
        ("hermes_64", "kernel_ridge_digits", ("a100", "a100"), "baseline a100[\\s\\S]*given twice"),
    ],
)
def test_names_in_the_wrong_place_are_told_apart(arch, workload, baselines, message):
    with pytest.raises(HermesSimError, match=message):
        hs.simulate(arch, workload, baselines=baselines, accuracy=False)


def test_a_folder_is_not_taken_for_a_misspelt_name(tmp_path):
    with pytest.raises(HermesSimError, match="a folder") as refusal:
        hs.load_workload(tmp_path)
    assert "did you mean" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("inferences", 2.5), ("inferences", True), ("seed", -1), ("seed", 1.5), ("mapping", None), ("effects", None)],
)
def test_arguments_of_the_wrong_type_are_refused_before_anything_runs(name, value):
    with pytest.raises(HermesSimError, match=rf"{name}\n  got(.|\n)*allowed"):
        hs.simulate("hermes_64", "kernel_ridge_digits", **{name: value})
