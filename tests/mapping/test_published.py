"""The published format, value by value, and how its layers find the matrices of a workload."""

from __future__ import annotations

import json
import re

import pytest

from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.errors import MappingError
from hermes_sim.mapping.mapping import Block, Mapping
from hermes_sim.mapping.matching import canonical, match_layers
from hermes_sim.mapping.picture import _colour, mapping_svg
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.published import (
    Layer,
    Region,
    layer_blocks,
    mapping_layers,
    published_name,
    read_published,
    write_published,
)
from hermes_sim.mapping.summary import blocks_of_layers, graph_of_layers, mapping_document
from hermes_sim.workload.graph import GraphBuilder, Matrix

from .conftest import READ_PS, chip_of, names_of, products, units_of

PLAIN = {
    "tile_col_region": [3, 11], "tile_row_region": [2, 6], "weight_col_region": [0, 8], "weight_row_region": [0, 4],
}  # fmt: skip
LAYER = {"type": "Linear", "weight": "w", "bias": "b", "tiles_map": {"1": {"2": [PLAIN]}}, "n_shared": 3}


def changed(key, value):
    """A mapping whose only region has another value."""
    return {"a": {**LAYER, "tiles_map": {"1": {"2": [{**PLAIN, key: value}]}}}}


REGION = Region(1, 2, (3, 11), (2, 6), (0, 8), (0, 4))


@pytest.fixture
def read(tmp_path):
    def go(text):
        path = tmp_path / "published.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return read_published(path)

    return go


def test_a_layer_is_read_and_written_field_by_field(read, tmp_path):
    layers = read({"first": LAYER, "second": {**LAYER, "tiles_map": {}, "n_shared": 1}})
    assert layers == (Layer("first", "Linear", "w", "b", (REGION,), 3), Layer("second", "Linear", "w", "b", (), 1))
    assert [layer.shape for layer in layers] == [(4, 8), (0, 0)]
    write_published(tmp_path / "out.json", layers)
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "first": LAYER,
        "second": {**LAYER, "tiles_map": {}, "n_shared": 1},
    }


def test_the_shape_is_what_all_regions_reach():
    other = Region(0, 0, (0, 2), (0, 9), (8, 10), (0, 9))
    assert Layer("x", "Linear", "w", "b", (REGION, other), 1).shape == (9, 10)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "a JSON object of layers"),
        ("[]", "got      list"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ({"a": 3}, "a\n  got      3"),
        ({"a": {**LAYER, "type": 1}}, "a: type\n  got      1\n  allowed  text"),
        ({"a": {**LAYER, "weight": None}}, "a: weight\n  got      None"),
        ({"a": {**LAYER, "bias": []}}, "a: bias"),
        ({"a": {**LAYER, "n_shared": 0}}, "a: n_shared\n  got      0"),
        ({"a": {**LAYER, "n_shared": True}}, "a: n_shared\n  got      True"),
        ({"a": {**LAYER, "more": 0}}, "unknown field 'more'"),
        ({"a": {k: v for k, v in LAYER.items() if k != "bias"}}, "no bias"),
        ({"a": {**LAYER, "tiles_map": []}}, "tiles_map\n  got      []"),
        ({"a": {**LAYER, "tiles_map": {"1": []}}}, "tiles_map: 1\n"),
        ({"a": {**LAYER, "tiles_map": {"-1": {}}}}, "key '-1'"),
        ({"a": {**LAYER, "tiles_map": {"1234567": {}}}}, "key '1234567'"),
        ({"a": {**LAYER, "tiles_map": {"1": {"2": PLAIN}}}}, "core 1.2"),
        ({"a": {**LAYER, "tiles_map": {"1": {"2": [1]}}}}, "core 1.2\n  got      1"),
        (changed("tile_col_region", [3, 12]), "columns 3:12 of the core for 0:8"),
        (changed("tile_row_region", [3, 8]), "rows 3:8 of the core for 0:4"),
        (changed("tile_row_region", [4, 4]), "[4, 4]"),
        (changed("tile_row_region", [-1, 3]), "[-1, 3]"),
        (changed("tile_row_region", [1, 2, 3]), "[1, 2, 3]"),
        (changed("tile_row_region", [1, 2.0]), "[1, 2.0]"),
        (changed("tile_row_region", 5), "tile_row_region\n  got      5"),
    ],
)  # fmt: skip
def test_what_is_no_published_mapping_is_refused_by_place(read, document, message):
    with pytest.raises(MappingError, match=re.escape(message)):
        read(document)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MappingError, match=r"none\.json"):
        read_published(tmp_path / "none.json")


def test_blocks_of_a_layer_lie_on_core_cluster_times_size_plus_core(tiny):
    layer = Layer("x", "Linear", "w", "b", (REGION,), 1)
    assert layer_blocks(layer, tiny, matrix="W", replica=2) == [Block("W", 2, (0, 4), (0, 8), 5, 2, 3)]
    assert blocks_of_layers([layer], tiny) == [Block("x", 0, (0, 4), (0, 8), 5, 2, 3)]
    for cluster, core in ((2, 0), (0, 3)):
        with pytest.raises(MappingError, match=f"cluster {cluster}, core {core}") as refusal:
            layer_blocks(outside(cluster, core), tiny, matrix="W")
        assert refusal.value.allowed == "clusters 0 to 1, cores 0 to 2"


@pytest.mark.parametrize(
    ("key", "region", "where", "got"),
    [
        ("1", {"tile_col_region": [20, 28]}, "published.json: W0 (replica 0) rows 0:4", "core columns 20:28"),
        ("2", {}, "published.json: W0: tiles_map", "cluster 2, core 2"),
        ("1", {"weight_row_region": [4, 8]}, "published.json: W0", "32 of 64 weights placed"),
        ("0", {"weight_row_region": [2, 6]}, "published.json: core 2", "overlaps"),
    ],
)
def test_ranges_and_overlaps_name_the_file(tmp_path, tiny, key, region, where, got):
    low = {**PLAIN, "weight_row_region": [0, 4], **region}
    tiles = {key: {"2": [low, low] if key == "0" else [low]}}
    path = tmp_path / "published.json"
    path.write_text(json.dumps({"W0": {**LAYER, "tiles_map": tiles}}))
    with pytest.raises(MappingError) as refusal:
        map_graph(products((8, 8, 1)), tiny, path)
    assert where in str(refusal.value)
    assert got in str(refusal.value)


def outside(cluster, core):
    return Layer("x", "Linear", "w", "b", (Region(cluster, core, (0, 8), (0, 4), (0, 8), (0, 4)),), 1)


@pytest.mark.parametrize(
    ("matrix", "name"),
    [
        ("layers.3.W", "encoder.encoder.layers.3.self_attn.attention.feature_map.projection_layer"),
        ("layers.0.W_k", "encoder.encoder.layers.0.self_attn.attention.feature_map_k.projection_layer"),
        ("layers.12.k_proj", "encoder.encoder.layers.12.self_attn.k_proj"),
        ("layers.1.out_proj", "encoder.encoder.layers.1.self_attn.out_proj"),
        ("layers.1.fc2", "encoder.encoder.layers.1.fc2"),
        ("layers.1.fc3", "layers.1.fc3"),
        ("classifier", "classifier"),
    ],
)
def test_published_names(matrix, name):
    assert published_name(matrix) == name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("layers.3.W", "layers.3.feature_map"), ("layers.0.W_k", "layers.0.feature_map_k"), ("W", "feature_map"),
        ("W_q", "feature_map_q"), ("Wide", "Wide"), ("layers.1.fc2", "layers.1.fc2"),
        ("model.module.encoder.layers.1.fc2.weight", "layers.1.fc2"), ("conv1", "conv1"),
    ],
)  # fmt: skip
def test_names_without_what_all_have(name, short):
    assert canonical(name) == short


def test_a_mapping_is_written_with_regions_in_order_of_cores_and_uses_counted(tiny):
    graph = GraphBuilder("g")
    for i in range(3):
        graph.product(f"p{i}", Matrix("W", 4, 16), tokens=1, on_crossbar=True, use="heads" if i else "first")
    graph.product("q", Matrix("V", 4, 16), tokens=1, on_crossbar=True)
    built = graph.build()
    blocks = (Block("W", 0, (0, 4), (8, 16), 4, 2, 5), Block("W", 0, (0, 4), (0, 8), 5, 3, 1))
    mapping = Mapping("test", blocks, {}, {}, {"V": "W"})
    assert mapping_layers(mapping, built, tiny) == (
        Layer(
            "W", "Linear", "W.weight", "W.bias",
            (Region(1, 1, (5, 13), (2, 6), (8, 16), (0, 4)), Region(1, 2, (1, 9), (3, 7), (0, 8), (0, 4))),
            3,  # first, heads, and the matrix that shares its cells
        ),
    )  # fmt: skip
    two = Mapping("test", (*blocks, Block("W", 1, (0, 4), (0, 16), 0)), {}, {}, {"V": "W"})
    with pytest.raises(MappingError, match="2 replicas"):
        mapping_layers(two, built, tiny)
    other = Mapping("test", tuple(Block("W", 7, b.rows, b.columns, b.core) for b in blocks), {}, {}, {"V": "W"})
    assert len(mapping_layers(other, built, tiny)[0].regions) == 2


def layer(name, rows=4, columns=8, n_shared=1, core=0):
    return Layer(
        name, "Linear", "w", "b", (Region(0, core, (0, columns), (0, rows), (0, columns), (0, rows)),), n_shared
    )


def test_one_layer_and_one_matrix_need_no_name(tiny, tmp_path):
    graph = products((4, 8, 1))
    blocks, replicas, aliases = match_layers(tmp_path, (layer("anything"),), graph, tiny)
    assert (blocks, replicas, aliases) == ([Block("W0", 0, (0, 4), (0, 8), 0, 0, 0)], {"p0": (0,)}, {})
    with pytest.raises(MappingError, match="a layer that the workload does not have"):
        match_layers(tmp_path, (layer("W0"), layer("anything")), graph, tiny)


def performer(*names, use=None):
    graph = GraphBuilder("g")
    for name in names:
        graph.product(f"{name}.op", Matrix(name, 4, 8), tokens=1, on_crossbar=True, use=use or name)
    return graph.build()


def test_layers_that_share_weights_need_n_shared(tiny, tmp_path):
    graph = performer("layers.0.fc1", "layers.1.fc1")
    both = (layer("layers.0.fc1", core=1), layer("layers.1.fc1", core=2))
    assert match_layers(tmp_path, both, graph, tiny)[2] == {}
    one = (layer("layers.0.fc1", n_shared=2),)
    blocks, replicas, aliases = match_layers(tmp_path, one, graph, tiny)
    assert aliases == {"layers.1.fc1": "layers.0.fc1"}
    assert [block.matrix for block in blocks] == ["layers.0.fc1"]
    assert replicas == {"layers.0.fc1.op": (0,), "layers.1.fc1.op": (0,)}
    for more in ({}, {"rows": 3, "n_shared": 2}, {"columns": 7, "n_shared": 2}):
        with pytest.raises(MappingError, match=r"layers\.1\.fc1[\s\S]*not placed"):
            match_layers(tmp_path, (layer("layers.0.fc1", **more),), graph, tiny)


def test_queries_and_keys_share_one_projection_or_have_two(tiny, tmp_path):
    split = performer("layers.0.W_k", "layers.0.W_q")
    one = (layer(published_name("layers.0.W"), n_shared=2),)
    blocks, _, aliases = match_layers(tmp_path, one, split, tiny)
    assert ([block.matrix for block in blocks], aliases) == (["layers.0.W_k"], {"layers.0.W_q": "layers.0.W_k"})
    graph = GraphBuilder("g")
    for role in ("k", "q"):
        graph.product(f"op_{role}", Matrix("layers.0.W", 4, 8), tokens=1, on_crossbar=True, use=f"project_{role}")
    two = (layer(published_name("layers.0.W_q"), core=1), layer(published_name("layers.0.W_k"), core=2))
    blocks, replicas, aliases = match_layers(tmp_path, two, graph.build(), tiny)
    assert [(block.matrix, block.replica, block.core) for block in blocks] == [
        ("layers.0.W", 0, 1),
        ("layers.0.W", 1, 2),
    ]
    assert (replicas, aliases) == ({"op_q": (0,), "op_k": (1,)}, {})


def test_a_file_alone_is_a_graph_of_its_layers():
    graph = graph_of_layers("file", [layer("a", n_shared=5), layer("b", rows=3)])
    assert graph.name == "file"
    assert [(m.name, m.rows, m.columns) for m in graph.matrices] == [("a", 4, 8), ("b", 3, 8)]
    assert [(op.name, op.tokens, op.in_values, op.out_values, op.on_crossbar, op.use) for op in graph.operators] == [
        ("a", 5, 4, 8, True, "a"), ("b", 1, 3, 8, True, "b"),
    ]  # fmt: skip


ENDS = dict.fromkeys(("x0", "x1", "y0", "y1"), HOST_MEMORY)


def test_a_mapping_in_numbers(tiny):
    graph = products((4, 8, 7), (16, 16, 2))
    blocks = (
        Block("W1", 0, (0, 16), (0, 16), 1),
        Block("W0", 0, (0, 4), (0, 8), 5, 2, 3),
        Block("W0", 1, (0, 4), (0, 8), 5, 8, 3),
    )
    mapping = Mapping("test", blocks, {"p0": (0, 1), "p1": (0,)}, ENDS, note="why")
    document = mapping_document(graph, mapping, tiny)
    assert document["layers"][0] == {
        "layer": "W0", "rows": 4, "columns": 8, "weights": 32, "shares_cells_of": None, "uses_per_inference": 1,
        "products_per_inference": 7, "replicas": 2,
        "regions": [
            {
                "cluster": 1, "core": 2, "replica": i, "core_rows": [row, row + 4], "core_columns": [3, 11],
                "weight_rows": [0, 4], "weight_columns": [0, 8],
            }
            for i, row in ((0, 2), (1, 8))
        ],
    }  # fmt: skip
    assert document["cores"] == [
        {"cluster": 0, "core": 1, "weights": 256, "occupancy": 1.0, "load_ns": 2 * READ_PS / 1e3,
         "reads_per_inference": 2, "layers": ["W1"]},
        {"cluster": 1, "core": 2, "weights": 64, "occupancy": 0.25, "load_ns": 8 * READ_PS / 1e3,
         "reads_per_inference": 7, "layers": ["W0"]},
    ]  # fmt: skip
    # inputs: 7 x 4 and 2 x 16 bytes to each copy's turn, results twice 7 x 8 and 2 x 16, over two links
    assert document["totals"] == {
        "cores_used": 2, "cells_used": 320, "occupancy": 320 / 512, "chip_occupancy": 320 / 1536, "pieces": 3,
        "bytes_hops_per_inference": 2 * (7 * 4 + 2 * 16 + 2 * (7 * 8 + 2 * 16)),
    }  # fmt: skip
    assert (document["mapping"], document["note"], document["workload"]) == ("test", "why", "g")


def test_a_matrix_that_shares_cells_shows_whose(tiny):
    graph = products((4, 8, 7), (4, 8, 2))
    mapping = Mapping(
        "test",
        (Block("W0", 0, (0, 4), (0, 8), 5),),
        {"p0": (0,), "p1": (0,)},
        ENDS,
        {"W1": "W0"},
    )
    document = mapping_document(graph, mapping, tiny)
    assert [one["shares_cells_of"] for one in document["layers"]] == [None, "W0"]
    assert document["layers"][1]["regions"] == document["layers"][0]["regions"]
    assert document["cores"][0]["load_ns"] == 9 * READ_PS / 1e3


def test_a_mapping_of_nothing_fills_nothing(tiny):
    graph = GraphBuilder("g")
    graph.product("d", Matrix("V", 4, 4), tokens=4, on_crossbar=False)
    document = mapping_document(graph.build(), Mapping("test", (), {}, units_of({"d": "dpu0"})), tiny)
    assert (document["totals"]["occupancy"], document["totals"]["cores_used"], document["cores"]) == (0.0, 0, [])


def test_blocks_of_a_copy_come_in_order():
    blocks = (Block("W", 1, (0, 4), (0, 4)), Block("W", 0, (4, 8), (0, 4)), Block("W", 0, (0, 4), (0, 4)))
    mapping = Mapping("test", blocks, {}, {}, {"V": "W"})
    assert mapping.blocks_of("W", 0) == mapping.blocks_of("V", 0) == [blocks[2], blocks[1]]
    assert mapping.blocks_of("W", 2) == []
    assert mapping.cores_used == 1


def test_the_picture_draws_every_block_to_scale():
    chip = chip_of(16, 32, 2, 3)
    svg = mapping_svg([Block("W", 1, (0, 4), (8, 16), 4, 8, 16)], chip, title="t")
    # squares of 84 with gaps of 10 behind a margin of 46: core 4 is second of the second row
    assert 'x="182" y="182" width="21" height="21"' in svg
    assert "<title>W, replica 1, weight rows 0:4, columns 8:16</title>" in svg
    assert 'width="338" height="274"' in svg
    assert '<text x="8" y="18" font-size="14"' in svg
    assert '<rect x="46" y="46" width="84" height="84" fill="#f4f4f4"' in svg
    assert '<text x="276" y="40" font-size="11" text-anchor="middle" fill="#1b1f24">core 2</text>' in svg
    assert '<text x="38" y="182" font-size="11" text-anchor="end" fill="#1b1f24">cl. 1</text>' in svg


def test_the_legend_wraps_and_names_every_layer():
    chip = chip_of(16, 32, 2, 6)
    blocks = [Block(name, 0, (0, 1), (0, 1), i) for i, name in enumerate("abc")]
    svg = mapping_svg(blocks, chip, title="t")
    # six cores are 564 pixels wide: two columns of 260; the legend begins at 46 + 2 x 94 + 8
    for x, y, name in ((62, 252, "a"), (322, 252, "b"), (62, 268, "c")):
        assert f'<text x="{x}" y="{y}" font-size="11" text-anchor="start" fill="#1b1f24">{name}</text>' in svg
    assert 'height="290"' in svg
    colours = set(re.findall(r'fill="(#[0-9a-f]{6})" stroke="#1b1f24"', svg))
    assert len(colours) == 3


def test_shipped_strategies_by_name(hermes):
    graph = products((4, 8, 1))
    for name in ("packed", "spread", "balanced", "local"):
        assert map_graph(graph, hermes, name).strategy == name


def test_neighbours_in_the_legend_have_colours_far_apart():
    assert [_colour(i) for i in range(5)] == ["#ab2a2a", "#3b66ce", "#a7d863", "#ab2a9b", "#3bceb5"]


def test_a_published_mapping_may_have_any_name(tiny, tmp_path):
    """What is a file is read as one; what only looks like a file is missed as one."""
    path = tmp_path / "mapping"
    write_published(path, (layer("W0"),))
    graph = products((4, 8, 1))
    mapping = map_graph(graph, tiny, str(path))
    assert (mapping.strategy, mapping.blocks) == ("mapping", (Block("W0", 0, (0, 4), (0, 8), 0, 0, 0),))
    for name in ("none.json", "none.yaml", "none.yml"):
        with pytest.raises(MappingError, match=rf"none\.{name.partition('.')[2]}"):
            map_graph(graph, tiny, name)
    with pytest.raises(MappingError, match="mapping strategy") as refusal:
        map_graph(graph, tiny, "spred")
    assert (refusal.value.got, refusal.value.hint) == ("'spred'", "did you mean 'spread'?")
    assert refusal.value.allowed == "packed, spread, balanced, local, or the path of a mapping file"


def test_units_of_a_published_mapping_are_shared_out(tiny, tmp_path):
    graph = GraphBuilder("g")
    graph.product("p", Matrix("W", 4, 8), tokens=1, on_crossbar=True)
    for name in ("a", "b"):
        graph.product(name, Matrix(name, 8, 8), tokens=4, on_crossbar=False)
    write_published(tmp_path / "p.json", (layer("W"),))
    assert names_of(map_graph(graph.build(), tiny, str(tmp_path / "p.json")).units) == {"a": "dpu0", "b": "dpu1"}


@pytest.mark.parametrize("name", ["layers.0.fc1_x", "layers.9.fc1_k", "layers.9.W_q", "layers.9.W", "layers.0.f"])
def test_a_layer_that_no_matrix_answers_to_is_refused(name, tiny, tmp_path):
    graph = performer("layers.0.fc1", "layers.0.W")
    known = (layer("layers.0.fc1"), layer(published_name("layers.0.W"), core=1))
    assert len(match_layers(tmp_path, known, graph, tiny)[0]) == 2
    with pytest.raises(MappingError, match="a layer that the workload does not have") as refusal:
        match_layers(tmp_path, (*known, layer(published_name(name), core=2)), graph, tiny)
    assert refusal.value.allowed == "layers.0.fc1, layers.0.feature_map"
    assert refusal.value.where.endswith(published_name(name))
