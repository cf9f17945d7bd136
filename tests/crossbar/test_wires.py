"""Voltage lost along lines, against the resistor network solved as a whole."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects
from hermes_sim.crossbar.wires import seen_through_wires
from hermes_sim.device.conductance import Pair
from hermes_sim.numerics.programmed import program_alone


def network_currents(cells_uS, ohm, volt=1.0):
    """Currents into the converters: rows driven at column 0, columns ending at row 0, a resistor per cell of a line."""
    rows, columns = cells_uS.shape
    row_node = np.arange(rows * columns).reshape(rows, columns)
    column_node = row_node + rows * columns
    wire = 1e6 / ohm  # uS
    system = sparse.lil_matrix((2 * rows * columns,) * 2)
    fed = np.zeros(2 * rows * columns)

    def join(a, b, conductance):
        system[a, a] += conductance
        if b is not None:
            system[b, b] += conductance
            system[a, b] -= conductance
            system[b, a] -= conductance

    for i in range(rows):
        for j in range(columns):
            join(row_node[i, j], column_node[i, j], cells_uS[i, j])
            join(row_node[i, j], row_node[i, j - 1] if j else None, wire)
            join(column_node[i, j], column_node[i - 1, j] if i else None, wire)
        fed[row_node[i, 0]] += wire * volt
    voltages = spsolve(system.tocsr(), fed)
    return wire * voltages[column_node[0]]


@pytest.mark.parametrize("ohm", [0.3, 1.0, 3.0])
def test_first_order_against_the_whole_network(ohm):
    cells = np.random.default_rng(0).uniform(0, 20.7, (32, 32))
    pair = Pair(cells, np.zeros_like(cells))
    seen = seen_through_wires(
        [pair], ohm=ohm, activity=1.0, first_row=0, first_column=0, both_polarities=True, side_by_side=False
    )[0].plus_uS
    exact, ideal = network_currents(cells, ohm), cells.sum(axis=0)
    lost, error = 1 - exact.sum() / ideal.sum(), np.linalg.norm(seen.sum(axis=0) - exact) / np.linalg.norm(exact)
    print(f"{ohm} ohm: the wires take {lost:.4f} of the currents, first order misses {error:.1e}")
    assert lost > 0.002
    assert error < 0.1 * lost


def test_far_cells_large_cores_and_late_blocks_lose_more():
    def seen(rows, columns, **place):
        place = {"first_row": 0, "first_column": 0} | place
        pair = Pair(np.full((rows, columns), 10.0), np.full((rows, columns), 1.0))
        return seen_through_wires(
            [pair], ohm=1.0, activity=0.5, both_polarities=True, side_by_side=False, **place
        )[0].plus_uS  # fmt: skip

    near = seen(64, 64)
    assert (np.diff(near, axis=0) < 0).all()
    assert (np.diff(near, axis=1) < 0).all()
    assert seen(128, 128).mean() < near.mean() < 10
    assert seen(64, 64, first_row=64).mean() < near.mean()
    assert seen(64, 64, first_column=64).mean() < near.mean()


def test_slices_beside_each_other_share_their_rows():
    rng = np.random.default_rng(1)
    pairs = [Pair(*rng.uniform(0, 20, (2, 8, 5))) for _ in range(2)]
    how = {"ohm": 2.0, "activity": 0.5, "first_row": 3, "first_column": 2, "both_polarities": True}
    beside = seen_through_wires(pairs, side_by_side=True, **how)
    apart = seen_through_wires(pairs, side_by_side=False, **how)
    whole = Pair(*(np.stack([getattr(p, n) for p in pairs], 2).reshape(8, 10) for n in ("plus_uS", "minus_uS")))
    one = seen_through_wires([whole], side_by_side=False, **(how | {"first_column": 4}))[0]
    for cut, pair in enumerate(beside):
        np.testing.assert_allclose(pair.plus_uS, one.plus_uS[:, cut::2], rtol=1e-12)
        assert (pair.plus_uS < apart[cut].plus_uS).all()


@pytest.mark.parametrize("mode", list(ReadMode))
def test_outputs_lose_more_on_larger_cores(spec, mode):
    rng = np.random.default_rng(2)
    only = replace(Effects.none(), ir_drop=True)
    slopes = []
    for size in (128, 256, 512):
        w, x = rng.standard_normal((size, size)), rng.standard_normal((50, size))
        y = program_alone(replace(spec, rows=size, columns=size).with_effects(only), w, mode=mode).matmul(x)
        slopes.append(float((y * (x @ w)).sum() / ((x @ w) ** 2).sum()))
    print(f"{mode}: {', '.join(f'{1 - slope:.3f}' for slope in slopes)} lost with 128, 256, 512 rows and columns")
    assert 1 > slopes[0] > slopes[1] > slopes[2]
