"""What people read: tables on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hermes_sim.kit.formatting import energy_of_pj, si, time_of_ns, times
from hermes_sim.kit.ratios import CASES, RatioKey
from hermes_sim.kit.words import PLACES, shown
from hermes_sim.report.accuracy_tables import layer_table, time_table
from hermes_sim.report.accuracy_words import accuracy_lines
from hermes_sim.report.summary import ends_text, telling_interval, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

    from hermes_sim.cli.documents.base import Document
    from hermes_sim.kit.tables import Table as KitTable
    from hermes_sim.result import Metrics

_MICRO = re.compile(r"(?<![\w/])µ(?=[A-Za-z])")


class _Terminal(Console):
    """Writes the micro of a unit as u, which every terminal and font has."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What will stand on the screen."""
        for segment in super().render(renderable, options):
            yield segment._replace(text=_MICRO.sub("u", segment.text))


console = _Terminal(width=None if sys.stdout.isatty() else 110)  # piped tables keep their columns
error_console = Console(stderr=True)


def print_json(document: Document | Metrics) -> None:
    """One JSON document on standard output and nothing else; `hermes-sim schema COMMAND` describes it."""
    write_json(document.to_dict())


def write_json(content: Mapping[str, Any]) -> None:
    """Plain data on standard output."""
    console.file.write(json.dumps(content, indent=2, allow_nan=False) + "\n")


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


@contextmanager
def one_step(stage: str) -> Iterator[None]:
    """Progress on standard error around work that tells of no parts."""
    with progress_bar() as progress:
        progress(stage, 0.0)
        yield


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, keep_first: bool = False, texts: int = 1
) -> Group:
    """Table under a title: the first `texts` columns left (the first not broken if `keep_first`), others right."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        result.add_column(
            column, justify="left" if i < texts else "right", overflow="fold", no_wrap=keep_first and i == 0
        )
    for row in rows:
        result.add_row(*row)
    return Group(Text(title, style="bold"), result)


def print_table(shown: KitTable) -> None:
    """A table of a report, on the terminal."""
    console.print(table(shown.caption, [column.head for column in shown.heads], shown.texts()))


def print_result(document: Mapping[str, Any]) -> None:
    """Tables of one simulation: what the chip did, where its energy went, and digital accelerators beside it."""
    inputs = document["inputs"]
    title = f"{inputs['workload']} on {inputs['arch']} ({inputs['mapping']}, {inputs['engine']} engine)"
    rows = _figures(document)
    has_median = any(row[2] for row in rows)
    columns = ("quantity", "value", *(("median", "5 to 95 %") if has_median else ()))
    console.print(table(title, columns, [row[: len(columns)] for row in rows], keep_first=True))
    console.print(_sureness(document, has_median=has_median), style="dim", highlight=False)
    console.print(table("What bounds it, and what it rests on", ("fact", "value"), _facts(document), keep_first=True))
    for told in (time_table(document), layer_table(document)):
        if told is not None:
            print_table(told)
    console.print(table("Energy per inference", ("where", "energy", "share"), _breakdown(document)))
    if document["baselines"]:
        console.print(*_baseline_table(document["baselines"]), sep="\n")


def _figures(document: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Figures with median and interval, where these say something else than the value of the files."""
    n = document["inputs"]["inferences"]
    names = {
        "latency_ns": "latency of one inference",
        "makespan_ns": f"time for {n:,} inferences" if n > 1 else "time for one inference",
        "throughput_inferences_per_s": "throughput (steady state)",
        "energy_pj.on_chip_per_inference": "energy per inference, on the chip",
        "energy_pj.per_inference": "  with off-chip channel and host",
        **({"energy_alone_pj": "  of one alone, all of it"} if n > 1 else {}),
        "power_w": "power",
    }
    rows = []
    for path, label in names.items():
        record = telling_interval(document, path)
        ends = ("", "")
        if record is not None:
            low, median, high = (shown(path, record[key]) for key in ("low", "median", "high"))
            ends = (median, ends_text(low, high))
        note = _throughput_note(document) if path == "throughput_inferences_per_s" else ""
        rows.append((label, shown(path, value_of(document, path)) + note, *ends))
        if path == "makespan_ns":
            rows.append(("  no schedule with this mapping beats", time_of_ns(document["lower_bound_ns"]), "", ""))
    return rows


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What has no interval."""
    bottleneck = document["bottleneck"]
    moved = (document.get("uncertainty") or {}).get("by_kind", {})
    names = {"latency_ns": "latency", "throughput_inferences_per_s": "throughput"}
    return [
        ("operations per inference", si(document["ops"], "op")),
        ("rate, efficiency", f"{document['tops']:.4g} TOPS, {document['tops_per_w']:.4g} TOPS/W"),
        ("bottleneck", f"{bottleneck['resource']} ({bottleneck['utilization']:.1%} busy)"),
        *accuracy_rows(document),
        ("energy rests on values", _shares(document["provenance"]["energy"])),
        *((f"{word} is moved by values", _shares(moved[name])) for name, word in names.items() if name in moved),
        ("firings, engine speed", f"{document['firings']:,}, {si(document['events_per_s'], 'firings/s')}"),
    ]


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items())


def _sureness(document: Mapping[str, Any], *, has_median: bool) -> str:
    """What the medians are, or how to get them."""
    found = document.get("uncertainty")
    if not found:
        why = f" ({document['uncertainty_missing']})" if document.get("uncertainty_missing") else ""
        return f"Values of the files alone{why}: --uncertainty 32 draws assumed and fitted ones from their ranges."
    told = f"{found['samples']} draws of assumed and fitted values from their ranges, seed {found['seed']}"
    seen = "medians stand where they say something else than the value" if has_median else "no median says otherwise"
    more = "" if found["tornado"] else "; --uncertainty N also gives those of {}ratios, and what moves them"
    more = more.format("the accuracy and of " if document.get("accuracy") else "")
    return f"{told}: {seen}{more}."


def _breakdown(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Energy by place, then by component."""
    energy, n = document["energy_pj"], document["inputs"]["inferences"]
    parts = [(f"= {PLACES[name]}", pj) for name, pj in energy["by_place"].items() if pj]
    parts += [(name, pj) for name, pj in energy["by_component"].items() if pj]
    return [(name, energy_of_pj(pj / n), f"{pj / energy['total']:.1%}") for name, pj in parts]


def accuracy_rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Accuracy with its yardsticks and how it was simulated, or why there is none."""
    return [(line.label.lower(), line.short) for line in accuracy_lines(document)]


def _baseline_table(baselines: Sequence[Mapping[str, Any]]) -> tuple[Group, Text]:
    """Realistic and measured rows, and where the others are."""
    rows = []
    both = {(row["name"], row["batch"]) for row in baselines if row["precision"] == "fp16"}
    for row in baselines:
        if row["precision"] == "bf16" and (row["name"], row["batch"]) in both:
            continue  # as fast as fp16
        for case in CASES:
            if case == "optimistic" or case not in row:
                continue
            rows.append(
                (
                    RatioKey.of(row, "", case).label + ("" if case == "realistic" else f", {case}"),
                    time_of_ns(row[case]["latency_ns"]),
                    energy_of_pj(row[case]["energy_pj"]),
                    times(row["latency_ratio"][case]),
                    times(row["energy_ratio"][case]),
                )
            )
    columns = ("realistic baseline (ratios above 1x favour the chip)", "time/inf.", "energy/inf.", "time ratio",
               "energy ratio")  # fmt: skip
    left_out = sum(case in row for row in baselines for case in CASES) - len(rows)
    more = (
        f"{left_out} more rows (optimistic case, bf16) are in --json and in the report of --out DIR" if left_out else ""
    )
    return table("Digital accelerators on the same operators", columns, rows), Text(more, style="dim")


def _throughput_note(document: Mapping[str, Any]) -> str:
    """A word where the throughput is no exact period."""
    note = {"measured": "measured, no short period", "bound": "at most"}.get(document["throughput_basis"], "")
    return f" ({note})" if note else ""
