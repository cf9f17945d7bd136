from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import plotly.graph_objects as go
import pytest

from hermes_sim.api import simulate
from hermes_sim.kit.figures import shortened
from hermes_sim.kit.formatting import energy_of_pj, time_of_ns
from hermes_sim.mapping.mapping import Block
from hermes_sim.metrics.timing import stage_times
from hermes_sim.report.page import report_page
from hermes_sim.report.section_overview import matrix_groups, placement_svg
from hermes_sim.report.summary import ends_text
from hermes_sim.workload.load import load_workload

SECTIONS = {
    "summary", "chip", "latency", "energy", "comparison", "timeline", "roofline", "accuracy", "provenance", "inputs",
}  # fmt: skip
PLOTS = {
    "plot-energy-ratio", "plot-time-ratio", "plot-latency-waterfall", "plot-waiting", "plot-energy-waterfall",
    "plot-energy-operators", "plot-floorplan", "plot-timeline", "plot-roofline", "plot-provenance",
}  # fmt: skip


@pytest.fixture(scope="module", params=["small", "large", "rich"])
def result(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def page(result, read_page):
    return read_page(report_page(result))


def test_every_section_and_plot_is_there(page):
    assert set(page.ids) >= SECTIONS | PLOTS
    assert len(page.ids) == len(set(page.ids))
    assert set(page.plots) >= PLOTS


def test_optional_sections_appear_with_their_data_only(small, rich, read_page, tell):
    plain, full = read_page(report_page(tell(small, ratio_factors=[]))), read_page(report_page(rich))
    assert not {"uncertainty", "ratio"} & set(plain.ids)
    assert {"uncertainty", "ratio"} <= set(full.ids)
    assert {"plot-tornado-0", "plot-tornado-1", "plot-accuracy", "plot-ratio-factors-0"} <= set(full.plots)
    latency_ns = rich.document["latency_ns"]
    assert ends_text(time_of_ns(0.5 * latency_ns), time_of_ns(2 * latency_ns)) in full.text
    assert "(0.1x to 1.5x)" in full.text
    assert "Within the ranges of the assumed values the winner may change in 1 of 8 cases." in full.text


def test_plots_are_valid(page):
    for figure in page.plots.values():
        go.Figure(data=figure["data"], layout=figure["layout"])


def test_headline_is_the_document(page, result):
    document = result.document
    for value in (
        time_of_ns(document["latency_ns"]),
        energy_of_pj(document["energy_pj"]["per_inference"]),
        f"{document['tops_per_w']:.4g} TOPS/W",
        document["bottleneck"]["resource"],
        document["inputs"]["sha256"],
        document["hermes_sim_version"],
    ):
        assert value in page.text


def test_waterfalls_end_at_the_totals(page, result):
    factors = {"s": 1, "ms": 1e3, "µs": 1e6, "ns": 1e9, "J": 1, "mJ": 1e3, "µJ": 1e6, "nJ": 1e9}
    totals = {
        "plot-latency-waterfall": result.document["latency_ns"] * 1e-9,
        "plot-energy-waterfall": result.document["energy_pj"]["per_inference"] * 1e-12,
    }
    for name, total in totals.items():
        bars = page.plots[name]["data"][0]
        factor = factors[page.plots[name]["layout"]["xaxis"]["title"]["text"].rpartition(", ")[2]]
        assert sum(bars["x"][:-1]) == pytest.approx(bars["x"][-1])
        assert bars["x"][-1] == pytest.approx(total * factor, rel=1e-6)
        assert bars["base"][1:-1] == pytest.approx([sum(bars["x"][:i]) for i in range(1, len(bars["x"]) - 1)])


def test_operators_of_the_energy_figure_add_up(page, result):
    figure = page.plots["plot-energy-operators"]
    factor = {"mJ": 1e3, "µJ": 1e6, "nJ": 1e9}[figure["layout"]["xaxis"]["title"]["text"].rpartition(", ")[2]]
    total = sum(sum(trace["x"]) for trace in figure["data"])
    assert total == pytest.approx(result.document["energy_pj"]["per_inference"] * 1e-12 * factor)


def test_rows_of_waiting_begin_with_the_first_vector_and_end_within_the_run(page, result):
    traces = page.plots["plot-waiting"]["data"]
    assert [trace["name"] for trace in traces] == [
        "busy", "waits for data", "waits for space", "waits for the resource",
    ]  # fmt: skip
    assert traces[0]["base"] == sorted(traces[0]["base"])
    for before, after in itertools.pairwise(traces):
        ends = [base + x for base, x in zip(before["base"], before["x"], strict=True)]
        assert after["base"] == pytest.approx(ends)
    _, limit = page.plots["plot-waiting"]["layout"]["xaxis"]["range"]
    assert all(base + x <= limit for base, x in zip(traces[-1]["base"], traces[-1]["x"], strict=True))
    operators = {label.partition(": ")[0] for label in page.plots["plot-waiting"]["layout"]["yaxis"]["ticktext"]}
    busiest = max(stage_times(result.runs.all.lowered, result.runs.all.record), key=lambda row: row.busy_ps)
    assert shortened(busiest.operator) in operators


def test_every_operator_that_computes_is_on_the_roofline(page, result):
    words = " ".join(
        " ".join(trace["customdata"]) for trace in page.plots["plot-roofline"]["data"] if "customdata" in trace
    )
    for op in result.graph.operators:
        if result.graph.ops_of(op):
            assert f"{op.name} on " in words


def test_factors_end_at_the_ratio(rich, read_page):
    figure = read_page(report_page(rich)).plots["plot-ratio-factors-0"]
    bars = figure["data"][0]
    assert sum(bars["x"][:-1]) == pytest.approx(bars["x"][-1])
    assert 10 ** bars["x"][-1] == pytest.approx(rich.document["ratio_factors"][0]["ratio"])


def test_floorplan_has_every_core(page, result):
    tiles = [label for row in page.plots["plot-floorplan"]["data"][0]["text"] for label in row if label]
    labels = {label.partition("<br>")[0] for label in tiles}
    assert labels >= {str(core) for core in range(result.chip.n_cores)}
    assert {"in", "out"} <= labels


def test_asks_nothing_of_the_network(page):
    assert page.sources == []
    allowed = re.compile(r"#[\w-]+|data:,|[\w./-]+\.(csv|json|yaml|md)")
    assert all(allowed.fullmatch(link) for link in page.links), page.links


def test_links_lead_somewhere(page):
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids


def test_names_cannot_break_the_page(small, read_page, tell):
    evil = '<b>&"x"</script><script>alert(1)</script>'
    chip = small.chip.model_copy(update={"name": evil, "description": evil})
    workload = load_workload("kernel_ridge_digits").model_copy(update={"name": evil, "description": evil})
    result = simulate(chip, workload, inferences=2, accuracy=False, baselines=("a100",))
    rows = [{**row, "name": evil} for row in result.document["baselines"]]
    text = report_page(tell(result, baselines=rows))
    assert "<script>alert(1)</script>" not in text
    page = read_page(text)
    assert set(page.ids) >= SECTIONS
    labels = page.plots["plot-energy-ratio"]["layout"]["yaxis"]["ticktext"]
    assert all("<" not in label for label in labels)


def test_works_without_baselines_and_with_one_inference(read_page):
    result = simulate("hermes_64", "kernel_ridge_digits", inferences=1, accuracy=False, baselines=())
    page = read_page(report_page(result))
    assert "comparison" not in page.ids
    assert "one inference" in page.text


def test_products_alone_have_no_transfers(read_page):
    page = read_page(report_page(simulate("hermes_64", "peak_mvm", accuracy=False)))
    assert set(page.ids) >= SECTIONS


def test_the_page_begins_with_the_chip_and_what_it_did_then_comes_the_comparison(page):
    order = [name for name in page.ids if name in SECTIONS]
    assert order[:5] == ["summary", "comparison", "chip", "latency", "energy"]
    assert "Where the time of one inference goes" in page.text.partition("Against digital accelerators:")[0]


def test_bounds_and_energies_say_what_they_hold_for(page, result):
    energy, n = result.document["energy_pj"], result.document["inputs"]["inferences"]
    assert "no schedule with this mapping can beat" in page.text
    assert f"{energy_of_pj(energy['by_place']['on_chip'] / n)} on the chip" in page.text
    assert energy_of_pj(energy["on_chip_per_inference"]) in page.text


def test_the_overview_says_where_time_and_energy_go(page, result):
    """Every part of both bars is listed with its share; the shares of a bar are the whole."""
    text = page.text
    for head in (
        f"Where the time of one inference goes ({time_of_ns(result.document['latency_ns'])})",
        f"Where the energy of one inference goes ({energy_of_pj(result.document['energy_pj']['per_inference'])})",
    ):
        assert head in text
        shares = re.findall(r"([\d.]+) %", text.partition(head)[2].partition("Where the")[0].partition("Quantity")[0])
        assert sum(map(float, shares)) == pytest.approx(100, abs=0.6)


def test_the_placement_shows_every_block_at_its_core(result):
    root = ET.fromstring(placement_svg(result))  # noqa: S314 - our own text
    hints = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    blocks = [hint for hint in hints if " cells, busy " in hint]
    assert sorted(hint.partition(",")[0] for hint in blocks) == sorted(
        f"core {block.core}: {block.matrix}" for block in result.mapping.blocks
    )
    assert sum(hint.startswith("core ") and ": busy " in hint for hint in hints) == result.chip.n_cores


def test_weights_are_coloured_by_matrix_or_by_as_much_of_their_names_as_leaves_few():
    def groups(*names, most=3):
        blocks = [Block(name, 0, (0, 8), (0, 8 + i), i, 0, 0) for i, name in enumerate(names)]
        return matrix_groups(blocks, most)

    assert groups("a.q", "a.k", "b.q") == {"a.q": "a.q", "a.k": "a.k", "b.q": "b.q"}
    assert groups("a.q", "a.k", "b.q", "b.k") == {"a.q": "a", "a.k": "a", "b.q": "b", "b.k": "b"}
    assert groups("a", "b", "c", "d") == {"a": "2 more", "b": "2 more", "c": "c", "d": "d"}


def test_times_rest_on_kinds_only_where_their_values_were_moved(small, read_page, tell):
    moved = {"latency_ns": {"fitted": 0.25, "assumed": 0.75}}
    quantities = {"latency_ns": dict.fromkeys(("value", "low", "high", "median", "p25", "p75"), 1.0)}
    extra = {"samples": 2, "quantities": quantities, "by_kind": moved}
    plain = read_page(report_page(small)).plots["plot-provenance"]
    full = read_page(report_page(tell(small, uncertainty=extra))).plots["plot-provenance"]
    assert plain["layout"]["yaxis"]["ticktext"] == ["energy (sum of)"]
    assert full["layout"]["yaxis"]["ticktext"] == ["energy (sum of)", "latency (moved by)"]
    assert {trace["name"]: trace["x"][1] for trace in full["data"]} == {
        "derived": 0.0, "literature": 0.0, "fitted": 0.25, "assumed": 0.75,
    }  # fmt: skip
