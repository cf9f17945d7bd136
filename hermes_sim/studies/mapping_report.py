"""Mapping study as a folder: the command that makes it again, points, conclusion in words, plots, placements."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import folder_written_whole
from hermes_sim.flow import map_workload
from hermes_sim.mapping.mapping import Strategy
from hermes_sim.mapping.picture import placement_svg
from hermes_sim.studies.charts import COLOURS, Series, bar_chart, line_chart
from hermes_sim.studies.mapping_study import best_point
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.studies.mapping_study import MappingStudy, StudyPoint


def write_study(study: MappingStudy, folder: Path, *, replace: bool = False) -> Path:
    """Write the folder whole or not at all.

    Raises
    ------
    OutputError
        if the folder cannot be written
    """
    texts = {
        "metrics.json": json.dumps(study.record(), indent=1) + "\n",
        "study.yaml": _yaml(study),
        "points.csv": _table(study).to_csv(index=False, float_format="%.6g"),
        "throughput.svg": _chart(study, "throughput_per_s", "inferences per second"),
        "energy.svg": _chart(study, "energy_uj", "uJ per inference"),
        "utilization.svg": _bars(study),
        **_placements(study),
        "report.md": _report(study),
    }
    with folder_written_whole(folder, replace=replace) as temporary:
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
    return folder


def _yaml(study: MappingStudy) -> str:
    lines = (
        "schema_version: 1",
        "kind: mapping_study",
        f"workload: {study.workload}",
        f"chip: {study.chip}",
        f"seed: {study.seed}",
        f"in_flight: {sorted({point.in_flight for point in study.points if point.in_flight})}",
        f"command: {study.command}",
    )
    return "\n".join(lines) + "\n"


def _table(study: MappingStudy) -> pd.DataFrame:
    rows = []
    for point in study.points:
        row = point.record()
        del row["wall_time_s"]
        busiest = row.pop("busiest")
        rows.append({**row, **{f"busiest_{kind.replace(' ', '_')}": value for kind, value in busiest.items()}})
    return pd.DataFrame(rows)


def _chart(study: MappingStudy, field: str, label: str) -> str:
    series = []
    for mode in dict.fromkeys(point.read_mode for point in study.points):
        for i, strategy in enumerate(Strategy):
            here = [p for p in study.points if (p.read_mode, p.mapping) == (mode, strategy)]
            series.append(
                Series(
                    f"{strategy}, {mode.replace('_', '-')}",
                    tuple(float(point.in_flight or 0) for point in here),
                    tuple(getattr(point, field) for point in here),
                    COLOURS[i],
                    dashed=mode == "four_phase",
                )
            )
    title = f"{study.workload} on {study.chip}"
    return line_chart(series, title=title, x_label="inferences in flight", y_label=label)


def _bars(study: MappingStudy) -> str:
    groups = [(f"{point.mapping}, {point.read_mode.split('_')[0]}", point.busiest) for point in _best_points(study)]
    return bar_chart(groups, title="Busiest resource of each kind", y_label="busy")


def _best_points(study: MappingStudy) -> list[StudyPoint]:
    keys = dict.fromkeys((point.read_mode, point.mapping) for point in study.points)
    return [best_point(list(study.points), mode, mapping) for mode, mapping in keys]


def _placements(study: MappingStudy) -> dict[str, str]:
    work = load_workload(study.workload)
    spec = load_arch(study.chip)
    return {
        f"placement_{strategy}.svg": placement_svg(
            map_workload(spec, work, strategy, seed=study.seed).mapping.blocks,
            spec,
            title=f"{study.workload} on {study.chip}, {strategy}",
        )
        for strategy in Strategy
    }


def _report(study: MappingStudy) -> str:
    """Page for people, in Markdown."""
    lines = [
        f"# Mapping study: {study.workload} on {study.chip}",
        "",
        f"Made by `{study.command}`. All strategies, both read modes, 1 to 64 inferences in flight.",
        "",
        "## Conclusion",
        *(f"- {line}." for line in study.conclusion),
        *(f"- {name}: {note}." for name, note in study.notes.items()),
        "",
        "## Best point of each strategy and read mode",
        "| mapping | read | in flight | cores | latency (us) | inferences/s | uJ/inference | bytes x hops | busiest |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {p.mapping} | {p.read_mode.replace('_', '-')} | {p.in_flight} | {p.cores_used} | {p.latency_us:,.1f} | "
        f"{p.throughput_per_s:,.1f} | {p.energy_uj:,.1f} | {p.bytes_hops:,.0f} | {p.bottleneck} {p.utilization:.0%} |"
        for p in _best_points(study)
    ]
    lines += [
        "",
        "![throughput](throughput.svg)",
        "![energy](energy.svg)",
        "![utilisation](utilization.svg)",
        "",
        "Placements: " + ", ".join(f"[{s}](placement_{s}.svg)" for s in Strategy) + ".",
        "All points: `points.csv`.",
        "",
    ]
    return "\n".join(lines)
