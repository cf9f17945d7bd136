"""`chip:` in the file of a data set: what it may say of the published runs, and one clear error for anything else."""

from __future__ import annotations

import pytest

from hermes_sim.errors import DataError
from hermes_sim.numerics.dataset_files import read_dataset_file
from hermes_sim.numerics.datasets import runs_of_dataset

RULES = "target: {positive: [1]}\nnormalise: {kind: none}\nsplit: {kind: random_half}\n"


def written(folder, chip):
    path = folder / "toy.yaml"
    path.write_text(RULES + "chip:\n" + "".join(f"  {line}\n" for line in chip.splitlines()))
    return path


def test_settings_of_runs_stand_beside_the_clip(tmp_path):
    path = written(
        tmp_path,
        "clip_inputs_std: 2.0\n"
        "core.analog.range.per: {value: vector, reason: seen}\n"
        "accuracy_noise: {value: 0.4, prior: [0.2, 1], reason: assumed}",
    )
    found = read_dataset_file(path)
    assert found.clip_inputs_std == 2.0
    assert {name: (one.value, one.prior, one.reason) for name, one in found.runs.items()} == {
        "core.analog.range.per": ("vector", None, "seen"),
        "accuracy_noise": (0.4, [0.2, 1], "assumed"),
    }
    assert runs_of_dataset("toy", tmp_path) == found.runs
    assert runs_of_dataset("digits", tmp_path) == {}


def test_a_file_without_the_section_says_nothing(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(RULES)
    found = read_dataset_file(path)
    assert (found.clip_inputs_std, found.runs) == (None, {})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("core.analog.range.pre: {value: vector, reason: x}", ["line 5", "unknown field", "core.analog.range.per"]),
        ("core.analog.adc.noise: {value: 2, reason: x}", ["unknown field 'core.analog.adc.noise'", "clip_inputs_std"]),
        ("read_mode: four_phase", ["read_mode", "'four_phase'", "{value: ..., reason: ..."]),
        ("read_mode: {value: four_phase}", ["reason"]),
        ("read_mode: {value: four_phase, reason: x, priors: [1, 2]}", ["line 5", "priors", "prior"]),
        ("accuracy_noise: {value: loud, reason: x}", ["accuracy_noise", "'loud'", "a number >= 0"]),
        ("accuracy_noise: {value: -1, reason: x}", ["-1", "a number >= 0"]),
        ("kernel_vectors: {value: 1.5, reason: x}", ["1.5", "a whole number >= 1"]),
        ("kernel_vectors: {value: true, reason: x}", ["True", "a whole number >= 1"]),
        ("one_output_range: {value: 1, reason: x}", ["got      1", "true, false"]),
        ("accuracy_noise: {value: 0.5, prior: [0.6, 1], reason: x}", ["accuracy_noise.prior", "[0.6, 1] about 0.5"]),
        ("accuracy_noise: {value: 0.5, prior: [0.2], reason: x}", ["[low, high] about a number"]),
        ("read_mode: {value: one_phase, prior: [0, 1], reason: x}", ["[low, high] about a number"]),
        ("clip_inputs_std: none", ["chip.clip_inputs_std", "a number > 0"]),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, line, words):
    with pytest.raises(DataError) as caught:
        read_dataset_file(written(tmp_path, line))
    for word in words:
        assert word in str(caught.value)
