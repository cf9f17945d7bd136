"""Cells by a table of measured values: the CSV, what it must be, and what cells make of it."""

import numpy as np
import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_dir
from hermes_sim.device.cells import device_spec, published_specs
from hermes_sim.errors import ArchConfigError

SAMPLE = shipped_dir("arch_configs") / "tables" / "pcm_two_devices.csv"
CHIP = """extends: hermes_64
name: mine
core:
  analog:
    device:
      model: table
      tables:
        lab:
          devices: {value: 2, unit: count, kind: measured, source: lab}
          reference_time: {value: 300, unit: s, kind: measured, source: lab}
          kind: measured
          source: lab
          file: cells.csv
"""
PLAIN = "target_uS,mean_uS,sd_uS\n0,0.1,0.2\n10,9,0.5\n20.7,20,1\n"


@pytest.fixture
def chip_of(tmp_path):
    def chip_of(text, changes=None):
        (tmp_path / "chip.yaml").write_text(CHIP, encoding="utf-8")
        (tmp_path / "cells.csv").write_text(text, encoding="utf-8")
        return load_arch(tmp_path / "chip.yaml", changes)

    return chip_of


def test_cells_lie_between_the_measured_ones(chip_of):
    model = device_spec(chip_of("# a remark\n\n" + PLAIN).core.analog.device)
    target = np.full(100_000, 5.0)
    programmed = model.program(target, np.random.default_rng(0))
    assert programmed.mean() == pytest.approx(4.55, abs=0.01)  # half way between 0.1 and 9
    assert programmed.std() == pytest.approx(0.35, rel=0.01)
    assert not model.draw_drift(target, np.random.default_rng(0)).any()  # not measured, so none
    assert not model.read_noise_sd(target, target, t_s=1.0).any()
    assert (model.n_devices, model.g_max_uS, model.t0_s) == (2, 20.7, 300)


def test_drift_and_read_noise_are_those_of_the_table(chip_of):
    text = "nu_mean,nu_sd,read_noise,target_uS,mean_uS,sd_uS\n0.1,0.01,0.05,0,0,0\n0.02,0.01,0.01,20.7,20.7,0\n"
    model = device_spec(chip_of(text).core.analog.device)
    target = np.full(100_000, 20.7 / 2)
    nu = model.draw_drift(target, np.random.default_rng(0))
    assert nu.mean() == pytest.approx(0.06, abs=2e-4)
    assert nu.std() == pytest.approx(0.01, rel=0.02)
    drifted = model.drift(target, nu, t_s=2700.0)
    np.testing.assert_allclose(drifted, target * 10**-nu)
    np.testing.assert_allclose(model.read_noise_sd(target, drifted, t_s=2700.0), 0.03 * drifted)


def test_the_sample_holds_the_published_statistics(chip_of):
    chip = chip_of(SAMPLE.read_text(encoding="utf-8"))
    table = device_spec(chip.core.analog.device)
    pcm = published_specs(chip.core.analog.device)[2]
    target = np.array(table.target_uS)
    ratio = target / 20.7
    sd = np.polynomial.polynomial.polyval(ratio, pcm.programming_sd_uS)
    for listed, exact in (
        (table.mean_uS, target),
        (table.sd_uS, sd),
        (table.nu_mean, pcm.nu_mean(ratio)),
        (table.nu_sd, pcm.nu_sd(ratio)),
        (table.read_noise, pcm.read_noise_sd(target, np.ones_like(target), t_s=3600.0)),
    ):
        np.testing.assert_allclose(listed, exact, rtol=1e-4)


def test_a_table_goes_with_the_chip_and_not_with_its_file(chip_of, tmp_path):
    table = chip_of(PLAIN).core.analog.device.tables["lab"]
    assert table.file is None
    assert table.columns.sd_uS == (0.2, 0.5, 1.0)
    # another file replaces it whole: what it does not list is not taken from the first
    longer = tmp_path / "longer.csv"
    longer.write_text("target_uS,mean_uS,sd_uS,nu_mean\n0,0,1,.1\n30,30,1,.1\n", encoding="utf-8")
    path = "core.analog.device.tables.lab.file"
    assert chip_of(PLAIN, {path: str(longer)}).core.analog.device.tables["lab"].columns.nu_mean == (0.1, 0.1)
    (tmp_path / "child.yaml").write_text(
        "extends: chip.yaml\nname: child\ncore: {analog: {device: {tables: {lab: {file: longer.csv}}}}}\n",
        encoding="utf-8",
    )
    assert load_arch(tmp_path / "child.yaml").core.analog.device.tables["lab"].columns.target_uS == (0, 30)
    back = load_arch(tmp_path / "child.yaml", {path: str(tmp_path / "cells.csv")}).core.analog.device
    assert back.tables["lab"].columns.nu_mean is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("cells.csv: column target_uS", "nothing")),
        ("target_uS,mean_uS\n0,0\n", ("cells.csv: column sd_uS", "target_uS, mean_uS")),
        ("target_uS,mean_uS,sd\n0,0,1\n", ("cells.csv, line 1: column", "'sd'", "did you mean 'sd_uS'")),
        ("target_uS,mean_uS,sd_uS,sd_uS\n", ("line 1: column", "'sd_uS' twice")),
        ("target_uS,mean_uS,sd_uS\n", ("cells.csv", "no row")),
        (
            "# of the lab\n" + PLAIN.replace("9", "nine"),
            ("line 4: mean_uS", "'nine'", "a finite number >= 0"),
        ),
        (PLAIN.replace("0.5", "-0.5"), ("cells.csv, line 3: sd_uS", "'-0.5'")),
        (PLAIN.replace("0.5", ""), ("cells.csv, line 3: sd_uS", "''")),
        (PLAIN.replace("0.5", "nan"), ("cells.csv, line 3: sd_uS", "'nan'")),
        (PLAIN.replace(",0.5", ""), ("cells.csv, line 3", "2 values", "3: target_uS, mean_uS, sd_uS")),
        (PLAIN.replace("0,0.1", "1,0.1"), ("cells.csv, line 2: target_uS", "0, the first target")),
        (PLAIN.replace("10,9", "21,9"), ("cells.csv, line 4: target_uS", "20.7", "more than 21")),
        (PLAIN.replace("20.7", "20"), ("device.g_max", "20.7 uS with 2 of 2", "up to 20 uS", "tables.lab")),
    ],
)
def test_a_table_that_cannot_be_names_file_line_and_column(text, words, chip_of):
    with pytest.raises(ArchConfigError) as caught:
        chip_of(text)
    assert all(word in str(caught.value) for word in words), caught.value


def test_other_numbers_of_devices_need_a_table_of_their_own(chip_of):
    with pytest.raises(ArchConfigError, match=r"2 \(tables\.lab\)"):
        chip_of(PLAIN, {"core.analog.device.devices": 1})
    with pytest.raises(ArchConfigError, match="no such file"):
        chip_of(PLAIN, {"core.analog.device.tables.lab.file": "nowhere.csv"})


def test_columns_may_stand_in_the_chip_file(tmp_path):
    columns = "columns: {target_uS: [0, 20.7], mean_uS: [0, 20], sd_uS: [0.1, 1]}"
    (tmp_path / "chip.yaml").write_text(CHIP.replace("file: cells.csv", columns), encoding="utf-8")
    assert device_spec(load_arch(tmp_path / "chip.yaml").core.analog.device).mean_uS == (0.0, 20.0)
    for wrong, message in (("[0, 20.7]", "rising from 0"), ("[0.1, 1]", "one per target_uS"), ("[0, 20]", "negative")):
        broken = {"[0, 20.7]": "[20.7, 0]", "[0.1, 1]": "[0.1]", "[0, 20]": "[0, -1]"}[wrong]
        (tmp_path / "chip.yaml").write_text(
            CHIP.replace("file: cells.csv", columns.replace(wrong, broken)), encoding="utf-8"
        )
        with pytest.raises(ArchConfigError, match=message):
            load_arch(tmp_path / "chip.yaml")
