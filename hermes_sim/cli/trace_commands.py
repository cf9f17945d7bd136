"""`hermes-sim trace`: the timeline of a run, as a file for viewers, tables or pages; `load`: latency over load."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_sim.cli.console import console, one_step, print_json, progress_bar, table
from hermes_sim.cli.options import Arch, Json, Mapping, Set, Workload
from hermes_sim.cli.overrides import both_with
from hermes_sim.errors import OutputError, nearest
from hermes_sim.kit.formatting import time_of_ns, time_of_ps
from hermes_sim.mapping.mapping import DEFAULT_MAPPING

if TYPE_CHECKING:
    from hermes_sim.metrics.open_loop import LoadCurve
    from hermes_sim.program.dataflow import I64
    from hermes_sim.program.lowered import LoweredProgram
    from hermes_sim.trace.schema import Trace
    from hermes_sim.trace.slices import Counter, Slices


class _Format(StrEnum):
    """What a file's suffix asks for."""

    CHROME = ".json"
    PERFETTO = ".pftrace"
    PARQUET = ".parquet"
    PICTURE = ".svg"


def trace(
    arch: Arch,
    workload: Workload,
    out: Annotated[
        Path,
        typer.Option(help=".json (Chrome, Perfetto), .pftrace (Perfetto, exact ps), .parquet (every firing), .svg."),
    ],
    mapping: Mapping = DEFAULT_MAPPING,
    inferences: Annotated[int, typer.Option(min=1, help="One behind the other.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the mapping.")] = 0,
    window_ns: Annotated[str | None, typer.Option(metavar="BEGIN:END", help="Only firings that start in it.")] = None,
    flows: Annotated[bool, typer.Option("--flows/--no-flows", help="Arrows from producer to consumer.")] = True,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Write the timeline of a run: who worked when, who waited for whom, queues and power."""
    from hermes_sim.engine.compiled import CompiledEngine
    from hermes_sim.flow import map_workload
    from hermes_sim.trace.parquet import ParquetSink

    format_ = _format_of(out)
    window_ps = _parse_window(window_ns)
    both = both_with(arch, workload, set_)
    with one_step("mapping"):
        lowered = map_workload(*both, mapping, seed=seed).program(inferences)
    program = lowered.program
    if format_ is _Format.PARQUET and window_ps is None:
        with progress_bar() as progress, ParquetSink(out, program) as sink:

            def take(rows: I64) -> None:
                sink(rows)
                progress("writing firings", sink.n_rows / max(program.total_firings, 1))

            record = CompiledEngine().run(program, sink=take)
        n_written = sink.n_rows
    else:
        with progress_bar() as progress:
            record = CompiledEngine().run(program, trace=True, progress=partial(progress, "firings"))
        if record.trace is None:
            raise OutputError(str(out), got="no trace", allowed="an engine that keeps one")
        with one_step("writing"):
            n_written = _write(record.trace, lowered, out, window_ps, flows=flows, title=f"{workload} on {arch}")
    document = {
        "file": str(out),
        "bytes": out.stat().st_size,
        "firings_written": n_written,
        "firings": record.n_firings,
        "makespan_ns": record.makespan_ps / 1e3,
    }
    if json_:
        from hermes_sim.cli.documents.runs import TraceDocument

        print_json(TraceDocument.model_validate(document))
        return
    makespan = time_of_ps(record.makespan_ps)
    console.print(
        f"{out}: {n_written:,} of {record.n_firings:,} firings, makespan {makespan}", soft_wrap=True, highlight=False
    )


def load(
    arch: Arch,
    workload: Workload,
    mapping: Mapping = DEFAULT_MAPPING,
    requests: Annotated[int, typer.Option(min=20, help="Requests per offered load.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the mapping and the arrivals.")] = 0,
    arrivals: Annotated[
        Path | None, typer.Option(help="Recorded arrivals (first line release_ns or another unit) instead of Poisson.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the plot there (.html, .svg), or the points (.csv).")] = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Latency of requests against the load: percentiles, capacity and the knee."""
    from hermes_sim.flow import map_workload
    from hermes_sim.metrics.open_loop import load_curve, measure_load
    from hermes_sim.program.arrivals import read_arrivals

    if out is not None and out.suffix not in (".html", ".svg", ".csv"):
        raise OutputError(str(out), got=out.suffix or "no suffix", allowed=".html, .svg, .csv")
    both = both_with(arch, workload, set_)
    with one_step("mapping"):
        run = map_workload(*both, mapping, seed=seed).finish_ps
    if arrivals is not None:
        times_ps = read_arrivals(arrivals)
        span_s = max(int(times_ps[-1] - times_ps[0]) if len(times_ps) else 0, 1) * 1e-12
        with one_step("arrivals"):
            point = measure_load(run, times_ps, offered_per_s=(len(times_ps) - 1) / span_s, warmup_frac=0.0)
        curve, points = None, [point]
    else:
        with progress_bar() as progress:
            progress("loads", 0.0)
            curve = load_curve(run, n_requests=requests, seed=seed, progress=progress)
        points = list(curve.points)
        if out is not None:
            _write_curve(curve, out, title=f"{workload} on {arch}")
    if json_:
        from hermes_sim.cli.documents.runs import LoadDocument

        print_json(LoadDocument.model_validate({"points": points} if curve is None else vars(curve)))
        return
    rows = [(f"{p.offered_per_s:.4g}", f"{p.completed_per_s:.4g}", *map(time_of_ns, _percentiles(p))) for p in points]
    console.print(table("Latency over load", ("offered / s", "answered / s", "p50", "p95", "p99"), rows))
    if curve is not None:
        console.print(f"capacity {curve.capacity_per_s:.4g} / s, knee at {curve.knee_per_s:.4g} / s")


def _percentiles(point: Any) -> tuple[float, float, float]:
    return point.p50_ns, point.p95_ns, point.p99_ns


def _format_of(out: Path) -> _Format:
    suffixes = [str(f) for f in _Format]
    if out.suffix not in suffixes:
        raise OutputError(
            f"--out {out}",
            got=out.suffix or "no suffix",
            allowed=", ".join(suffixes),
            hint=nearest(out.suffix, suffixes),
        )
    return _Format(out.suffix)


def _parse_window(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        begin, end = (float(part) for part in text.split(":"))
        window_ps = round(begin * 1e3), round(end * 1e3)
    except (ValueError, OverflowError):
        window_ps = (0, 0)
    if not 0 <= window_ps[0] < window_ps[1] < 2**62:
        raise OutputError("--window-ns", got=text, allowed="BEGIN:END in ns, BEGIN < END, e.g. 0:2500")
    return window_ps


def _write(
    trace_: Trace,
    lowered: LoweredProgram,
    out: Path,
    window_ps: tuple[int, int] | None,
    *,
    flows: bool,
    title: str,
) -> int:
    from hermes_sim.trace.chrome import write_chrome
    from hermes_sim.trace.parquet import write_slices_parquet
    from hermes_sim.trace.perfetto import write_perfetto
    from hermes_sim.trace.slices import collect_slices
    from hermes_sim.trace.svg import write_svg

    slices = collect_slices(trace_, window_ps=window_ps)
    match _format_of(out):
        case _Format.CHROME:
            write_chrome(slices, out, counters=[_power(slices, lowered)], flows=flows, title=title)
        case _Format.PERFETTO:
            write_perfetto(slices, out, counters=[_power(slices, lowered)], flows=flows)
        case _Format.PARQUET:
            write_slices_parquet(slices, out)
        case _Format.PICTURE:
            write_svg(slices, out, title=title)
    return len(slices)


def _power(slices: Slices, lowered: LoweredProgram) -> Counter:
    import numpy as np

    from hermes_sim.trace.slices import power_counter

    energy_pj = np.array([sum(part.value for part in info.cost.energies) for info in lowered.actors], dtype=np.float64)
    static_mw = float(sum(part.value for part in lowered.static_powers))
    return power_counter(slices, energy_pj, static_mw=static_mw)


def _write_curve(curve: LoadCurve, out: Path, *, title: str) -> None:
    from hermes_sim.config.files import write_text
    from hermes_sim.metrics.load_plot import load_curve_page, load_curve_svg

    match out.suffix:
        case ".csv":
            text = curve.to_frame().to_csv(index=False)
        case ".svg":
            text = load_curve_svg(curve, title=title)
        case _:
            text = load_curve_page(curve, title=title)
    write_text(out, text)
