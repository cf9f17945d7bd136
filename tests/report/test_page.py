from __future__ import annotations

import re

import plotly.graph_objects as go
import pytest

from hermes_sim.api import simulate
from hermes_sim.kit.formatting import energy_of_pj, time_of_ns
from hermes_sim.report.page import report_page
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


def test_waiting_bars_are_the_whole_run(page):
    traces = [trace for trace in page.plots["plot-waiting"]["data"] if trace["type"] == "bar"]
    for parts in zip(*(trace["x"] for trace in traces), strict=True):
        assert sum(parts) == pytest.approx(1)


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


def test_the_page_begins_with_the_chip_and_comes_to_accelerators_after_what_it_did(page):
    order = [name for name in page.ids if name in SECTIONS]
    assert order[:5] == ["summary", "chip", "latency", "energy", "comparison"]


def test_bounds_and_energies_say_what_they_hold_for(page, result):
    energy, n = result.document["energy_pj"], result.document["inputs"]["inferences"]
    assert "no schedule with this mapping can beat" in page.text
    assert f"{energy_of_pj(energy['by_place']['on_chip'] / n)} on the chip" in page.text
    assert energy_of_pj(energy["on_chip_per_inference"]) in page.text


def test_bars_of_busy_and_waiting_add_up_to_the_run(page):
    traces = page.plots["plot-waiting"]["data"]
    assert traces[0]["name"] == "busy"
    assert {trace["type"] for trace in traces} == {"bar"}
    for shares in zip(*(trace["x"] for trace in traces), strict=True):
        assert sum(shares) == pytest.approx(1, abs=2e-3)


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
