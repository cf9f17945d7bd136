"""Section that only some documents have: factors whose product is the energy ratio to a baseline."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import BLUE, INK, VERMILLION
from hermes_sim.kit.figures import Figure, layout, ratio_axis, rows_axis, safe
from hermes_sim.kit.formatting import energy_of_pj, times
from hermes_sim.kit.markup import PageSection, folded, paragraph, terms
from hermes_sim.kit.ratios import OPTIMISTIC
from hermes_sim.kit.tables import Table, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.flow import Simulated

_FIGURES = 4
_TERMS = {
    "peak": "all operations at the best rate and power of either side: the ratio of the peak efficiencies",
    "precision": "what the precision compared costs the accelerator; the chip has one",
    "utilisation": "matrix products at the rate they reach; cores that are filled in part",
    "other work": "everything that is no matrix product",
    "data movement": "memories, links, ports, off-chip channel",
    "static power": "power that is drawn while nothing is computed",
}


def ratio_section(source: Simulated) -> PageSection | None:
    """Factors as a figure per baseline, and all of them as a table; None where none were computed.

    A record of ``ratio_factors`` is ``{baseline, quantity, ratio, factors: {name: value}}``; with ``chip_pj`` and
    ``baseline_pj`` (energy after each step) the steps are printed too.
    """
    records = source.document.get("ratio_factors")
    if not records:
        return None
    names = list(dict.fromkeys(name for record in records for name in record["factors"]))
    body = [
        paragraph(
            "Each factor compares the chip with an accelerator in one respect, and the product of all factors is the "
            "ratio. A factor above 1x favours the chip. The split depends on the order of the steps, left to right."
        ),
        terms({name: meaning for name, meaning in _TERMS.items() if name in names}),
        *(_figure(i, record).html() for i, record in enumerate(_chosen(records))),
        _factor_table(records, names).html(),
    ]
    if all("chip_pj" in record and "baseline_pj" in record for record in records):
        body.append(folded("Energy after each step", _step_table(records, names).html()))
    return PageSection("ratio", "Why the ratio is what it is", "\n".join(body))


def _chosen(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One record per accelerator: its first precision, realistic where there is such a case, the largest batch."""
    best: dict[str, Mapping[str, Any]] = {}
    for record in records:
        first = best.get(record["name"])
        same = first is None or first["precision"] == record["precision"]
        if same and (first is None or record["case"] != OPTIMISTIC or first["case"] == OPTIMISTIC):
            best[record["name"]] = record
    return list(best.values())[:_FIGURES]


def _figure(number: int, record: Mapping[str, Any]) -> Figure:
    """Waterfall on a logarithmic scale: each bar begins where the one before ended, the last one is the ratio."""
    factors: dict[str, float] = record["factors"]
    logs = [math.log10(value) for value in factors.values()]
    ends = list(accumulate(logs))
    starts = [0.0, *ends[:-1], 0.0]
    lengths = [*logs, ends[-1]]
    colours = [BLUE if length >= 0 else VERMILLION for length in lengths]
    right = [max(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    texts = [times(value) for value in (*factors.values(), record["ratio"])]
    low, high = min(0.0, *ends, -0.3), max(0.0, *ends, 0.3)
    margin = 0.12 * (high - low)
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(lengths))),
        "x": lengths,
        "base": starts,
        "width": 0.7,
        "marker": {"color": colours, "line": {"color": "#ffffff", "width": 0.5}},
        "text": texts,
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }
    words = [
        {"x": x, "y": i, "text": f" {text} ", "xanchor": "left", "showarrow": False, "font": {"size": 12}}
        for i, (x, text) in enumerate(zip(right, texts, strict=True))
    ]
    line = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": INK, "width": 1.5}}
    return Figure(
        f"ratio-factors-{number}",
        f"From the peak efficiencies to the energy ratio: {record['baseline']}",
        "Logarithmic scale. Blue steps favour the chip, red-orange ones the accelerator; the last bar is the ratio.",
        [bars],
        layout(
            84 + 26 * len(lengths),
            showlegend=False,
            annotations=words,
            shapes=[line],
            xaxis=ratio_axis("energy of the accelerator over energy of the chip", low - margin, high + margin),
            yaxis=rows_axis([*(safe(name) for name in factors), "<b>energy ratio</b>"]),
        ),
    )


def _factor_table(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    def row(record: Mapping[str, Any]) -> list[Any]:
        factors = record["factors"]
        cells = (factors.get(name, "") for name in names)
        return [str(record["baseline"]), *cells, math.prod(factors.values()), record["ratio"]]

    return Table(
        "ratio-factors",
        "Factors of the energy ratios; their product is the ratio",
        ("Baseline", *(number(head, times) for head in (*names, "Product", "Ratio"))),
        [row(record) for record in records],
    )


def _step_table(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    sides = {}
    for record in records:
        sides[f"chip, batch {record['batch']:,}"] = record["chip_pj"]
        sides[str(record["baseline"])] = record["baseline_pj"]
    ordered = sorted(sides.items(), key=lambda item: not item[0].startswith("chip, "))
    return Table(
        "ratio-steps",
        "Energy of one inference when each step adds what the steps before left out",
        ("Side", *(number(name, energy_of_pj) for name in names)),
        [[side, *(energies_pj[name] for name in names)] for side, energies_pj in ordered],
    )
