"""Mapping files of our own: names, units, products off the crossbars, what is left to a strategy."""

from __future__ import annotations

import re

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.places import HOST_MEMORY
from hermes_sim.errors import MappingError, MappingInfeasible
from hermes_sim.mapping.blocks import check_blocks
from hermes_sim.mapping.names import Names
from hermes_sim.mapping.pins import subtract, write_pins
from hermes_sim.mapping.place import map_graph
from hermes_sim.mapping.summary import mapping_document
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpKind
from hermes_sim.workload.load import build_graph, load_workload

from .conftest import chip_of, names_of, products

HEAD = "schema_version: 1\nkind: mapping\n"


@pytest.fixture
def place(tmp_path):
    """Place a graph on a chip as a text says."""

    def go(text, graph, chip, seed=0):
        path = tmp_path / "own.yaml"
        path.write_text(HEAD + text)
        return map_graph(graph, chip, str(path), seed=seed)

    return go


@pytest.fixture(scope="module")
def digits():
    return build_graph(load_workload("kernel_ridge_digits"))


def test_files_of_earlier_versions_still_load(tmp_path, digits, hermes):
    found = []
    for kind in ("mapping", "placement"):
        path = tmp_path / f"{kind}.yaml"
        path.write_text(f"schema_version: 1\nkind: {kind}\nstrategy: packed\n")
        found.append(map_graph(digits, hermes, str(path)).blocks)
    assert found[0] == found[1]


def refused(place, text, graph, chip, *parts, error=MappingError):
    with pytest.raises(error) as refusal:
        place(text, graph, chip)
    for part in parts:
        assert part in str(refusal.value)


def where(mapping):
    return [(b.matrix, b.replica, b.rows, b.columns, b.core, b.core_row, b.core_column) for b in mapping.blocks]


def test_a_unit_without_the_function_is_refused_by_name(place, digits, hetero):
    refused(
        place, "strategy: packed\nunits: {readout: gdpu0}\n", digits, hetero,
        "own.yaml, line 4: units.readout", "gdpu0, a unit that lacks mac", "dpu0, dpu1", "host0",
    )  # fmt: skip
    refused(place, "strategy: packed\nunits: {readout: dpu8}\n", digits, hetero, "no unit 'dpu8'", "did you mean 'dpu")
    refused(
        place,
        "strategy: packed\nunits: {radout: dpu0}\n",
        digits,
        hetero,
        "no digital operator 'radout'",
        "did you mean 'readout'?",
    )
    refused(place, "strategy: packed\nunits: {sample: dpu0}\n", digits, hetero, "no digital operator 'sample'")


def test_a_unit_for_a_product_on_the_crossbars_points_at_digital(place, digits, hetero):
    for name in ("project", "W"):
        refused(
            place, f"strategy: packed\nunits: {{{name}: dpu0}}\n", digits, hetero,
            f"'{name}', a product on the crossbars", f"`digital: [{name}]`",
        )  # fmt: skip


def test_a_pinned_unit_counts_for_the_others(place, hetero):
    graph = GraphBuilder("g")
    for name, n in (("a", 8), ("b", 8), ("c", 8)):
        graph.product(name, Matrix(name, 16, 16), tokens=n, on_crossbar=False)
    mapping = place("strategy: packed\nunits: {c: dpu0}\n", graph.build(), hetero)
    assert names_of(mapping.units) == {"a": "dpu1", "b": "dpu2", "c": "dpu0"}


def test_a_memory_may_be_pinned_where_it_fits(place, hetero):
    graph = build_graph(load_workload("performer_imdb_full"))
    mapping = place("strategy: packed\nunits: {L0.sequence: dpu5}\n", graph, hetero)
    assert str(mapping.units["L0.sequence"]) == "dpu5"
    assert str(place("strategy: packed\nunits: {L0.sequence: host0}\n", graph, hetero).units["L0.sequence"]) == "host0"
    refused(
        place,
        "strategy: packed\nunits: {L0.sequence: gdpu0}\n",
        graph,
        hetero,
        "operator L0.sequence",
        "65536 bytes",
        error=MappingInfeasible,
    )


def test_an_embedding_may_not_be_pinned_on_the_chip(place, hetero):
    graph = build_graph(load_workload("lstm_ptb"))
    refused(place, "strategy: packed\nunits: {embedding: gdpu0}\n", graph, hetero, "gdpu0, a unit that lacks", "host0")


@pytest.mark.parametrize("name", ["W", "project"])
def test_digital_keeps_a_product_off_the_crossbars(place, digits, hetero, name):
    mapping = place(f"strategy: packed\ndigital: [{name}]\n", digits, hetero)
    assert (mapping.blocks, mapping.replicas, mapping.digital) == ((), {}, {"project"})
    assert str(mapping.units["project"]) == "dpu0"
    mapped = mapping.mapped(digits)
    assert not mapped.operator("project").on_crossbar
    assert mapping.mapped(mapped) == mapped
    assert mapping_document(digits, mapping, hetero)["digital"] == ["project"]
    pinned = place(f"strategy: packed\ndigital: [{name}]\nunits: {{project: host0}}\n", digits, hetero)
    assert str(pinned.units["project"]) == "host0"


def test_digital_in_a_mapping_gives_the_figures_of_digital_in_the_workload(digits, hetero, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(HEAD + "strategy: packed\ndigital: [W]\n")
    one = simulate(hetero, "kernel_ridge_digits", mapping=str(path), accuracy=False, inferences=4).document
    work = load_workload("kernel_ridge_digits").model_copy(update={"digital": ["W"]})
    other = simulate(hetero, work, mapping="spread", accuracy=False, inferences=4).document
    for key in ("latency_ns", "makespan_ns", "energy_pj", "ops", "firings", "baselines"):
        assert one[key] == other[key]


def test_digital_refuses_what_is_no_product(place, digits, hetero):
    refused(
        place,
        "strategy: packed\ndigital: [features]\n",
        digits,
        hetero,
        "own.yaml, line 4: digital",
        "no matrix or product 'features'",
        "project, W, readout",
    )


def test_digital_is_kept_by_a_written_mapping(place, hetero, tmp_path):
    graph = build_graph(load_workload("performer_imdb_full"))
    mapping = place("strategy: spread\ndigital: [layers.0.fc1, layers.1.fc2]\n", graph, hetero)
    write_pins(tmp_path / "whole.yaml", mapping)
    again = map_graph(graph, hetero, str(tmp_path / "whole.yaml"))
    assert (again.digital, dict(again.units), sorted(again.blocks)) == (
        mapping.digital,
        dict(mapping.units),
        sorted(mapping.blocks),
    )
    assert len(mapping.digital) == 2
    assert str(HOST_MEMORY) not in (tmp_path / "whole.yaml").read_text()


def test_a_matrix_may_be_called_by_its_operator(place, digits, hetero):
    mapping = place("strategy: packed\nblocks: [{matrix: project, core: 5, columns: [0, 100]}]\n", digits, hetero)
    assert where(mapping)[0] == ("W", 0, (0, 64), (0, 100), 5, 0, 0)
    refused(
        place, "strategy: packed\nblocks: [{matrix: projekt, core: 5}]\n", digits, hetero,
        "own.yaml, line 4: blocks.0.matrix", "no matrix 'projekt'", "W (operator project)", "did you mean 'project'?",
    )  # fmt: skip


def shared():
    graph = GraphBuilder("shared")
    for i in range(5):
        graph.product(f"p{i}", Matrix("W", 8, 8), tokens=4, on_crossbar=True)
    graph.product("V", Matrix("V", 8, 8), tokens=4, on_crossbar=True)
    return graph.build()


def test_replicas_may_be_given_for_all_operators_of_a_matrix(place, tiny):
    blocks = "blocks: [{matrix: W, core: 0}, {matrix: W, core: 1, replica: 1}]\n"
    mapping = place(f"strategy: packed\n{blocks}replicas: {{W: [1, 0], p3: [0]}}\n", shared(), tiny)
    assert mapping.replicas == {"p0": (1, 0), "p1": (1, 0), "p2": (1, 0), "p3": (0,), "p4": (1, 0), "V": (0,)}
    refused(
        place,
        "strategy: packed\nreplicas: {X: [0]}\n",
        shared(),
        tiny,
        "own.yaml, line 4: replicas.X",
        "no operator on the crossbars 'X'",
    )


def test_names_list_a_few_operators_of_a_matrix():
    names = Names("file: {}".format, shared())
    with pytest.raises(MappingError, match=re.escape("W (operator p0, p1, p2, and 2 more), V")):
        names.matrix("X", "blocks")
    assert names.operators("V", "replicas") == ["V"]
    assert names.operators("W", "replicas") == [f"p{i}" for i in range(5)]
    assert names.matrix("p4", "blocks") == "W"


def test_aliases_share_cells_of_one_shape(place, tiny):
    graph = products((8, 8, 2), (8, 8, 3), (8, 4, 1))
    mapping = place("strategy: packed\naliases: {W1: W0}\n", graph, tiny)
    assert mapping.aliases == {"W1": "W0"}
    assert {block.matrix for block in mapping.blocks} == {"W0", "W2"}
    assert mapping.blocks_of("W1", 0) == mapping.blocks_of("W0", 0)
    for text, part in (
        ("{W1: W2}", "W2, 8 x 4"), ("{W1: W1}", "another matrix of 8 x 8"), ("{W9: W0}", "no matrix 'W9'"),
        ("{W1: W9}", "no matrix 'W9'"), ("{W1: W0, W0: W1}", "an alias too"),
    ):  # fmt: skip
        refused(place, f"strategy: packed\naliases: {text}\n", graph, tiny, "own.yaml, line 4: aliases.W", part)


def test_pins_find_the_first_free_corner(place, tiny):
    graph = products((8, 8, 1), (8, 8, 1), (6, 16, 1))
    pins = "blocks:\n - {matrix: W0, core: 4, at: [0, 0]}\n - {matrix: W1, core: 4}\n"
    pins += " - {matrix: W2, cluster: 1, core: 1}\n"
    mapping = place(f"strategy: none\n{pins}", graph, tiny)
    assert [(m, c, r, k) for m, _, _, _, c, r, k in where(mapping)] == [
        ("W0", 4, 0, 0),
        ("W1", 4, 0, 8),
        ("W2", 4, 8, 0),
    ]
    full = pins + " - {matrix: W0, core: 4, replica: 1}\n"
    refused(
        place,
        f"strategy: none\n{full}",
        graph,
        tiny,
        "own.yaml, line 8: blocks.3: core 4",
        "no room for W0 (replica 1)",
    )


@pytest.mark.parametrize(("strategy", "cores"), [("packed", [3, 3, 3]), ("spread", [3, 0, 1])])
def test_the_rest_goes_on_used_cores_or_on_empty_ones(place, tiny, strategy, cores):
    graph = products((8, 8, 1), (8, 8, 1), (8, 8, 1))
    mapping = place(f"strategy: {strategy}\nblocks: [{{matrix: W1, core: 3}}]\n", graph, tiny)
    assert [(m, c) for m, _, _, _, c, _, _ in where(mapping)] == list(zip(("W1", "W0", "W2"), cores, strict=True))


def test_the_rest_of_a_pinned_matrix_is_cut_around_the_pin(place, tiny):
    graph = products((20, 8, 1))
    mapping = place("strategy: spread\nblocks: [{matrix: W0, core: 2, rows: [2, 4], columns: [0, 3]}]\n", graph, tiny)
    check_blocks(mapping.blocks, graph, tiny)
    assert [(rows, columns) for _, _, rows, columns, _, _, _ in where(mapping)] == [
        ((2, 4), (0, 3)), ((0, 2), (0, 8)), ((4, 20), (0, 8)), ((2, 4), (3, 8)),
    ]  # fmt: skip
    longer = products((30, 8, 1))
    pieces = place("strategy: spread\nblocks: [{matrix: W0, core: 2, rows: [0, 1]}]\n", longer, tiny)
    assert [rows for _, _, rows, _, _, _, _ in where(pieces)] == [(0, 1), (1, 15), (15, 30)]
    wider = products((4, 40, 1))
    pieces = place("strategy: spread\nblocks: [{matrix: W0, core: 2, columns: [0, 1]}]\n", wider, tiny)
    assert [columns for _, _, _, columns, _, _, _ in where(pieces)] == [(0, 1), (1, 14), (14, 27), (27, 40)]


def test_pieces_share_cores_when_no_empty_one_is_left(place):
    one = chip_of(16, 16, 1, 1)
    graph = products((8, 8, 1), (8, 8, 1))
    mapping = place("strategy: spread\nblocks: [{matrix: W0, core: 0}]\n", graph, one)
    assert [(m, r, c) for m, _, _, _, _, r, c in where(mapping)] == [("W0", 0, 0), ("W1", 0, 8)]
    crowded = products((8, 16, 1), (9, 8, 1))  # as many cells as there are, but not so cut
    refused(
        place,
        "strategy: packed\nblocks: [{matrix: W0, core: 0}]\n",
        crowded,
        one,
        "W1 (replica 0)",
        "demand 2 cores, capacity 1",
        error=MappingInfeasible,
    )
    huge = products((16, 10**10, 1))
    refused(place, "strategy: packed\n", huge, one, f"demand {10**10 // 16} cores", error=MappingInfeasible)


@pytest.mark.parametrize(
    ("strategy", "copies"),
    [
        ("packed", [0, 0]),
        ("balanced", [1, 0]),
        ("none\nblocks: [{matrix: W, core: 0}]", [0, 0]),
        ("spread", [0, 1]),
        ("local", [0, 1]),
    ],
)
def test_copies_not_said_are_the_strategy_s(place, strategy, copies):
    graph = GraphBuilder("g")
    for i in range(2):
        graph.product(f"p{i}", Matrix("W", 16, 16), tokens=1, on_crossbar=True)
    mapping = place(f"strategy: {strategy}\n", graph.build(), chip_of(16, 16, 1, 2))
    assert [mapping.replicas[f"p{i}"][0] for i in range(2)] == copies


def test_pinned_replicas_are_used_in_turn(place, tiny):
    graph = products((16, 16, 6))
    blocks = "blocks: [{matrix: W0, core: 0, replica: 2}, {matrix: W0, core: 4, replica: 1}]\n"
    assert place(f"strategy: packed\n{blocks}", graph, tiny).replicas == {"p0": (1, 2)}


def test_pinned_cores_stay_when_the_rest_moves(place, hermes):
    graph = build_graph(load_workload("resnet9_cifar10"))
    names = [matrix.name for matrix in graph.matrices]
    pins = f"blocks: [{{matrix: {names[0]}, cluster: 7, core: 7}}]\n"
    for strategy in ("local", "balanced"):
        mapping = place(f"strategy: {strategy}\n{pins}", graph, hermes)
        assert next(b.core for b in mapping.blocks if (b.matrix, b.replica) == (names[0], 0)) == 63
        other = place(f"strategy: {strategy}\n{pins}", graph, hermes, seed=1)
        assert other.blocks != mapping.blocks
        assert mapping.strategy == "own"


def test_balanced_pins_get_replicas(place):
    graph = products((16, 16, 8))
    mapping = place("strategy: balanced\nblocks: [{matrix: W0, core: 1}]\n", graph, chip_of(16, 16, 1, 2))
    assert mapping.replicas == {"p0": (0, 1)}
    assert sorted(block.core for block in mapping.blocks) == [0, 1]
    assert mapping.note.startswith("stopped")


def test_subtract_by_hand():
    whole = ((0, 10), (0, 8))
    assert subtract(whole, ((3, 6), (2, 5))) == [
        ((0, 3), (0, 8)),
        ((6, 10), (0, 8)),
        ((3, 6), (0, 2)),
        ((3, 6), (5, 8)),
    ]
    assert subtract(whole, ((0, 10), (0, 8))) == []
    assert subtract(whole, ((0, 4), (0, 8))) == [((4, 10), (0, 8))]
    for outside in (((10, 12), (0, 8)), ((0, 10), (8, 9))):
        assert subtract(whole, outside) == [whole]
    assert subtract(((5, 7), (5, 7)), ((0, 6), (0, 6))) == [((6, 7), (5, 7)), ((5, 6), (6, 7))]


def test_operators_without_functions_may_be_anywhere(place, hetero):
    graph = GraphBuilder("g")
    graph.add(Operator("join", OpKind.ELEMENTWISE, 2, 4, 4))
    found = place("strategy: packed\nunits: {join: gdpu3}\n", graph.build(), hetero)
    assert names_of(found.units) == {"join": "gdpu3"}


@pytest.mark.parametrize(
    ("rest", "missing"),
    [
        ("blocks: []", "W0 (replica 0) rows 0:20 columns 0:8, W1 (replica 0) rows 0:8 columns 0:8: not placed"),
        ("blocks: [{matrix: W1, core: 3}]", "got      W0 (replica 0) rows 0:20 columns 0:8: not placed"),
        (
            "blocks: [{matrix: W1, core: 3}, {matrix: W0, core: 0, rows: [0, 16]}]",
            "got      W0 (replica 0) rows 16:20 columns 0:8: not placed",
        ),
        (
            "blocks: [{matrix: W1, core: 3}]\nreplicas: {W1: [0, 1]}",
            "rows 0:20 columns 0:8, W1 (replica 1) rows 0:8 columns 0:8: not placed",
        ),
    ],
)
def test_what_no_block_holds_is_placed_by_a_strategy_but_never_by_none(place, tiny, rest, missing):
    graph = products((20, 8, 1), (8, 8, 4))
    refused(place, f"strategy: none\n{rest}\n", graph, tiny, "own.yaml, line 4: blocks", missing, "`strategy: none`")
    check_blocks(place(f"strategy: packed\n{rest}\n", graph, tiny).blocks, graph, tiny)


def test_a_whole_file_with_aliases_needs_no_blocks_for_them(place, tiny):
    text = "strategy: none\nblocks: [{matrix: W0, core: 2}]\naliases: {W1: W0}\n"
    assert [b.matrix for b in place(text, products((8, 8, 1), (8, 8, 1)), tiny).blocks] == ["W0"]


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ("blocks: [{matrix: NAME, core: 0}]", "line 5: blocks.0.matrix"),
        ("replicas: {NAME: [0]}", "line 5: replicas.NAME"),
    ],
)
@pytest.mark.parametrize("name", ["W", "project"])
def test_a_product_that_the_file_keeps_digital_cannot_lie_on_a_core(place, digits, hetero, name, field, where):
    refused(
        place,
        f"strategy: packed\ndigital: [W]\n{field}\n".replace("NAME", name),
        digits,
        hetero,
        f"own.yaml, {where}".replace("NAME", name),
        f"'{name}', which `digital` of this file keeps off the crossbars",
        "allowed  nothing: no product is on the crossbars",
        "take it out of `digital`",
    )


def test_a_product_that_the_workload_computes_digitally_is_not_called_unknown(place, digits, hetero):
    refused(
        place,
        "strategy: packed\nblocks: [{matrix: readout, core: 0}]\n",
        digits,
        hetero,
        "'readout', which the workload keeps off the crossbars",
        "W (operator project)",
    )


def test_a_replica_named_twice_is_refused(place, digits, hetero):
    refused(
        place,
        "strategy: packed\nreplicas:\n  project: [0, 1, 0]\n",
        digits,
        hetero,
        "own.yaml, line 5: replicas.project",
        "got      [0, 1, 0]",
        "every replica once",
    )


@pytest.mark.parametrize(
    ("pin", "field", "got", "allowed"),
    [
        ("cluster: 2, core: 0", "blocks.1.cluster", "cluster 2", "0 to 1"),
        ("cluster: 1, core: 3", "blocks.1.core", "core 3 of cluster 1", "0 to 2"),
        ("core: 6", "blocks.1.core", "core 6", "0 to 5"),
    ],
)
def test_clusters_and_cores_are_checked_as_they_were_written(place, tiny, pin, field, got, allowed):
    pins = f"blocks:\n- {{matrix: W0, core: 0}}\n- {{matrix: W1, {pin}}}\n"
    words = f"own.yaml, line 6: {field}\n  got      {got}\n  allowed  {allowed}"
    refused(place, f"strategy: packed\n{pins}", products((8, 8, 1), (8, 8, 1)), tiny, words)


@pytest.mark.parametrize(
    ("pin", "what", "got"),
    [
        ("matrix: W1, core: 1, rows: [0, 9]", "W1 (replica 0) rows 0:9", "weight rows 0:9"),
        ("matrix: W1, core: 1, at: [9, 0]", "W1 (replica 0) rows 0:8", "core rows 9:17"),
        ("matrix: W1, core: 0, at: [4, 4]", "core 0", "W0 (replica 0) rows 0:8 columns 0:8 overlaps W1"),
        ("matrix: W0, core: 1, rows: [7, 8]", "W0", "rows 7:8 columns 0:8 hold the same weights"),
        ("matrix: W0, core: 0, at: [0, 0]", "core 0", "overlaps W0"),
    ],
)
def test_ranges_and_overlaps_name_the_block_in_the_file(place, tiny, pin, what, got):
    pins = f"blocks:\n- {{matrix: W0, core: 0, at: [0, 0]}}\n- {{{pin}}}\n"
    for strategy in ("packed", "none"):
        refused(
            place, f"strategy: {strategy}\n{pins}", products((8, 8, 1), (8, 8, 1)), tiny,
            f"own.yaml, line 6: blocks.1: {what}", got,
        )  # fmt: skip


def test_a_pin_outside_the_weight_or_the_chip_says_so_before_there_is_no_room(place, tiny):
    graph = products((8, 8, 1))
    for pin, part in (
        ("core: 0, rows: [0, 300]", "weight rows 0:300"), ("core: 0, columns: [0, 20]", "weight columns 0:20"),
        ("core: 6", "core 6"),
    ):  # fmt: skip
        refused(place, f"strategy: packed\nblocks: [{{matrix: W0, {pin}}}]\n", graph, tiny, part)
