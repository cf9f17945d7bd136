"""Strategies, mapping files and their refusals."""

import json
from dataclasses import replace

import pytest

from hermes_sim.errors import MappingError, MappingInfeasible
from hermes_sim.mapping.blocks import check_blocks
from hermes_sim.mapping.mapping import Mapping, Strategy
from hermes_sim.mapping.picture import mapping_svg
from hermes_sim.mapping.pins import subtract, write_pins
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.published import mapping_layers, read_published, write_published
from hermes_sim.mapping.strategies import Layout, core_loads_ps
from hermes_sim.mapping.summary import blocks_of_layers, graph_of_layers, mapping_document
from hermes_sim.mapping.traffic import bytes_hops, flows
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind
from hermes_sim.workload.load import build_graph, load_workload


def as_mapping(layout):
    """A layout as a mapping without digital units."""
    return Mapping("test", tuple(layout.blocks), layout.replicas, {}, layout.aliases)


def graph_of(name, overrides=None):
    return build_graph(load_workload(name, overrides))


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("name", ["performer_imdb_full", "resnet9_cifar10", "lstm_caption", "kernel_ridge_digits"])
def test_every_strategy_places_every_weight(name, strategy, hetero):
    graph = graph_of(name)
    mapping = map_graph(graph, hetero, strategy)
    check_blocks(mapping.blocks, graph, hetero)
    assert mapping.cores_used <= 64
    assert set(mapping.replicas) == {op.name for op in graph.operators if op.on_crossbar}


def test_cores_of_the_published_networks(hermes):
    assert map_graph(graph_of("lstm_caption"), hermes, "packed").cores_used == 64  # all cores, as published
    assert map_graph(graph_of("resnet9_cifar10"), hermes, "spread").cores_used == 1 + 2 + 8 + 4 + 8 + 16 + 1
    assert map_graph(graph_of("performer_imdb_full"), hermes, "packed").cores_used == 2  # as in the published mapping


def test_balanced_evens_out_the_load(hetero):
    graph = graph_of("performer_imdb_full")
    peaks = {}
    for strategy in ("spread", "balanced"):
        mapping = map_graph(graph, hetero, strategy)
        layout = Layout(list(mapping.blocks), dict(mapping.replicas))
        peaks[strategy] = max(core_loads_ps(graph, hetero, as_mapping(layout)).values())
    # spread: 4,000 products of 520 ns on a core; balanced: half of them
    assert peaks == {"spread": 4000 * 520_000, "balanced": 2000 * 520_000}


def test_balanced_does_not_replicate_a_feedback_loop(hermes):
    mapping = map_graph(graph_of("lstm_ptb"), hermes, "balanced")
    assert mapping.replicas["gates"] == (0,)
    assert mapping.note


def test_local_shortens_the_ways_and_repeats_with_its_seed(hermes):
    graph = graph_of("resnet9_cifar10")
    spread, local = (map_graph(graph, hermes, s) for s in ("spread", "local"))
    assert bytes_hops(graph, local, hermes) < 0.8 * bytes_hops(graph, spread, hermes)
    assert map_graph(graph, hermes, "local").blocks == local.blocks
    assert map_graph(graph, hermes, "local", seed=1).blocks != local.blocks


def test_flows_by_hand(hermes):
    """300 x 40: two blocks of 150 rows; inputs in bytes, sums and results in FP16."""
    graph = GraphBuilder("g")
    graph.add(Operator("x", OpKind.INPUT, 3, 0, 300))
    graph.product("p", Matrix("W", 300, 40), tokens=3, on_crossbar=True)
    graph.add(Operator("y", OpKind.OUTPUT, 3, 40, 0))
    graph.connect("x", "p")
    graph.connect("p", "y")
    built = graph.build()
    mapping = map_graph(built, hermes, "spread")
    found = [(str(source), str(target), n_bytes) for source, target, n_bytes in flows(built, mapping, hermes)]
    assert sorted(found) == [
        ("core0", "io", 3 * 40 * 2),
        ("core8", "core0", 3 * 40 * 2),
        ("io", "core0", 3 * 150),
        ("io", "core8", 3 * 150),
    ]
    assert bytes_hops(built, mapping, hermes) == 240 * 2 + 240 * 3 + 450 * 2 + 450 * 2


def test_too_many_weights_are_a_result_with_levers(hermes):
    graph = GraphBuilder("g")
    for i in range(65):
        graph.product(f"p{i}", Matrix(f"W{i}", 256, 256), tokens=1, on_crossbar=True)
    with pytest.raises(MappingInfeasible) as error:
        map_graph(graph.build(), hermes, "packed")
    assert (error.value.demand, error.value.capacity, error.value.gap) == (65, 64, 1)
    assert error.value.levers


def test_a_sequence_too_long_for_any_memory_goes_to_the_host_or_is_refused(hetero):
    graph = graph_of("performer_imdb_full", {"sequence_length": 16000})
    assert str(map_graph(graph, hetero, "packed").units["L0.sequence"]) == "host0"
    with pytest.raises(MappingInfeasible, match=r"raise the capacity of a level in the memory of a digital unit"):
        map_graph(graph_of("performer_imdb_full", {"sequence_length": 10**8}), hetero, "packed")


PUBLISHED = {
    # file: cores, cells, share of the cells of these cores
    "cifar10_mapping": (1, 2 * 32 * 128, 0.125),
    "cifar10_mapping_full": (2, 83_200, 83_200 / 131_072),
    "imdb_mapping": (1, 2 * 32 * 128, 0.125),
    "imdb_mapping_full": (2, 90_368, 90_368 / 131_072),
    "listops_mapping_full": (2, 46_336, 46_336 / 131_072),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_mappings_round_trip(name, shared, hermes, tmp_path):
    """File -> layers -> file, and file -> mapping of the workload -> file, both without a difference."""
    path = shared / "reference" / "hermes_mappings" / f"{name}.json"
    task, _, rest = name.partition("_mapping")
    graph = graph_of(f"performer_{task}_{'full' if rest else 'attention'}")
    mapping = map_graph(graph, hermes, str(path))
    document = mapping_document(graph, mapping, hermes)
    totals = document["totals"]
    assert (totals["cores_used"], totals["cells_used"]) == PUBLISHED[name][:2]
    assert totals["occupancy"] == pytest.approx(PUBLISHED[name][2])
    original = json.loads(path.read_text())
    for layers in (read_published(path), mapping_layers(mapping, graph, hermes)):
        write_published(tmp_path / "out.json", layers)
        assert json.loads((tmp_path / "out.json").read_text()) == original
        assert list(json.loads((tmp_path / "out.json").read_text())) == list(original)


def test_published_uses_are_those_of_the_workload(shared, hermes):
    """n_shared of the file = uses in the graph: queries and keys, layers that share."""
    folder = shared / "reference" / "hermes_mappings"
    for name, workload in (
        ("imdb_mapping", "performer_imdb_attention"),
        ("cifar10_mapping_full", "performer_cifar10_full"),
        ("listops_mapping_full", "performer_listops_full"),
    ):
        graph = graph_of(workload)
        mapping = map_graph(graph, hermes, str(folder / f"{name}.json"))
        shares = {layer.name: layer.n_shared for layer in read_published(folder / f"{name}.json")}
        assert {layer.name: layer.n_shared for layer in mapping_layers(mapping, graph, hermes)} == shares


def test_empty_published_mapping_imports_alone_and_names_what_it_misses(shared, hermes):
    path = shared / "reference" / "hermes_mappings" / "listops_mapping.json"
    layers = read_published(path)
    assert blocks_of_layers(layers, hermes) == []
    assert (
        mapping_document(
            graph_of_layers("listops", layers), replace_blocks(graph_of_layers("listops", layers), hermes), hermes
        )["totals"]["cores_used"]
        == 0
    )
    with pytest.raises(MappingError, match="feature_map"):
        map_graph(graph_of("performer_listops_attention"), hermes, str(path))


def replace_blocks(graph, chip):
    return map_graph(graph, chip, "packed")


def layer(regions, **changes):
    return {"type": "Linear", "weight": "w", "bias": "b", "tiles_map": {"0": {"0": regions}}, "n_shared": 1, **changes}


def region(rows=(0, 32), columns=(0, 128), at_row=0, at_column=0):
    return {
        "tile_col_region": [at_column, at_column + columns[1] - columns[0]],
        "tile_row_region": [at_row, at_row + rows[1] - rows[0]],
        "weight_col_region": list(columns),
        "weight_row_region": list(rows),
    }


FIRST = "encoder.encoder.layers.0.self_attn.attention.feature_map.projection_layer"
SECOND = FIRST.replace("layers.0", "layers.1")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({FIRST: layer([region()]), SECOND: layer([region()])}, "overlaps"),
        ({FIRST: layer([region(at_row=240)]), SECOND: layer([region()])}, "core rows 240:272"),
        ({FIRST: layer([region(rows=(0, 64))]), SECOND: layer([region(at_row=64)])}, "weight rows 0:64"),
        ({FIRST: layer([region()])}, "layers.1.*not placed"),
        ({FIRST: layer([region(rows=(0, 16))]), SECOND: layer([region(at_row=32)])}, "2048 of 4096 weights"),
        (
            {FIRST: layer([region(), region(at_row=64)]), SECOND: layer([region(at_row=32)])},
            "hold the same weights",
        ),
        ({FIRST: layer([region()]), SECOND: layer([region(at_row=32)]), "fc9": layer([])}, "fc9"),
        ({FIRST: layer([{**region(), "tile_row_region": [0, 31]}])}, "regions of one size"),
        ({FIRST: layer([{**region(), "tile_row_region": [5, 5]}])}, "first < end"),
        ({FIRST: layer([{**region(), "shape": 1}])}, "unknown field 'shape'"),
        ({FIRST: layer([region()], n_shared=0)}, "n_shared"),
        ({FIRST: {"type": "Linear"}}, "no weight"),
        ({FIRST: layer([], tiles_map={"9": {"0": [region()]}})}, "cluster 9"),
        ({FIRST: layer([], tiles_map={"x": {}})}, "whole number"),
        ([], "object of layers"),
    ],
)
def test_bad_mappings_are_refused_by_name(document, message, hermes, tmp_path):
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(document))
    with pytest.raises(MappingError, match=f"(?s){message}"):
        map_graph(graph_of("performer_imdb_attention"), hermes, str(path))


def test_a_layer_over_several_cores_in_uneven_pieces(hermes, tmp_path):
    pieces = {
        "0": {"3": [region((0, 20), (0, 128))], "5": [region((20, 32), (0, 50), at_row=10, at_column=7)]},
        "7": {"0": [region((20, 32), (50, 128), at_row=200, at_column=100)]},
    }
    document = {FIRST: layer([], tiles_map=pieces), SECOND: layer([region()])}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    graph = graph_of("performer_imdb_attention")
    mapping = map_graph(graph, hermes, str(path))
    assert sorted({block.core for block in mapping.blocks}) == [0, 3, 5, 56]
    write_published(tmp_path / "out.json", mapping_layers(mapping, graph, hermes))
    assert json.loads((tmp_path / "out.json").read_text())[FIRST]["tiles_map"] == pieces


def test_sharing_is_taken_from_the_file(hermes, tmp_path):
    """One projection for queries and keys needs n_shared 2; two for a workload with one are two copies."""
    graph = graph_of("performer_pathfinder_attention")
    split = graph_of("performer_pathfinder_attention", {"projections": "separate_qk"})
    one = {FIRST: layer([region((0, 16))], n_shared=2)}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(one))
    assert map_graph(split, hermes, str(path)).aliases == {"layers.0.W_q": "layers.0.W_k"}
    one[FIRST]["n_shared"] = 1
    path.write_text(json.dumps(one))
    with pytest.raises(MappingError, match="not placed"):
        map_graph(split, hermes, str(path))
    two = {
        FIRST.replace("feature_map", "feature_map_k"): layer([region((0, 16))]),
        FIRST.replace("feature_map", "feature_map_q"): layer([region((0, 16), at_row=16)]),
    }
    path.write_text(json.dumps(two))
    mapping = map_graph(graph, hermes, str(path))
    assert mapping.replicas["L0.h0.project_k"] == (0,)
    assert mapping.replicas["L0.h7.project_q"] == (1,)


def test_own_format_keeps_replicas_and_units(hetero, tmp_path):
    graph = graph_of("performer_imdb_full")
    mapping = map_graph(graph, hetero, "balanced")
    write_pins(tmp_path / "own.yaml", mapping)
    again = map_graph(graph, hetero, str(tmp_path / "own.yaml"))
    assert sorted(again.blocks) == sorted(mapping.blocks)
    assert again.replicas == mapping.replicas
    assert again.units == mapping.units
    with pytest.raises(MappingError, match="replicas"):
        mapping_layers(mapping, graph, hetero)


PINS = "schema_version: 1\nkind: mapping\nstrategy: {}\nblocks:\n  - {{{}}}\n"


@pytest.mark.parametrize("strategy", Strategy)
def test_pins_fix_blocks_and_leave_the_rest(strategy, hetero, tmp_path):
    graph = graph_of("performer_imdb_full")
    path = tmp_path / "pins.yaml"
    pin = "matrix: layers.0.fc1, cluster: 3, core: 2, rows: [0, 64], columns: [10, 100], at: [100, 50]"
    path.write_text(PINS.format(strategy, pin))
    mapping = map_graph(graph, hetero, str(path))
    fixed = [block for block in mapping.blocks if block.columns == (10, 100)]
    assert [(b.core, b.core_row, b.core_column) for b in fixed] == [(26, 100, 50)]
    rest = sum(b.n_cells for b in mapping.blocks if (b.matrix, b.replica) == ("layers.0.fc1", 0))
    assert rest == 64 * 128


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        ("matrix: nothing, core: 1", "no matrix 'nothing'"),
        ("matrix: layers.0.fc1, core: 64", "core 64"),
        ("matrix: layers.0.fc1, cluster: 0, core: 9", "core 9 of cluster 0"),
        ("matrix: layers.0.fc1, core: 1, rows: [0, 65]", "weight rows 0:65"),
        ("matrix: layers.0.fc1, core: 1, at: [200, 0]", "core rows 200:264"),
        ("matrix: layers.0.fc1, core: 1, rows: [3, 3]", "first < end"),
        ("matrix: layers.0.fc1, kore: 1", "unknown key 'kore'"),
    ],
)
def test_bad_pins_are_refused(pin, message, hermes, tmp_path):
    path = tmp_path / "pins.yaml"
    path.write_text(PINS.format("packed", pin))
    with pytest.raises(MappingError, match=message):
        map_graph(graph_of("performer_imdb_full"), hermes, str(path))


def test_pins_that_overlap_or_do_not_fit_are_refused(hermes, tmp_path):
    path = tmp_path / "pins.yaml"
    path.write_text(
        PINS.format("packed", "matrix: layers.0.fc1, core: 1, at: [0, 0]")
        + "  - {matrix: layers.1.fc1, core: 1, at: [32, 0]}\n"
    )
    with pytest.raises(MappingError, match="overlaps"):
        map_graph(graph_of("performer_imdb_full"), hermes, str(path))


def test_subtract_leaves_every_cell_outside_the_hole():
    whole, hole = ((0, 10), (0, 8)), ((3, 6), (2, 20))
    left = subtract(whole, hole)
    assert sum((r[1] - r[0]) * (c[1] - c[0]) for r, c in left) == 80 - 3 * 6
    assert subtract(whole, ((20, 30), (0, 8))) == [whole]


def test_unknown_strategy_and_missing_file_name_what_is_allowed(hermes):
    graph = graph_of("kernel_ridge_digits")
    with pytest.raises(MappingError, match="did you mean 'packed'"):
        map_graph(graph, hermes, "paked")
    with pytest.raises(MappingError, match=r"nowhere\.json"):
        map_graph(graph, hermes, "nowhere.json")


def test_picture_has_a_rectangle_per_block_and_a_square_per_core(hermes):
    mapping = map_graph(graph_of("performer_imdb_full"), hermes, "packed")
    svg = mapping_svg(mapping.blocks, hermes, title="a < b")
    assert svg.count("<title>") == len(mapping.blocks)
    assert svg.count('fill="#f4f4f4"') == 64
    assert "a &lt; b" in svg


def test_overlap_is_checked_for_both_directions(hermes):
    graph = graph_of("performer_imdb_attention")
    mapping = map_graph(graph, hermes, "packed")
    one, other = mapping.blocks
    with pytest.raises(MappingError, match="overlaps"):
        check_blocks([one, replace(other, core=one.core, core_row=one.core_row, core_column=64)], graph, hermes)
