"""Section: what the energy is made of."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hermes_sim.kit.colours import GREY, SERIES
from hermes_sim.kit.figures import Figure, axis, layout, rows_axis, safe, shortened, stacked_bars
from hermes_sim.kit.formatting import energy_of_pj, percent, scale_of
from hermes_sim.kit.markup import PageSection, link, pair, paragraph, terms
from hermes_sim.metrics.energy import STATIC
from hermes_sim.report.breakdowns import EnergyPart, energy_by_operator_and_component, largest_parts
from hermes_sim.report.contents import energy_table, places_words
from hermes_sim.report.waterfall import waterfall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.flow import Simulated

_COMPONENTS, _OPERATORS, _STACKED, _LISTED = 14, 14, 5, 20
_SMALLEST_FRAC = 1e-3
STATIC_COLOUR = SERIES[1]
_TERMS = {
    "Dynamic energy": "counted by event: every read of a crossbar, every byte moved, every digital operation has its "
    "energy in the chip file, times how often it happened",
    "Static energy": "power that is drawn all the time (leakage, clocks), times the time of the run; it does not "
    "belong to any operator",
}


def energy_section(source: Simulated) -> PageSection:
    """Waterfall by component, stacked bars by operator, and the tables they are drawn from."""
    energy = source.document["energy_pj"]
    static = energy["static"] / energy["total"] if energy["total"] else 0.0
    text = (
        f"One inference takes {energy_of_pj(energy['per_inference'])}: {places_words(source)}. "
        f"{percent(1 - static)} of all is dynamic, {percent(static)} static."
    )
    if source.document["inputs"]["inferences"] > 1:
        text += (
            f" Alone on an empty chip it takes {energy_of_pj(source.document['energy_alone_pj'])}: there the static "
            "power of its whole latency is its own."
        )
    body = [
        paragraph(text),
        terms(_TERMS),
        _component_figure(source).html(),
        _operator_figure(source).html(),
        pair(energy_table(source, "component").html(), energy_table(source, "operator", _LISTED).html()),
        f"<p>Every term of every stage, with the config values behind it: {link('energy.csv', 'energy.csv')}.</p>",
    ]
    return PageSection("energy", "Energy", "\n".join(body))


def _component_figure(source: Simulated) -> Figure:
    energy, n = source.document["energy_pj"], source.document["inputs"]["inferences"]
    joules = {name: pj * 1e-12 / n for name, pj in energy["by_component"].items()}
    parts = largest_parts(joules, _COMPONENTS, smallest_frac=_SMALLEST_FRAC)
    return waterfall(
        "energy-waterfall",
        parts,
        caption="Energy of one inference by component",
        note="Each bar begins where the one before ended; the last one is the total of the headline. "
        "Blue: dynamic; orange: static power times time.",
        quantity="energy per inference",
        unit="J",
        colours=[_component_colour(part) for part in parts],
    )


def _component_colour(part: EnergyPart) -> str:
    if part.is_rest:
        return GREY
    return STATIC_COLOUR if part.name.endswith("(static)") else SERIES[0]


def _static_as_one(by_operator: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The waterfall has shown what static power is made of; here it is one component."""
    return {
        name: {"static power": sum(parts.values())} if name == STATIC else dict(parts)
        for name, parts in by_operator.items()
    }


def _component_colours(leading: Sequence[str]) -> dict[str, str]:
    """Orange for static power, as in the waterfall, grey for the small ones together."""
    colours = {"static power": STATIC_COLOUR, "other components": GREY}
    free = [colour for colour in SERIES if colour != STATIC_COLOUR]
    colours |= dict(zip((name for name in leading if name not in colours), free, strict=False))
    return {name: colours[name] for name in (*leading, "other components")}


def _leading_components(by_operator: Mapping[str, Mapping[str, float]]) -> list[str]:
    components: defaultdict[str, float] = defaultdict(float)
    for parts in by_operator.values():
        for component, pj in parts.items():
            components[component] += pj
    return [part.name for part in largest_parts(components, _STACKED + 1) if not part.is_rest]


def _operator_figure(source: Simulated) -> Figure:
    """Stacked bars: operators, each cut into components; the same colours as far as they reach."""
    n = source.document["inputs"]["inferences"]
    by_operator = _static_as_one(energy_by_operator_and_component(source))
    totals = {name: sum(parts.values()) for name, parts in by_operator.items()}
    operators = largest_parts({name: pj for name, pj in totals.items() if name != STATIC}, _OPERATORS - 1)
    if totals.get(STATIC):
        operators.append(EnergyPart(STATIC, totals[STATIC]))
    named = [part.name for part in operators if not part.is_rest]
    leading = _leading_components(by_operator)
    factor, unit = scale_of(max((part.value for part in operators), default=0.0) * 1e-12 / n, "J")

    def cut(operator: str) -> dict[str, float]:
        """Energy of one bar by leading component, the rest together."""
        others = [name for name in totals if name not in named]
        bars = [by_operator[name] for name in ([operator] if operator in named else others)]
        values = {name: sum(bar.get(name, 0.0) for bar in bars) for name in leading}
        values["other components"] = sum(sum(bar.values()) for bar in bars) - sum(values.values())
        return values

    cuts = [cut(part.name) for part in operators]
    traces = [
        stacked_bars(
            component,
            [max(0.0, values[component]) * 1e-12 / n * factor for values in cuts],
            colour,
            f"%{{x:.4g}} {unit}",
        )
        for component, colour in _component_colours(leading).items()
    ]
    return Figure(
        "energy-operators",
        "Energy of one inference by operator and component",
        "An operator carries the energy of its results' way through ports, links and the off-chip channel.",
        traces,
        layout(
            110 + 25 * len(operators),
            barmode="stack",
            xaxis=axis(f"energy per inference, {unit}"),
            yaxis=rows_axis([safe(shortened(part.name)) for part in operators]),
        ),
    )
