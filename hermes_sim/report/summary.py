"""The headline of a report: the main numbers, with intervals where the document has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.formatting import count, percent, time_of_ns
from hermes_sim.kit.words import shown
from hermes_sim.report.accuracy_words import accuracy_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermes_sim.flow import Simulated


_WIDE = 2.0  # an interval whose ends are further apart than this factor says more than one value


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


def title(source: Simulated) -> str:
    """Title of page and Markdown file."""
    return f"{source.workload.name} on {source.chip.name}"


def headline(source: Simulated) -> list[Fact]:
    """The main numbers of one result."""
    document = source.document
    n = document["inputs"]["inferences"]
    bottleneck = document["bottleneck"]
    run = "first input in to last output out; no schedule with this mapping can beat " + time_of_ns(
        document["lower_bound_ns"]
    )
    energy = "static power, off-chip channel and host included"
    if n > 1:
        energy = f"total of {count(n)} inferences divided by {count(n)}; {energy}"

    places = document["energy_pj"]["by_place"]
    share = f"{percent(places['on_chip'] / document['energy_pj']['total'])} of all" if any(places.values()) else "all"

    def fact(label: str, path: str, detail: str) -> Fact:
        show = partial(shown, path)
        return Fact(label, show(value_of(document, path)), interval_text(document, path, show), detail)

    alone = [fact("Energy of one alone", "energy_alone_pj", "one inference on an empty chip")]
    facts = [
        fact("Latency", "latency_ns", "one inference on an empty chip, input to last result"),
        fact("Throughput", "throughput_inferences_per_s", "in steady state, one after another"),
        fact("Energy on the chip", "energy_pj.on_chip_per_inference", "per inference, " + share),
        fact("Energy per inference", "energy_pj.per_inference", energy),
        *(alone if n > 1 else ()),
        fact("Power", "power_w", "total energy over the time of the run"),
        fact("Efficiency", "tops_per_w", "a multiply-accumulate is two operations"),
        fact("Rate", "tops", "operations per time while all inferences run"),
        fact("Time of the run", "makespan_ns", f"{_inferences(n)}, {run}"),
        Fact(
            "Bottleneck",
            str(bottleneck["resource"]),
            "",
            f"the busiest resource: busy {percent(bottleneck['utilization'])} of the time",
        ),
    ]
    facts += [Fact(line.label, line.value, "", line.detail) for line in accuracy_lines(document)]
    return facts


def first_facts(source: Simulated) -> list[Fact]:
    """The few numbers to see first: time, rate, energy, and how right the answers are."""
    accuracy = accuracy_lines(source.document)[0].label
    labels = ("Latency", "Throughput", "Energy per inference", accuracy)
    return [fact for fact in headline(source) if fact.label in labels]


def _inferences(n: int) -> str:
    return "one inference" if n == 1 else f"{count(n)} inferences"


def value_of(document: Mapping[str, Any], path: str) -> Any:
    """Entry of the document by its dotted path."""
    value: Any = document
    for key in path.split("."):
        value = value[key]
    return value


def interval_text(document: Mapping[str, Any], path: str, show: Callable[[float], str]) -> str:
    """Interval of a quantity, and its median where the value is not near it; empty without an uncertainty analysis."""
    found = interval_of(document, path)
    if found is None:
        return ""
    telling = telling_interval(document, path)
    median = f"median {show(telling['median'])}, 5 to 95 %: " if telling else ""
    return median + ends_text(show(found[0]), show(found[1]))


def ends_text(low: str, high: str) -> str:
    """Both ends of an interval; a unit that they share is written once."""
    number, _, unit = low.partition(" ")
    return f"{number if unit and high.endswith(f' {unit}') else low} to {high}"


def interval_of(document: Mapping[str, Any], path: str) -> tuple[float, float] | None:
    """Low and high end of a quantity, None where the document has none."""
    record = _record(document, path)
    return (record["low"], record["high"]) if record else None


def telling_interval(document: Mapping[str, Any], path: str) -> Mapping[str, float] | None:
    """Median and interval of a quantity, if they tell a reader something else than the value of the files.

    They do where the value is not among the middle half of the draws, or the interval spans more than a factor of two.
    """
    record = _record(document, path)
    if record is None or "median" not in record:
        return None
    is_central = record.get("p25", -math.inf) <= record["value"] <= record.get("p75", math.inf)
    return None if is_central and record["high"] <= _WIDE * record["low"] else record


def _record(document: Mapping[str, Any], path: str) -> Mapping[str, float] | None:
    quantities: Mapping[str, Mapping[str, float]] = (document.get("uncertainty") or {}).get("quantities", {})
    return quantities.get(path) or quantities.get(path.rpartition(".")[2])
