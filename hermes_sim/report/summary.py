"""The headline of a report: the main numbers, with intervals where the document has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.report.accuracy_words import accuracy_lines
from hermes_sim.report.formatting import count, energy_of_pj, percent, si, time_of_ns
from hermes_sim.report.naming import per_second

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.report.source import ReportSource


@dataclass(frozen=True)
class Fact:
    """One number of the headline.

    Parameters
    ----------
    label, value : what it is, and its value with unit
    interval : from what to what it may be, given the ranges of the assumed values; empty where not computed
    detail : a sentence that says what the number means
    """

    label: str
    value: str
    interval: str
    detail: str


def title(source: ReportSource) -> str:
    """Title of page and Markdown file."""
    return f"{source.workload.name} on {source.chip.name}"


def headline(source: ReportSource) -> list[Fact]:
    """The main numbers of one result."""
    document = source.document
    n = document["inputs"]["inferences"]
    bottleneck = document["bottleneck"]
    run = "first input in to last output out; no schedule of this program can beat " + time_of_ns(
        document["lower_bound_ns"]
    )
    energy = "static power included"
    if n > 1:
        energy = f"total of {count(n)} inferences divided by {count(n)}; {energy}"

    def fact(label: str, path: str, show: Callable[[float], str], detail: str) -> Fact:
        value: Any = document
        for key in path.split("."):
            value = value[key]
        return Fact(label, show(value), interval_text(document, path, show), detail)

    alone = [fact("Energy of one alone", "energy_alone_pj", energy_of_pj, "one inference on an empty chip")]
    facts = [
        fact("Latency", "latency_ns", time_of_ns, "one inference on an empty chip, input to last result"),
        fact("Throughput", "throughput_inferences_per_s", per_second, "in steady state, one after another"),
        fact("Energy per inference", "energy_pj.per_inference", energy_of_pj, energy),
        *(alone if n > 1 else ()),
        fact("Power", "power_w", lambda value: si(value, "W"), "total energy over the time of the run"),
        fact("Efficiency", "tops_per_w", "{:.4g} TOPS/W".format, "a multiply-accumulate is two operations"),
        fact("Rate", "tops", "{:.4g} TOPS".format, "operations per time while all inferences run"),
        fact("Time of the run", "makespan_ns", time_of_ns, f"{_inferences(n)}, {run}"),
        Fact(
            "Bottleneck",
            str(bottleneck["resource"]),
            "",
            f"the busiest resource: busy {percent(bottleneck['utilization'])} of the time",
        ),
    ]
    facts += [Fact(line.label, line.value, "", line.detail) for line in accuracy_lines(document)]
    return facts


def _inferences(n: int) -> str:
    return "one inference" if n == 1 else f"{count(n)} inferences"


def interval_text(document: Mapping[str, Any], path: str, show: Callable[[float], str]) -> str:
    """Interval of a quantity of the document, by its dotted path; empty without an uncertainty analysis."""
    found = interval_of(document, path)
    return f"{show(found[0])} to {show(found[1])}" if found else ""


def interval_of(document: Mapping[str, Any], path: str) -> tuple[float, float] | None:
    """Low and high end of a quantity, None where the document has none."""
    quantities = (document.get("uncertainty") or {}).get("quantities", {})
    record = quantities.get(path) or quantities.get(path.rpartition(".")[2])
    return (record["low"], record["high"]) if record else None
