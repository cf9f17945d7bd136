"""Section: what the numbers rest on: share by kind, and every config value with its source."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.colours import GREY, INK
from hermes_sim.kit.figures import KIND_COLOURS, Figure, axis, layout
from hermes_sim.kit.formatting import percent
from hermes_sim.kit.markup import PageSection, link, paragraph, terms
from hermes_sim.kit.tables import Cell, Table, number
from hermes_sim.metrics.energy import energy_rows
from hermes_sim.report.inputs import provenance_rows

if TYPE_CHECKING:
    from hermes_sim.flow import Simulated

_TERMS = {
    "measured": "on this chip, published",
    "rtl": "from its register-transfer-level simulation, published",
    "spec": "stated by its makers or a vendor",
    "derived": "by arithmetic from measured values; the formula is in the note",
    "literature": "another chip, another technology, or scaled from it",
    "fitted": "tuned so that a published figure comes out",
    "assumed": "no public figure; the range says what is plausible",
}

_MOVED = (
    "Times are no sums: a resource nearly as busy as the slowest one shows nowhere until its values change. "
    "Their bars say what moves them: each value alone from one end of its range to the other, "
    "its share of the sum of squared swings."
)
_NOT_MOVED = (
    "Times are no sums: a resource nearly as busy as the slowest one shows nowhere until its values change. "
    "--uncertainty N moves every value within its range, and says "
    "of which kind those are that move latency and throughput."
)


def provenance_section(source: Simulated) -> PageSection:
    """Shares by kind and the table of all config values."""
    text = (
        "Every energy is a product of values of the chip file, and counts here as its least certain factor: what is "
        "called measured rests on nothing but measurements. Energies are sums, so these shares are exact. "
        + (_MOVED if len(shares_by_kind(source)) > 1 else _NOT_MOVED)
    )
    kinds = {kind for shares in shares_by_kind(source).values() for kind in shares}
    kinds |= {row["kind"] for row in provenance_rows(source)}
    body = [
        paragraph(text),
        _figure(source).html(),
        terms({kind: meaning for kind, meaning in _TERMS.items() if kind in kinds}),
        paragraph(
            "The last two columns say how much of the critical path of one inference and of the energy involves a "
            "value. A product of three values counts for each of them, so the columns do not add up to 100 %. A "
            "value that is not on the critical path may come to lie on it when others are changed."
        ),
        _parameter_table(source).html(),
        f"<p>The same as a file: {link('parameters.csv', 'parameters.csv')}.</p>",
    ]
    return PageSection("provenance", "What the numbers rest on", "\n".join(body))


def shares_by_kind(source: Simulated) -> dict[str, dict[str, float]]:
    """What the figures rest on: shares of the energy; with an uncertainty analysis, shares of what moves the times."""
    moved = (source.document.get("uncertainty") or {}).get("by_kind", {})
    names = {"latency_ns": "latency (moved by)", "throughput_inferences_per_s": "throughput (moved by)"}
    found = {words: moved[name] for name, words in names.items() if name in moved}
    return {"energy (sum of)": source.document["provenance"]["energy"], **found}


def _figure(source: Simulated) -> Figure:
    provenance = shares_by_kind(source)
    names = list(provenance)
    kinds = dict.fromkeys(kind for kind in KIND_COLOURS if any(kind in provenance[name] for name in names))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": kind,
            "y": list(range(len(names))),
            "x": [provenance[name].get(kind, 0.0) for name in names],
            "marker": {"color": KIND_COLOURS.get(kind, GREY), "line": {"color": "#ffffff", "width": 1}},
            "text": [
                f"{kind} {share:.1%}" if (share := provenance[name].get(kind, 0.0)) > 0.07 else "" for name in names
            ],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "insidetextfont": {"color": "#ffffff" if kind == "measured" else INK},
            "hovertemplate": f"{kind}: %{{x:.1%}}<extra></extra>",
        }
        for kind in kinds
    ]
    return Figure(
        "provenance",
        "Share by kind of source",
        "From certain (left) to assumed (right).",
        traces,
        layout(
            120 + 35 * len(names),
            barmode="stack",
            legend={"orientation": "h", "x": 0, "y": 1.05, "yanchor": "bottom", "traceorder": "normal"},
            xaxis=axis("share", tickformat=".0%", range=[0, 1.002]),
            yaxis=axis("", tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.6]),
        ),
    )


def shares_by_path(source: Simulated) -> tuple[dict[str, float], dict[str, float]]:
    """Share of the latency of one inference, and of the energy, that a config value takes part in, by its path."""
    one = source.runs.one
    latency: defaultdict[str, float] = defaultdict(float)
    for info, spent_ps in zip(one.lowered.actors, source.runs.critical_path.total_ps.tolist(), strict=True):
        whole_ps = sum(part.value for part in info.cost.times)
        for part in info.cost.times if spent_ps and whole_ps else ():
            for path in set(part.paths):
                latency[path] += spent_ps * part.value / whole_ps / max(one.record.makespan_ps, 1)
    energy: defaultdict[str, float] = defaultdict(float)
    rows = energy_rows(source.runs.all.lowered, source.runs.all.record)
    total_pj = sum(row.energy_pj for row in rows) or 1.0
    for row in rows:
        for path in set(row.paths):
            energy[path] += row.energy_pj / total_pj
    return dict(latency), dict(energy)


def _range_text(record: dict[str, Any]) -> str:
    """Range in the unit in which the value was given."""
    if record["low"] is None:
        return ""
    number, _, unit = record["given"].partition(" ")
    factor = float(number) / record["value"] if record["value"] else 1.0
    unit = record["unit"] if not record["value"] else unit
    low, high = (f"{record[end] * factor:.6g}" for end in ("low", "high"))
    return f"{low} to {high} {unit}".removesuffix(" count")


def _parameter_table(source: Simulated) -> Table:
    latency, energy = shares_by_path(source)

    def row(record: dict[str, Any]) -> list[Any]:
        path = record["path"]
        source_text = record["source"] + (f" ({record['note']})" if record["note"] else "")
        return [
            Cell(path.replace(".", ".\u200b"), path),
            Cell(record["given"].removesuffix(" count"), record["value"]),
            Cell(record["kind"], css="nowrap"),
            _range_text(record),
            source_text,
            latency.get(path, 0.0),
            energy.get(path, 0.0),
        ]

    rows = sorted(provenance_rows(source), key=lambda r: -max(latency.get(r["path"], 0), energy.get(r["path"], 0)))
    return Table(
        "parameters",
        "Every value of the chip file, with the range in which it may lie",
        (
            *("Value of the chip file", number("Given"), "Kind", "Range", "Source (note)"),
            *(number("On critical path", percent), number("In energy", percent)),
        ),
        [row(record) for record in rows],
        filter_label="Show rows that contain",
    )
