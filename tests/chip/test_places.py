"""Places and resources: their names, and kinds of units whose names could be taken for others."""

from __future__ import annotations

import json
from functools import cache

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch, read_with_parents, validate_chip
from hermes_sim.chip.network import Routes
from hermes_sim.chip.places import (
    BUS,
    CONTROL,
    HOST_MEMORY,
    IO,
    OFF_CHIP_IN,
    OFF_CHIP_OUT,
    Link,
    Place,
    Resource,
    ResourcePart,
    Role,
)
from hermes_sim.errors import ArchConfigError
from hermes_sim.mapping.mapping import Strategy
from hermes_sim.mapping.pins import write_pins
from hermes_sim.mapping.place import map_graph
from hermes_sim.report.folder import write_report
from hermes_sim.report.inputs import MAPPING_PINS
from hermes_sim.workload.load import build_graph, load_workload

CORE, UNIT = Place.core(3), Place(Role.UNIT, "simd8", (1,))


@pytest.mark.parametrize(
    ("record", "name", "family", "group"),
    [
        (Resource(CORE, ResourcePart.CROSSBAR), "core3.crossbar", "core crossbar", "core3"),
        (Resource(CORE, ResourcePart.IN), "core3.in", "core in", "core3"),
        (Resource(UNIT), "simd81", "simd8", "simd81"),
        (Resource(UNIT, ResourcePart.MEMORY), "simd81.memory", "simd8 memory", "simd81"),
        (Resource(Link(CORE, IO)), "link core3>io", "link", "link core3>io"),
        (Resource(Link(Place.router(2, 1), IO)), "link router2,1>io", "link", "link router2,1>io"),
        (Resource(Link(Place.switch(4), CORE)), "link switch4>core3", "link", "link switch4>core3"),
        (Resource(BUS), "link bus", "link", "link bus"),
        (OFF_CHIP_IN, "off-chip in", "off-chip", "off-chip in"),
        (OFF_CHIP_OUT, "off-chip out", "off-chip", "off-chip out"),
        (CONTROL, "control", "control", "control"),
    ],
)  # fmt: skip
def test_names(record, name, family, group):
    assert (str(record), f"{record}", record.family, record.group) == (name, name, family, group)


def test_what_lies_off_the_chip_is_reached_through_the_port():
    host = Place(Role.HOST_UNIT, "host", (0,))
    assert [place.node for place in (CORE, UNIT, host, HOST_MEMORY, IO)] == [CORE, UNIT, IO, IO, IO]
    assert [place.is_unit for place in (CORE, UNIT, host, HOST_MEMORY)] == [False, True, True, False]


@cache
def shipped():
    return read_with_parents("hermes_64_hetero").data["digital_units"]


def number(n):
    return {"value": n, "unit": "count", "kind": "spec", "source": "test"}


def with_units(**kinds):
    """hermes_64_hetero with so many units of these kinds, each as its dpu, and the host."""
    document = read_with_parents("hermes_64_hetero")
    dpu, host = shipped()["dpu"], shipped()["host"]
    units = {kind: dpu | {"count": number(count)} for kind, count in kinds.items()}
    document.data["digital_units"] = units | {"host": host}
    return validate_chip(document)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ({"a": 11, "a1": 1}, "a10, which is also number 10 of 11 called a"),
        ({"a1": 1, "a": 11}, "a10, which is also number 10 of 11 called a"),
        ({"simd": 90, "simd8": 2}, "simd80, which is also number 80 of 90 called simd"),
        ({"core1": 1}, "core10, which is also number 10 of 64 called core"),
        ({"switch": 1}, "a kind of unit called 'switch'"),
        ({"core": 1}, "a kind of unit called 'core'"),
        ({"io": 1}, "a kind of unit called 'io'"),
        ({"control": 1}, "a kind of unit called 'control'"),
        ({"a.b": 1}, "a kind of unit called 'a.b'"),
        ({"a>b": 1}, "a kind of unit called 'a>b'"),
    ],
)
def test_kinds_whose_names_are_taken_are_refused(kinds, told):
    with pytest.raises(ArchConfigError) as refusal:
        with_units(**kinds)
    assert told in str(refusal.value)
    assert f"digital_units.{max(kinds)}" in str(refusal.value)


@pytest.mark.parametrize("kinds", [{"a": 10, "a1": 9}, {"a": 11, "a01": 9}, {"core7": 1}, {"simd": 80, "simd8": 9}])
def test_kinds_whose_names_differ_are_welcome(kinds):
    names = [str(node) for node in Routes(with_units(**kinds)).nodes]
    assert len(set(names)) == len(names) == 64 + sum(kinds.values()) + 1


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two files of one chip: its two units are of kind dpu in the one, simd8 in the other."""
    folder = tmp_path_factory.mktemp("twins")
    for kind in ("dpu", "simd8"):
        document = read_with_parents("hermes_64_hetero")
        units = document.data["digital_units"]
        units = {kind if name == "dpu" else name: unit for name, unit in units.items()}
        units[kind] = units[kind] | {"count": number(2)}
        document.data["digital_units"] = units
        (folder / f"{kind}.yaml").write_text(json.dumps(document.data))
    return folder


def test_a_kind_that_ends_in_a_digit_runs_as_any_other(twins):
    results = [
        simulate(str(twins / f"{kind}.yaml"), "performer_imdb_attention", accuracy=False, baselines=(), inferences=2)
        for kind in ("dpu", "simd8")
    ]
    plain, digit = (result.document for result in results)
    for quantity in ("latency_ns", "makespan_ns", "throughput_inferences_per_s"):
        assert plain[quantity] == digit[quantity]
    assert plain["energy_pj"]["total"] == pytest.approx(digit["energy_pj"]["total"], rel=1e-12)
    names = results[1].runs.all.lowered.program.resource_names
    assert {"simd80", "simd81"} <= set(names)
    report = write_report(results[1], twins / "report")
    page = (report / "report.html").read_text()
    assert "simd81" in page
    assert "chip: 2 simd8" in page
    assert "simd81" in (report / MAPPING_PINS).read_text()


def test_a_kind_that_ends_in_a_digit_can_be_pinned(twins, tmp_path):
    chip = load_arch(str(twins / "simd8.yaml"))
    graph = build_graph(load_workload("performer_imdb_attention"))
    mapping = map_graph(graph, chip, Strategy.SPREAD)
    write_pins(tmp_path / "p.yaml", mapping)
    assert "simd81" in (tmp_path / "p.yaml").read_text()
    assert map_graph(graph, chip, str(tmp_path / "p.yaml")).units == mapping.units
    used = {place for place in mapping.units.values() if place.kind == "simd8"}
    assert used == {place for place in chip.unit_places() if place.kind == "simd8"}


def custom(*links):
    document = read_with_parents("hermes_64")
    document.data["digital_units"].pop("gdpu")
    document.data["cores"] = {"clusters": number(1), "per_cluster": number(2)}
    document.data["network"] |= {"topology": "custom", "links": [list(link) for link in links]}
    return Routes(validate_chip(document))


def test_a_node_of_the_users_own_is_no_place_of_the_chip():
    routes = custom(("io", "hub"), ("hub", "core0"), ("hub", "core1"), ("core1", "switch0"), ("switch0", "core0"))
    hub = Place(Role.NODE, "hub")
    assert routes.route(IO, Place.core(1)) == [Link(IO, hub), Link(hub, Place.core(1))]
    assert routes.nodes == [Place.core(0), Place.core(1), IO]
    assert routes.floorplan.span(Link(IO, hub)) == (0, 0)


@pytest.mark.parametrize(
    ("node", "hint"), [("core2", "cores, units and io"), ("io1", "cores, units and io"), ("a>b", "names without >")]
)
def test_a_node_like_one_of_the_chip_that_it_lacks_is_refused(node, hint):
    with pytest.raises(ArchConfigError, match=f"node '{node}'") as refusal:
        custom(("io", "core0"), ("core0", "core1"), ("core1", node))
    assert hint in str(refusal.value)
