"""Chip files: what loads, what is refused, and how the refusal reads."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_names
from hermes_sim.config.parameters import quantities, resolved
from hermes_sim.config.quantity import TIME, Kind, convert
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.errors import ArchConfigError, QuantityError, nearest

if TYPE_CHECKING:
    from pathlib import Path


def write(tmp_path: Path, text: str, name: str = "chip.yaml") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def child(tmp_path: Path, text: str) -> str:
    return write(tmp_path, f"extends: hermes_64\nname: mine\n{text}")


def test_published_chip_is_as_published(hermes):
    assert hermes.n_cores == 64
    assert hermes.n_cores * hermes.core.rows.n * hermes.core.columns.n == 4_194_304
    read = hermes.core.read
    assert [hermes.reading(mode).read_ps(read) for mode in ReadMode] == [133_000, 520_000]
    assert hermes.n_cores * (read.energy.pj + read.phase_energy.pj) == pytest.approx(0.86e6)
    assert hermes.n_cores * (read.energy.pj + 4 * read.phase_energy.pj) == pytest.approx(3.38e6)


@pytest.mark.parametrize("name", shipped_names("arch_configs"))
def test_every_number_names_kind_and_source_and_guesses_have_a_range(name):
    for quantity in quantities(load_arch(name)):
        assert quantity.source.strip(), quantity.path
        assert quantity.path
        if quantity.kind in {Kind.ASSUMED, Kind.FITTED} and quantity.value and quantity.high is None:
            pytest.fail(f"{quantity.path} is {quantity.kind} but has no range to sweep")


@pytest.mark.parametrize("name", shipped_names("arch_configs"))
def test_resolved_config_loads_back_to_the_same_values(name, tmp_path):
    chip = load_arch(name)
    path = tmp_path / "resolved.yaml"
    with path.open("w") as stream:
        YAML(typ="safe", pure=True).dump(resolved(chip), stream)
    again = load_arch(str(path))
    assert {(q.path, q.value, q.kind, q.low, q.high) for q in quantities(again)} == {
        (q.path, q.value, q.kind, q.low, q.high) for q in quantities(chip)
    }


def test_a_section_with_a_field_called_value_keeps_the_rest(tmp_path):
    share = "{value: 0.999, unit: count, kind: assumed, source: test}"
    path = child(tmp_path, f"core:\n  analog:\n    range: {{policy: quantile, per: matrix, value: {share}}}\n")
    given, parent = load_arch(path).core.analog.range, load_arch("hermes_64").core.analog.range
    assert given.value.ratio == 0.999
    assert given.search_lanes.given == parent.search_lanes.given


def test_extends_replaces_whole_quantities_and_keeps_the_rest(tmp_path):
    chip = load_arch(
        child(
            tmp_path,
            "core:\n  rows: {value: 512, unit: count, kind: assumed, source: study, range: [128, 1024]}\n",
        )
    )
    assert (chip.name, chip.core.rows.n, chip.core.columns.n) == ("mine", 512, 256)


def test_null_removes_what_the_parent_has(tmp_path):
    chip = load_arch(child(tmp_path, "digital_units:\n  gdpu: null\n"))
    assert "gdpu" not in chip.digital_units
    assert "host" in chip.digital_units


def test_null_removes_what_the_parent_of_the_parent_has(tmp_path):
    path = write(tmp_path, "extends: hermes_64_hetero\nname: mine\ndigital_units:\n  gdpu: null\n")
    assert set(load_arch(path).digital_units) == {"dpu", "host"}


def test_override_by_dotted_path_is_marked_as_assumed():
    lanes = load_arch("hermes_64", {"core.ldpu.lanes": 64}).core.ldpu.lanes
    assert (lanes.n, lanes.kind) == (64, Kind.ASSUMED)
    assert load_arch("hermes_64", {"core.read.time": "0.2 us"}).core.read.time.ps == 200_000


BAD_QUANTITIES = [
    (
        "{value: 133, unit: s, kind: rtl, source: x}",
        "core.read.time.value",
        "133 s",
        "a time from 0",
    ),
    (
        "{value: 133, unit: nJ, kind: rtl, source: x}",
        "core.read.time.value",
        "133 nJ",
        "a time, e.g. in ps",
    ),
    ("{value: 133, unit: furlong, kind: rtl, source: x}", "time.value", "133 furlong", "a time"),
    ("{value: -133, unit: ns, kind: rtl, source: x}", "time.value", "-133 ns", "from 0"),
    ("{value: 0.1234, unit: ps, kind: rtl, source: x}", "time.value", "0.1234 ps", "a whole number of ps"),
    ("{value: .nan, unit: ns, kind: rtl, source: x}", "time.value", "nan ns", "a time from"),
    ("{value: fast, unit: ns, kind: rtl, source: x}", "time.value", "'fast'", "a number"),
    ("{value: true, unit: ns, kind: rtl, source: x}", "time.value", "True", "a number"),
    ("{value: 133, kind: rtl, source: x}", "time.unit", "nothing", "a unit of time"),
    ("{value: 133, unit: ns, kind: rtl}", "time.source", "nothing", "where the value comes from"),
    ("{value: 133, unit: ns, kind: rtl, source: ''}", "time.source", "''", "where the value comes from"),
    ("{value: 133, unit: ns, kind: guess, source: x}", "time.kind", "'guess'", "measured, rtl, spec"),
    ("{value: 133, unit: ns, source: x}", "time.kind", "nothing", "measured, rtl, spec"),
    (
        "{value: 133, units: ns, kind: rtl, source: x}",
        "time.units",
        "unknown key 'units'",
        "value, unit, kind",
    ),
    (
        "{value: 133, unit: ns, kind: assumed, source: x, range: [200, 300]}",
        "time.range",
        "[200, 300] ns",
        "holds",
    ),
    ("{value: 133, unit: ns, kind: assumed, source: x, range: 5}", "time.range", "5", "[low, high]"),
    ("133", "core.read.time", "133", "a record"),
]


@pytest.mark.parametrize(("record", "field", "got", "allowed"), BAD_QUANTITIES)
def test_bad_quantity_names_file_line_field_value_and_what_is_allowed(record, field, got, allowed, tmp_path):
    path = child(tmp_path, f"core:\n  read:\n    time: {record}\n")
    with pytest.raises(ArchConfigError) as caught:
        load_arch(path)
    error = caught.value
    assert f"{path}, line 5" in error.where
    assert field in error.where
    assert got in str(error.got)
    assert allowed in error.allowed


def test_unknown_key_names_the_nearest(tmp_path):
    with pytest.raises(ArchConfigError, match=r"unknown key 'rowss'[\s\S]*did you mean 'rows'"):
        load_arch(child(tmp_path, "core:\n  rowss: {value: 2, unit: count, kind: spec, source: x}\n"))


def test_unknown_key_inside_a_named_unit_lists_what_is_allowed(tmp_path):
    with pytest.raises(ArchConfigError, match=r"host\.clocks[\s\S]*buffers, clock"):
        load_arch(child(tmp_path, "digital_units:\n  host:\n    clocks: 2\n"))


def test_missing_field_is_named(tmp_path):
    with pytest.raises(ArchConfigError, match=r"core\.ldpu[\s\S]*the key 'ldpu'"):
        load_arch(child(tmp_path, "core:\n  ldpu: null\n"))


def test_syntax_error_names_the_line(tmp_path):
    path = write(tmp_path, "name: x\ncore: {rows: [1, 2}\n")
    with pytest.raises(ArchConfigError, match=re.escape(f"{path}, line 2, column")):
        load_arch(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("- 1\n- 2\n", "a mapping of fields"),
        ("name: a\nname: b\n", "duplicate key"),
        ("extends: 5\n", "the name or path of a chip file"),
        ("extends: hermes_46\n", "did you mean 'hermes_64'"),
    ],
)
def test_files_that_are_no_chip(text, message, tmp_path):
    with pytest.raises(ArchConfigError, match=message):
        load_arch(write(tmp_path, text))


def test_circle_of_parents_is_refused(tmp_path):
    write(tmp_path, "extends: b.yaml\n", "a.yaml")
    write(tmp_path, "extends: a.yaml\n", "b.yaml")
    with pytest.raises(ArchConfigError, match="without a circle"):
        load_arch(str(tmp_path / "a.yaml"))


def test_binary_file_is_refused(tmp_path):
    path = tmp_path / "chip.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ArchConfigError, match="readable UTF-8"):
        load_arch(str(path))


@pytest.mark.parametrize(
    ("rows", "allowed"),
    [("133 nJ", "a count, unit: count"), ("0 count", "a count from 1 to 1.09951e+12"), ("1.5 count", "a whole number")],
)
def test_a_count_is_told_as_one(rows, allowed):
    with pytest.raises(ArchConfigError) as caught:
        load_arch("hermes_64", {"core.rows": rows})
    assert caught.value.allowed.endswith(allowed)


def test_files_in_messages_are_as_given_and_shipped_ones_from_their_folder_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    own = tmp_path / "sub" / "own.yaml"
    own.write_text("extends: hermes_64\nname: own\ncore: {rowz: 3}\n", encoding="utf-8")
    for given in ("sub/own.yaml", str(own)):
        with pytest.raises(ArchConfigError) as caught:
            load_arch(given)
        assert caught.value.where == f"{given}, line 3: core.rowz"
    with pytest.raises(ArchConfigError, match=r"no field 'core\.rowz' in arch_configs/hermes_64\.yaml\n"):
        load_arch("hermes_64", {"core.rowz": 3})
    own.write_text("name: own\nextends: hermes_46\n", encoding="utf-8")
    message = r"sub/own\.yaml, line 2: extends\n  got      hermes_46: no such file\n(.|\n)*'hermes_64'"
    with pytest.raises(ArchConfigError, match=message):
        load_arch("sub/own.yaml")


@pytest.mark.parametrize(
    ("given", "choices", "told"),
    [
        ("b200", ("a100", "h100", "t4"), ""), ("hermes_46", ("hermes_64", "rram_64"), "hermes_64"),
        ("lane", ("lanes", "group_time"), "lanes"), ("sd", ("mean_uS", "sd_uS"), "sd_uS"), ("rfb", ("rbf",), "rbf"),
        ("", ("rows",), ""), ("volcano", ("latency", "balanced"), ""),
    ],
)  # fmt: skip
def test_only_close_names_are_suggested(given, choices, told):
    assert nearest(given, choices) == (f"did you mean {told!r}?" if told else "")


def test_unknown_chip_names_the_nearest():
    with pytest.raises(ArchConfigError, match="did you mean 'hermes_64_hetero'"):
        load_arch("hermes_64_heterro")


@pytest.mark.parametrize(
    ("path", "hint"), [("core.rowz", "rows"), ("cores.cluster", "did you mean"), ("core.rows.x.y", "x")]
)
def test_override_of_a_field_that_does_not_exist(path, hint):
    with pytest.raises(ArchConfigError, match=hint):
        load_arch("hermes_64", {path: 3})


@pytest.mark.parametrize(
    ("clock", "period_ps"),
    [
        ("1.5 GHz", Fraction(2000, 3)),
        ("1.8 GHz", Fraction(5000, 9)),
        ("3 GHz", Fraction(1000, 3)),
        ("700 MHz", Fraction(10000, 7)),
        ("2 GHz", Fraction(500)),
    ],
)
def test_any_clock_counts_cycles_exactly_and_rounds_once(clock, period_ps):
    quantity = load_arch("hermes_64", {"clock": clock}).clock
    assert quantity.period_ps == period_ps
    for n in (0, 1, 2, 3, 7, 1000, 3 * 10**12):
        exact = n * period_ps
        assert exact <= quantity.cycles_ps(n) < exact + 1
    assert quantity.cycles_ps(9 * 7 * 10**6) == 9 * 7 * 10**6 * period_ps  # no error is carried along


def test_shares_of_area_may_not_exceed_one():
    with pytest.raises(ArchConfigError, match="may not add up to more than 1"):
        load_arch("hermes_64", {"core.area_split.converters": 0.9})


def test_reading_a_quantity_in_another_dimension_is_an_error(hermes):
    with pytest.raises(QuantityError):
        _ = hermes.core.rows.ps


@pytest.mark.parametrize(
    ("value", "unit", "ps"), [(133, "ns", 133_000), (0.3, "ns", 300), (1, "us", 10**6), (2, "µs", 2 * 10**6)]
)
def test_times_become_whole_picoseconds(value, unit, ps):
    assert convert(value, unit, TIME, where="t") == ps


def test_a_chip_may_extend_one_that_extends_another(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: hermes_64_hetero\nname: mine\n", encoding="utf-8")
    chip = load_arch(str(tmp_path / "mine.yaml"))
    assert chip.name == "mine"
    assert chip.digital_units == load_arch("hermes_64_hetero").digital_units


def test_a_file_that_extends_another_keeps_the_order_of_its_memory_levels(tmp_path):
    """The order is which level is nearest: naming one again moves none, a new one comes last."""
    path = tmp_path / "mine.yaml"
    bytes_of = "unit: Kibyte, kind: assumed, source: mine"
    level = f"{{capacity: {{value: 8192, {bytes_of}}}, width: {{value: 32, unit: byte, kind: assumed, source: mine}}, "
    level += "energy: {value: 5, unit: pJ/byte, kind: assumed, source: mine}, "
    level += "area: {value: 8, unit: mm**2, kind: assumed, source: mine}}"
    path.write_text(
        "extends: hermes_64_hetero\nname: mine\ndigital_units:\n  dpu:\n    memory:\n"
        f"      far: {level}\n      shared: {{capacity: {{value: 2048, {bytes_of}}}}}\n"
    )
    memory = load_arch(path).digital_units["dpu"].memory
    assert list(memory) == ["registers", "sram", "shared", "far"]
    assert memory["shared"].capacity.n_bytes == 2 * 1024**2
