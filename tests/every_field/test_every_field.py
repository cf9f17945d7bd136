"""No silent setting: every field of a chip file moves figures, in the direction that its table says."""

from __future__ import annotations

import numpy as np
import pytest
from field_table import ANY, FACTORS, agrees, as_said, load_table, moves
from scenarios import FIGURES, Measured
from schema_fields import schema_fields

TABLE = load_table()
FIELDS = {field.path: field for field in schema_fields()}
MOST_WITHOUT_EFFECT = 0.15
every_entry = pytest.mark.parametrize("entry", TABLE.entries.values(), ids=TABLE.entries)


def test_the_table_has_every_field_of_the_schema_and_no_other():
    assert sorted([*TABLE.entries, *TABLE.pending]) == sorted(FIELDS)


def test_few_fields_are_without_effect_and_each_says_why():
    silent = [entry for entry in TABLE.entries.values() if entry.is_silent]
    assert len(silent) + len(TABLE.pending) <= MOST_WITHOUT_EFFECT * len(FIELDS)
    assert all(len(entry.why.split()) > 3 for entry in silent)


@every_entry
def test_every_field_is_halved_and_doubled_or_given_all_its_values(entry):
    field = FIELDS[entry.path]
    if field.choices:
        assert {*entry.moves, TABLE.present(entry)} == {*field.choices}
    elif field.is_number:
        for change in set(FACTORS) - set(entry.moves):
            assert TABLE.is_refused(entry, change)
    if entry.is_silent:
        assert not any(entry.moves.values())
        return
    assert any(entry.moves.values())
    half, double = (entry.moves.get(change, {}) for change in FACTORS)
    same = [name for name in half if half[name] == double.get(name) != ANY]
    assert bool(same) == bool(entry.why), f"half and double move {', '.join(same)} in one direction"


@every_entry
def test_every_field_moves_what_it_should(entry):
    wrong = []
    for scenario, change, path in TABLE.changes(entry):
        found = TABLE.found(entry, scenario, change, path)
        if not agrees(entry.moves[change], found):
            wrong.append(f"{path} {change} in {scenario}: {as_said(found)}, not {dict(entry.moves[change])}")
    assert not wrong, "\n".join(wrong)


@every_entry
def test_every_scenario_of_a_field_has_it(entry):
    if entry.moves:
        assert {scenario for scenario, _, _ in TABLE.changes(entry)} == set(entry.scenarios)


def measured(figures=(1.0, 2.0), errors=(0.1, 0.1, 0.1), outputs=(1.0,)):
    return Measured(dict.fromkeys(FIGURES, figures[0]) | {"area": figures[1]}, np.array(errors), np.array(outputs))


def test_moves_tell_what_differs_and_how():
    before = measured()
    assert moves(before, measured()) == {}
    assert moves(before, measured(figures=(1.0, 1.9))) == {"area": "down"}
    assert moves(before, measured(figures=(1.0, 2.0 + 1e-15))) == {}
    sure, unsure = (0.2, 0.21, 0.19), (0.0, 0.3, 0.05)
    assert moves(before, measured(errors=sure, outputs=(1.5,))) == {"error": "up"}
    assert as_said(moves(before, measured(errors=unsure, outputs=(1.5,)))) == {"error": "any"}


@pytest.mark.parametrize(
    ("said", "found", "same"),
    [
        ({"area": "up"}, {"area": "up"}, True),
        ({"area": "up"}, {"area": "down"}, False),
        ({"area": "up"}, {}, False),
        ({}, {"energy": "up"}, False),
        ({"error": "any"}, {"error": "down?"}, True),
        ({"error": "up"}, {"error": "up?"}, True),
        ({"error": "up"}, {"error": "down?"}, False),
        ({"error": "any"}, {}, False),
    ],
)
def test_a_wrong_or_missing_direction_is_told(said, found, same):
    assert agrees(said, found) is same
