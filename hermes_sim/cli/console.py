"""What people read: tables on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hermes_sim.report.formatting import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

console = Console(width=None if sys.stdout.isatty() else 110)  # piped tables keep their columns
error_console = Console(stderr=True)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on standard output and nothing else."""
    console.file.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """Progress on standard error: call the result with a stage name and the fraction done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=error_console, transient=True) as progress:
        tasks: dict[str, Any] = {}

        def update(stage: str, done_frac: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            progress.update(tasks[stage], completed=done_frac)

        yield update


def engineering(value: float, unit: str) -> str:
    """Value with an SI prefix and four significant digits: 1.234e-6 s -> ``1.234 us``."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    exponent = min(12, max(-15, 3 * math.floor(math.log10(abs(value)) / 3)))
    if abs(value) / 10**exponent >= 999.95:
        exponent += 3
    prefix = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}[exponent]
    return f"{value / 10**exponent:.4g} {prefix}{unit}"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, keep_first: bool = False) -> Group:
    """Plain table under a title: first column left (not broken if `keep_first`), the others right."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        result.add_column(column, justify="left" if i == 0 else "right", overflow="fold", no_wrap=keep_first and i == 0)
    for row in rows:
        result.add_row(*row)
    return Group(Text(title, style="bold"), result)


def print_result(document: Mapping[str, Any]) -> None:
    """Tables of one simulation."""
    inputs = document["inputs"]
    energy = document["energy_pj"]
    bottleneck = document["bottleneck"]
    n = inputs["inferences"]
    rows = [
        ("latency of one inference", engineering(document["latency_ns"] * 1e-9, "s")),
        (f"time for {n:,} inferences", engineering(document["makespan_ns"] * 1e-9, "s")),
        ("  no schedule can beat", engineering(document["lower_bound_ns"] * 1e-9, "s")),
        ("throughput (steady state)", _throughput(document)),
        ("energy per inference", engineering(energy["per_inference"] * 1e-12, "J")),
        *([("  of one alone on the chip", engineering(document["energy_alone_pj"] * 1e-12, "J"))] if n > 1 else []),
        ("power", engineering(document["power_w"], "W")),
        ("operations per inference", engineering(document["ops"], "op")),
        ("rate, efficiency", f"{document['tops']:.4g} TOPS, {document['tops_per_w']:.4g} TOPS/W"),
        ("bottleneck", f"{bottleneck['resource']} ({bottleneck['utilization']:.1%} busy)"),
        *_accuracy_rows(document.get("accuracy")),
        *(
            (f"{what} rests on", ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items()))
            for what, shares in document["provenance"].items()
        ),
        ("firings, engine speed", f"{document['firings']:,}, {engineering(document['events_per_s'], 'firings/s')}"),
    ]
    title = f"{inputs['workload']} on {inputs['arch']} ({inputs['mapping']}, {inputs['engine']} engine)"
    console.print(table(title, ("quantity", "value"), rows))
    breakdown = [
        (name, engineering(pj * 1e-12 / n, "J"), f"{pj / energy['total']:.1%}")
        for name, pj in energy["by_component"].items()
        if pj
    ]
    console.print(table("Energy per inference", ("component", "energy", "share"), breakdown))
    if document["baselines"]:
        console.print(_baseline_table(document["baselines"]))


def _accuracy_rows(accuracy: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not accuracy:
        return [("accuracy", "not simulated")]
    simulated, digital = accuracy["simulated"], accuracy["digital_fp32"]
    return [
        (
            f"{accuracy['metric'].replace('_', ' ')} (mean of {accuracy['seeds']} seeds)",
            f"{simulated:.4f} +- {accuracy['std']:.4f}, FP32 {digital:.4f}, drop {accuracy['drop_pp']:+.2f} points",
        )
    ]


def _baseline_table(baselines: Sequence[Mapping[str, Any]]) -> Group:
    rows = []
    both = {(row["name"], row["batch"]) for row in baselines if row["precision"] == "fp16"}
    for row in baselines:
        if row["precision"] == "bf16" and (row["name"], row["batch"]) in both:
            continue  # as fast as fp16; it is in the JSON
        for case in ("optimistic", "realistic", "measured"):
            if case not in row:
                continue
            time_ratio, energy_ratio = row["latency_ratio"][case], row["energy_ratio"][case]
            joules = row[case]["energy_pj"]
            rows.append(
                (
                    f"{row['name']} {row['precision']}, batch {row['batch']:,}, {case}",
                    engineering(row[case]["latency_ns"] * 1e-9, "s"),
                    engineering(joules * 1e-12, "J") if joules is not None else "-",
                    times(time_ratio),
                    times(energy_ratio),
                )
            )
    columns = ("baseline (ratios above 1 favour the chip)", "time/inf.", "energy/inf.", "time ratio", "energy ratio")
    return table("Digital accelerators on the same operators", columns, rows)


def _throughput(document: Mapping[str, Any]) -> str:
    """Inferences per second, with a word where the number is no exact period."""
    note = {"measured": "measured, no short period", "bound": "at most"}.get(document["throughput_basis"], "")
    return f"{document['throughput_inferences_per_s']:,.4g} inferences/s{f' ({note})' if note else ''}"
