"""Writes the report folder: page, Markdown, document, tables, inputs; whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hermes_sim.config.files import folder_written_whole
from hermes_sim.errors import OutputError
from hermes_sim.mapping.pins import write_pins
from hermes_sim.report.drift_picture import DRIFT_FILE, drift_picture
from hermes_sim.report.inputs import MAPPING_PINS, input_files, provenance_rows
from hermes_sim.report.markdown import markdown_report
from hermes_sim.report.page import report_page
from hermes_sim.report.rooflines import operator_records
from hermes_sim.report.section_latency import path_records
from hermes_sim.report.section_overview import placement_svg
from hermes_sim.report.summary import title
from hermes_sim.trace.chrome import write_chrome
from hermes_sim.trace.slices import collect_slices

if TYPE_CHECKING:
    from pathlib import Path

    from hermes_sim.flow import Simulated
    from hermes_sim.trace.schema import Trace

_TRACE_SLICES = 100_000  # about 16 MB; `hermes-sim trace` writes any part of any length
TABLES = ("stages", "resources", "energy", "baselines")


def write_report(result: Simulated, path: Path, *, replace: bool = False) -> Path:
    """Write the report of a result into a new folder and return its path.

    Parameters
    ----------
    path : the folder; it appears under this name only once it is complete
    replace : whether an earlier report of that name may be replaced

    Raises
    ------
    OutputError
        if the folder exists (and may not be replaced), or cannot be written
    """
    with folder_written_whole(path, replace=replace) as folder:
        files = {
            "metrics.json": result.metrics.to_json(),
            **{f"{table}.csv": _csv(result.to_frame(table)) for table in TABLES},
            "critical_path.csv": _csv(pd.DataFrame(path_records(result))),
            "operators.csv": _csv(pd.DataFrame(operator_records(result))),
            "parameters.csv": _csv(pd.DataFrame(provenance_rows(result))),
            **input_files(result),
            "report.md": markdown_report(result),
            "report.html": report_page(result),
            "placement.svg": placement_svg(result),
        }
        drift = drift_picture(result.document)
        if drift is not None:
            files[DRIFT_FILE] = drift
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        write_pins(folder / MAPPING_PINS, result.mapping.called(result.graph))
        if result.runs.all.record.trace is not None:
            _write_trace(result, result.runs.all.record.trace, folder / "trace.json")
    return path


def _csv(frame: pd.DataFrame) -> str:
    """Data frame as CSV; tuples of config paths become one cell, separated by spaces."""
    for name in frame.columns:
        if len(frame) and isinstance(frame[name].iloc[0], tuple):
            frame[name] = frame[name].map(" ".join)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _write_trace(result: Simulated, trace: Trace, path: Path) -> None:
    """Timeline of all inferences for the viewers; of their beginning, where there are too many firings."""
    end_ps = result.runs.all.record.makespan_ps + 1
    while True:
        try:
            slices = collect_slices(trace, window_ps=(0, end_ps), limit=_TRACE_SLICES)
        except OutputError:
            end_ps //= 2
        else:
            break
    write_chrome(slices, path, title=title(result))
