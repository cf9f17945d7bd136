"""One standard of digital arithmetic: the table of docs/baselines.md follows its rule, the shipped files follow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Function

PAGE = Path(__file__).parents[2] / "docs" / "baselines.md"
ARRAYS = ("systolic_same_area", "systolic_same_power")


def rows_behind(heading):
    lines = PAGE.read_text(encoding="utf-8").split(heading)[1].splitlines()
    tables, table = [], []
    for line in lines:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            tables.append(table[2:])
            table = []
        if line.startswith("A product of"):
            break
    return tables


PUBLISHED, VALUES = rows_behind("### Energy of digital arithmetic: one standard")


def scaled(pj, node_nm, supply_v):
    """The rule: energy goes with the node and with the square of the voltage."""
    return pj * (14 / node_nm) * (0.8 / supply_v) ** 2


def here(implementation, operation):
    row = next(row for row in PUBLISHED if row[0].startswith(implementation) and row[1] == operation)
    return scaled(float(row[4]), float(row[2]), float(row[3]))


FLOOR_MAC, WHOLE_MAC = here("Horowitz", "FP16 multiply and add"), here("RedMulE", "FP16 multiply-accumulate")
FLOOR_INT8, WHOLE_INT8 = here("Horowitz", "INT8 multiply, INT32 add"), here("Simba", "INT8 multiply-accumulate")


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row[0].split(',')[0]}, {row[1]}")
def test_the_table_follows_the_rule(row):
    _, _, node_nm, supply_v, pj, factor, result, _ = row
    assert float(factor) == pytest.approx(scaled(1, float(node_nm), float(supply_v)), rel=2e-3)
    assert float(result) == pytest.approx(scaled(float(pj), float(node_nm), float(supply_v)), rel=5e-3)


def test_published_figures_are_what_their_efficiencies_say():
    published = {row[0].split(",")[0]: float(row[4]) for row in PUBLISHED if not row[0].startswith("Horowitz")}
    assert published == {"RedMulE": pytest.approx(2 / 0.688, rel=2e-3), "Simba": pytest.approx(2 * 0.11)}


def test_values_are_half_of_the_whole():
    value = {row[0]: float(row[1]) for row in VALUES}
    mac = value["FP16 multiply-accumulate"]
    assert mac == pytest.approx(WHOLE_MAC / 2, rel=5e-3)
    assert value["FP16 add, compare"] == pytest.approx(mac * 0.4 / 1.5, rel=5e-3)
    assert value["FP16 multiply"] == pytest.approx(mac * 1.1 / 1.5, rel=5e-3)
    assert value["function (exponential, sine, sigmoid)"] == pytest.approx(4 * mac)
    assert value["division, inverse root"] == pytest.approx(8 * mac)
    assert value["vector operation of the arrays"] == pytest.approx(mac / 2)
    int8 = value["INT8 multiply-accumulate"] + value["handing on operands and sums"]
    assert int8 == pytest.approx(WHOLE_INT8 / 2, rel=5e-3)
    assert value["handing on operands and sums"] == pytest.approx(2 * value["INT8 multiply-accumulate"], rel=5e-3)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_follow_the_standard(name):
    array = load_baseline(name)
    expected = {
        "mac": (array.mac_energy, WHOLE_INT8 / 6, FLOOR_INT8, WHOLE_INT8 / 3),
        "pass": (array.pass_energy, WHOLE_INT8 / 3, 2 * FLOOR_INT8, 2 * WHOLE_INT8 / 3),
        "vector": (array.vector.energy, WHOLE_MAC / 4, FLOOR_MAC / 2, WHOLE_MAC / 2),
        "special": (array.vector.special_energy, 2 * WHOLE_MAC, 4 * FLOOR_MAC, 4 * WHOLE_MAC),
    }
    for what, (quantity, value, low, high) in expected.items():
        assert quantity.value == pytest.approx(value, rel=6e-3), what
        assert quantity.low == pytest.approx(low, rel=6e-3), what
        assert quantity.high == pytest.approx(high, rel=6e-3), what
        assert quantity.kind == "assumed", what


def test_units_of_the_chips_follow_the_standard():
    macs = {Function.MAC: 1.0, Function.ADD: 0.4 / 1.5, Function.COMPARE: 0.4 / 1.5, Function.MUL: 1.1 / 1.5}
    macs |= dict.fromkeys((Function.EXP, Function.COS, Function.SIN, Function.SIGMOID, Function.TANH), 4.0)
    macs |= dict.fromkeys((Function.DIV, Function.RSQRT), 8.0)
    for kind, unit in load_arch("hermes_64_hetero").digital_units.items():
        if unit.place == "host":
            continue
        for function, cost in unit.functions.items():
            where = f"{kind}.{function}"
            assert cost.energy.pj == pytest.approx(macs[function] * WHOLE_MAC / 2, rel=6e-3), where
            assert cost.energy.low == pytest.approx(macs[function] * FLOOR_MAC, rel=2e-2), where
            assert cost.energy.high == pytest.approx(macs[function] * WHOLE_MAC, rel=2e-2), where
