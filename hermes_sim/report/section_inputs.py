"""Section: the exact inputs, and how to make the result again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.kit.formatting import count, si
from hermes_sim.kit.markup import PageSection, folded, link, paragraph, preformatted
from hermes_sim.kit.tables import Table, number
from hermes_sim.report.inputs import (
    ARCH_FILE,
    MAPPING_FILE,
    WORKLOAD_FILE,
    input_files,
    remake_command,
    remake_notes,
)

if TYPE_CHECKING:
    from hermes_sim.flow import Simulated

_BLOCKS = 200


def inputs_section(source: Simulated) -> PageSection:
    """Command, versions and files."""
    document = source.document
    inputs = document["inputs"]
    files = input_files(source)
    rows = [
        ("Chip", inputs["arch"]),
        ("Workload", inputs["workload"]),
        ("Mapping", inputs["mapping"]),
        ("Inferences", count(inputs["inferences"])),
        ("Seed", str(inputs["seed"])),
        ("Engine", f"{inputs['engine']}: {count(document['firings'])} firings at {_speed(source)}"),
        ("Version of hermes_sim", document["hermes_sim_version"]),
        ("SHA-256 of the inputs", inputs["sha256"]),
    ]
    links = ", ".join(link(name, name) for name in (*files, "metrics.json", "report.md"))
    body = [
        Table("inputs-table", "What the result was made from", ("Input", "Value"), rows).html(),
        paragraph("This command makes it again (from inside the report folder, if it names files of it):"),
        preformatted(remake_command(source)),
        *map(paragraph, remake_notes(source)),
        f"<p>Files beside this page: {links}.</p>",
        folded(f"Chip as resolved ({ARCH_FILE})", preformatted(files[ARCH_FILE], is_long=True)),
        folded(f"Workload as resolved ({WORKLOAD_FILE})", preformatted(files[WORKLOAD_FILE], is_long=True)),
        folded(f"Mapping ({MAPPING_FILE})", _mapping_table(source).html()),
    ]
    return PageSection("inputs", "Inputs", "\n".join(body))


def _speed(source: Simulated) -> str:
    per_second = source.document["events_per_s"]
    return si(per_second, "firings/s") if per_second else "a speed that was not measured"


def _mapping_table(source: Simulated) -> Table:
    blocks = sorted(
        source.mapping.called(source.graph).blocks, key=lambda block: (block.core, block.core_row, block.core_column)
    )
    rows = [
        [
            block.core,
            block.matrix,
            block.replica,
            f"{block.rows[0]} to {block.rows[1]}",
            f"{block.columns[0]} to {block.columns[1]}",
            f"row {block.core_row}, column {block.core_column}",
        ]
        for block in blocks[:_BLOCKS]
    ]
    more = len(blocks) - len(rows)
    caption = "Which part of which matrix lies where; ranges end before their second number"
    return Table(
        "mapping",
        caption + (f"; {more} more blocks are in {MAPPING_FILE}" if more > 0 else ""),
        (number("Core"), "Matrix", number("Replica"), "Rows of the matrix", "Columns of the matrix", "At, on the core"),
        rows,
    )
