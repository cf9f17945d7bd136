"""Systolic arrays beside a chip: they have its area, or its power, whatever the chip."""

from __future__ import annotations

import pytest

from hermes_sim.api import simulate
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.sizing import beside, chip_power_mw, core_power_mw
from hermes_sim.chip.load import load_arch
from hermes_sim.comparison.table import compare
from hermes_sim.errors import BaselineError

CHIPS = [
    ("hermes_64", {}),
    ("hermes_64_hetero", {}),
    ("hermes_64", {"core.rows": 512, "core.columns": 512}),
    ("hermes_64", {"cores.clusters": 2}),
    ("hermes_64_hetero", {"digital_units.dpu.count": 32, "read_mode": "one_phase"}),
]


def sized(name, chip):
    return beside([load_baseline(name)], chip)[0]


@pytest.mark.parametrize(("arch", "fields"), CHIPS)
def test_same_area_is_the_area_of_the_chip_beside_it(arch, fields):
    chip = load_arch(arch, fields)
    array = sized("systolic_same_area", chip)
    assert 0.93 * chip.area_mm2 < array.area_mm2 <= chip.area_mm2
    assert array.area_limit.mm2 == chip.area_mm2
    assert array.sram.size.n_bytes == pytest.approx(12 * 2**20 * chip.area_mm2 / 40.7)
    assert array.vector.lanes.n == array.arrays.n * array.columns.n


@pytest.mark.parametrize(("arch", "fields"), CHIPS)
def test_same_power_is_the_power_of_the_chip_beside_it(arch, fields):
    chip = load_arch(arch, fields)
    array = sized("systolic_same_power", chip)
    assert 0.8 * chip_power_mw(chip) < array.peak_power_mw <= chip_power_mw(chip) * (1 + 1e-9)
    assert array.power_limit.mw == chip_power_mw(chip) > core_power_mw(chip)
    of_cores = beside([load_baseline("systolic_same_power", {"sized_by": "core_power"})], chip)[0]
    assert 0.75 * core_power_mw(chip) < of_cores.peak_power_mw <= core_power_mw(chip) * (1 + 1e-9)


def test_power_of_a_chip_by_hand():
    one = {"digital_units.dpu.functions.mac.energy": "50 pJ", "digital_units.dpu.count": 3}
    chip, bare = (
        load_arch("hermes_64_hetero", one),
        load_arch("hermes_64_hetero", {**one, "digital_units.dpu.count": 2}),
    )
    # 256 lanes x 50 pJ at 1 GHz are more than any other function of the unit takes, and 5 mW of static power
    assert chip_power_mw(chip) - chip_power_mw(bare) == pytest.approx(256 * 50 + 5)
    static = load_arch("hermes_64", {"core.static_power": "1 W", "network.static_power": "3 W"})
    assert chip_power_mw(static) - chip_power_mw(load_arch("hermes_64")) == pytest.approx(64e3 - 6.4 + 3e3 - 2)
    host = load_arch("hermes_64", {"digital_units.host.static_power": "9 W", "off_chip.static_power": "9 W"})
    assert chip_power_mw(host) == chip_power_mw(load_arch("hermes_64"))  # what is not on the chip


def test_power_of_the_cores_is_the_published_one():
    assert core_power_mw(load_arch("hermes_64")) == pytest.approx(3.38e9 / 520e3)  # 3.38 uJ / 520 ns in mW
    assert core_power_mw(load_arch("hermes_64", {"read_mode": "one_phase"})) == pytest.approx(0.86e9 / 133e3)
    twice_as_wide = load_arch("hermes_64", {"core.rows": 512, "core.columns": 512})
    # cells x 4, drivers x 2, converters x 2, the half of which that goes with counts x 2 again
    cells_pj, drivers_pj = 0.2 * 20.7 * 0.5 * 0.266 * 127 * 0.8 * 65536 * 1e-3, 0.15 * 13125
    phase_pj = 4 * cells_pj + 2 * drivers_pj + 3 * (13125 - drivers_pj - cells_pj)
    assert core_power_mw(twice_as_wide) == pytest.approx(64 * (312.5 + 4 * phase_pj) / 520)


def test_beside_the_hetero_chip_by_hand():
    array = sized("systolic_same_area", load_arch("hermes_64_hetero"))
    # 64 x 0.635 + 8 x (0.1 + 0.06) + 8 x (0.35 + 0.12 + 1) = 53.68 mm2, 1.3189 times the 40.7 of the file
    # less 12 + 8 mm2 times that leaves 27.30 mm2: 5.5 arrays of 128 x 128 x 303 um2 = 4.964 mm2
    assert array.area_limit.mm2 == pytest.approx(53.68)
    assert (array.arrays.n, array.rows.n, array.columns.n) == (5, 128, 128)
    assert array.area_mm2 == pytest.approx(5 * 128 * 128 * 303e-6 + 20 * 53.68 / 40.7)


def test_the_file_itself_stands_beside_a_chip_of_its_own_size_and_gpus_beside_all():
    same = load_baseline("systolic_same_power", {"sized_by": "core_power"})
    a100 = load_baseline("a100")
    same_host = {"digital_units.host.static_power": "1.79 W"}
    assert beside([same, a100], load_arch("hermes_64", same_host)) == [same, a100]
    own = load_baseline("systolic_same_area", {"sized_by": None})
    assert beside([own], load_arch("hermes_64_hetero", same_host)) == [own]


def test_sizing_twice_changes_nothing_more():
    chip = load_arch("hermes_64_hetero")
    once = sized("systolic_same_area", chip)
    assert beside([once], chip) == [once]


def test_a_chip_without_room_for_an_array_is_said_to_be_one():
    levels = load_arch("hermes_64").digital_units["gdpu"].memory
    no_units = {"digital_units.gdpu.area": 0, **{f"digital_units.gdpu.memory.{level}.area": 0 for level in levels}}
    tiny = load_arch("hermes_64", {"cores.clusters": 1, "cores.per_cluster": 1, "core.area": 1e-3, **no_units})
    with pytest.raises(BaselineError, match="a chip that an array fits beside"):
        sized("systolic_same_area", tiny)


def test_sized_by_needs_the_size_of_the_file():
    with pytest.raises(BaselineError, match=r"area_limit\n  got +nothing"):
        load_baseline("systolic_same_area", {"area_limit": None})


def test_results_and_tables_have_the_sized_array():
    chip = load_arch("hermes_64_hetero")
    result = simulate(chip, "kernel_ridge_digits", accuracy=False, baselines=("systolic_same_area",))
    assert result.devices == (sized("systolic_same_area", chip),)
    rows = compare(["hermes_64_hetero"], ["kernel_ridge_digits"], ["systolic_same_area"], inferences=(1,)).rows
    assert {row.baseline_area_mm2 for row in rows} == {result.devices[0].area_mm2}
