"""Section that the page begins with: the chip, what lies where on it, and where time and energy of an inference go."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING

from hermes_sim.chip.places import Place
from hermes_sim.kit.colours import FAINT, GREY, SERIES, YELLOW
from hermes_sim.kit.formatting import counted, energy_of_pj, percent, time_of_ps
from hermes_sim.kit.markup import PageSection, SharePart, pair, paragraph, share_bar
from hermes_sim.kit.svg import Canvas
from hermes_sim.kit.tables import NO_VALUE, Column, Table, number
from hermes_sim.report.breakdowns import EnergyPart, largest_parts
from hermes_sim.report.chip_map import Spot, chip_spots, clusters_of, utilizations
from hermes_sim.report.summary import Fact, first_facts, headline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.chip.places import Resource
    from hermes_sim.flow import Simulated
    from hermes_sim.mapping.mapping import Block

_PITCH, _SIDE, _BUSY = 46, 40, 5  # pixels: from tile to tile, of a tile, of the bar that says how busy it is
_TOP, _LINE, _ENTRY, _LETTER = 20, 18, 30, 6.4
_PARTS, _GROUPS = 7, 9  # as many as there are colours
_GROUP_COLOURS = (*SERIES, YELLOW, "#8c564b", GREY)
_BUSY_COLOUR, _EDGE = "#3b434c", "#57606a"
_FAMILIES = {
    "core crossbar": "crossbars",
    "core ldpu": "LDPUs",
    "core in": "ports of cores",
    "core out": "ports of cores",
    "link": "links",
    "off-chip": "off-chip channel",
}


def overview_section(source: Simulated) -> PageSection:
    """Picture of the placement beside the first numbers, shares of time and energy below, then every number."""
    first = first_facts(source)
    facts = "".join(_fact_html(fact) for fact in first)
    picture = (
        f'<figure aria-label="What lies where on the chip">{placement_svg(source)}<figcaption><small>One square per '
        "core, in clusters; coloured: the cells that hold weights; dark bar: share of the run that its busiest part "
        "was busy.</small></figcaption></figure>"
    )
    body = [
        paragraph(_in_words(source)),
        f'<div class="overview">{picture}<dl class="facts">{facts}</dl></div>',
        pair(_time_bar(source), _energy_bar(source)),
        fact_table([fact for fact in headline(source) if fact not in first]).html(),
    ]
    return PageSection("summary", "The chip and what it did", "\n".join(body))


def fact_table(facts: Sequence[Fact]) -> Table:
    """Numbers with their meanings, and with their intervals where any has one."""
    columns: list[Column | str] = ["Quantity", number("Value"), "Interval", "Meaning"]
    rows = [[fact.label, fact.value, fact.interval or NO_VALUE, fact.detail] for fact in facts]
    if not any(fact.interval for fact in facts):
        columns, rows = [*columns[:2], columns[3]], [[*row[:2], row[3]] for row in rows]
    return Table("headline", "", columns, rows)


def _fact_html(fact: Fact) -> str:
    spread = f'<dd class="interval">{escape(fact.interval)}</dd>' if fact.interval else ""
    return (
        f'<div><dt>{escape(fact.label)}</dt><dd class="value">{escape(fact.value)}</dd>{spread}'
        f'<dd class="detail">{escape(fact.detail)}</dd></div>'
    )


def _in_words(source: Simulated) -> str:
    bottleneck = source.document["bottleneck"]
    return (
        f"Weights lie on {source.mapping.cores_used} of {counted(source.chip.n_cores, 'core')}. The busiest part is "
        f"{bottleneck['resource']}: {percent(bottleneck['utilization'])} of the time of the run."
    )


def matrix_groups(blocks: Sequence[Block], most: int = _GROUPS) -> dict[str, str]:
    """Weight matrix -> the name it is coloured by: its own, or as many parts of it (between dots) as leave few names.

    Where even the first parts are many, those with the most cells keep their names and the others share one.
    """
    cells: defaultdict[str, int] = defaultdict(int)
    for block in blocks:
        cells[block.matrix] += block.n_cells
    for depth in range(max((matrix.count(".") + 1 for matrix in cells), default=1), 0, -1):
        groups = {matrix: ".".join(matrix.split(".")[:depth]) for matrix in cells}
        if len(set(groups.values())) <= most:
            break
    totals: defaultdict[str, float] = defaultdict(float)
    for matrix, group in groups.items():
        totals[group] += cells[matrix]
    kept = {part.name for part in largest_parts(totals, most)}
    rest = f"{len(set(totals) - kept)} more"
    return {matrix: group if group in kept else rest for matrix, group in groups.items()}


def placement_svg(source: Simulated) -> str:
    """The chip as squares: weights where they lie, and how busy every part was."""
    chip, blocks = source.chip, source.mapping.called(source.graph).blocks
    spots = chip_spots(chip)
    groups = matrix_groups(blocks)
    colours = dict(zip(dict.fromkeys(groups.values()), _GROUP_COLOURS, strict=False))
    columns, rows = (max(values) + 1 for values in zip(*(spot[:2] for spot in spots), strict=True))
    canvas = Canvas(columns * _PITCH + 4, _TOP + rows * _PITCH)
    canvas.text((0, _TOP - 7), "off chip")
    for cluster, found in clusters_of(spots, chip).items():
        _draw_cluster(canvas, cluster, found)
    busy = _busy_by_spot(spots, utilizations(source))
    on_core: defaultdict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        on_core[block.core].append(block)
    for spot, share in zip(spots, busy, strict=True):
        _draw_tile(canvas, spot, share)
        for block in on_core[spot.core] if spot.core is not None else ():
            words = f"core {spot.core}: {block.matrix}, {block.n_rows} x {block.n_columns} cells, "
            across, down = _SIDE / chip.core.weight_columns, (_SIDE - _BUSY) / chip.core.rows.n
            x, y = _corner(spot)
            canvas.rect(
                (x + block.core_column * across, y + block.core_row * down),
                (block.n_columns * across, block.n_rows * down),
                colours[groups[block.matrix]],
                hint=words + f"busy {percent(share)}",
            )
    _draw_legend(canvas, colours)
    return canvas.svg()


def _corner(spot: Spot) -> tuple[float, float]:
    return spot.column * _PITCH + 2, _TOP + spot.row * _PITCH + 2


def _busy_by_spot(spots: Sequence[Spot], used: Mapping[Resource, float]) -> list[float]:
    """SharePart of the run that the busiest part of every tile was busy."""
    of_cores: defaultdict[int, float] = defaultdict(float)
    for resource, share in used.items():
        if isinstance(resource.at, Place) and resource.at.is_core:
            core = resource.at.number[0]
            of_cores[core] = max(of_cores[core], share)
    return [used.get(spot.resource, 0.0) if spot.resource else of_cores[spot.core or 0] for spot in spots]


def _draw_cluster(canvas: Canvas, cluster: int, spots: Sequence[Spot]) -> None:
    left, top = _corner(min(spots))
    right, bottom = max(_corner(spot)[0] for spot in spots), max(_corner(spot)[1] for spot in spots)
    canvas.rect((left - 3, top - 3), (right - left + _SIDE + 6, bottom - top + _SIDE + 6), "none", stroke=_EDGE)
    canvas.text((left - 3, top - 9), f"cluster {cluster}")


def _draw_tile(canvas: Canvas, spot: Spot, share: float) -> None:
    """Square, its label where it is no core, and along its lower edge how busy it is."""
    x, y = _corner(spot)
    hint = f"{spot.resource or f'core {spot.core}'}: busy {percent(share)}"
    canvas.rect((x, y), (_SIDE, _SIDE), FAINT, stroke="#d5dade", hint=hint)
    canvas.rect((x, y + _SIDE - _BUSY), (_SIDE * min(1.0, share), _BUSY), _BUSY_COLOUR)
    if spot.resource:
        canvas.text((x + _SIDE / 2, y + _SIDE / 2 + 1), spot.label, anchor="middle")


def _draw_legend(canvas: Canvas, colours: Mapping[str, str]) -> None:
    left, y = 2.0, canvas.height + 10
    for name, colour in colours.items():
        width = _ENTRY + _LETTER * len(name)
        if left + width > canvas.width and left > 2:
            left, y = 2.0, y + _LINE
        canvas.rect((left, y - 9), (11, 11), colour)
        canvas.text((left + 16, y), name)
        left += width
    canvas.height = y + 8


def _shares(parts: Sequence[EnergyPart], words: Mapping[str, str]) -> list[SharePart]:
    whole = sum(part.value for part in parts)
    named = [part for part in parts if not part.is_rest]
    colours = {part.name: colour for part, colour in zip(named, SERIES, strict=False)}
    return [
        SharePart(part.name, words[part.name], part.value / whole if whole else 0.0, colours.get(part.name, GREY))
        for part in parts
    ]


def _time_bar(source: Simulated) -> str:
    """What the critical path of one inference runs through."""
    one, path = source.runs.one, source.runs.critical_path
    totals: defaultdict[str, float] = defaultdict(float)
    for i, ps in enumerate(path.total_ps.tolist()):
        family = one.lowered.resources[one.lowered.program.resource[i]].family
        totals[_FAMILIES.get(family, family)] += ps
    totals["before the first input"] += path.gap_ps
    parts = largest_parts(totals, _PARTS, smallest_frac=2e-3)
    words = {part.name: time_of_ps(part.value) for part in parts}
    return share_bar(f"Where the time of one inference goes ({time_of_ps(path.makespan_ps)})", _shares(parts, words))


def _energy_bar(source: Simulated) -> str:
    """What the energy of one inference is spent on."""
    energy, n = source.metrics.energy_pj, source.metrics.inputs.inferences
    parts = largest_parts(energy.by_component, _PARTS, smallest_frac=2e-3)
    words = {part.name: energy_of_pj(part.value / n) for part in parts}
    return share_bar(
        f"Where the energy of one inference goes ({energy_of_pj(energy.total / n)})", _shares(parts, words)
    )
