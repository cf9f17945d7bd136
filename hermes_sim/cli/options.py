"""Arguments and options that several commands have, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else.")]
Arch = Annotated[str, typer.Argument(help="Shipped chip name, or path of a chip file.")]
ArchOption = Annotated[str, typer.Option("--arch", help="Shipped chip name, or path of a chip file.")]
ChipModelName = Annotated[
    str | None,
    typer.Option(
        "--chip-model",
        help="Model of the chip's reads, calibrated_counts or fixed_counts. Default: what the chip file says.",
    ),
]
ChipModelNames = Annotated[
    list[str] | None,
    typer.Option(
        "--chip-model",
        help="Model of the chip's reads, calibrated_counts or fixed_counts; repeatable: the accuracy is told for each. "
        "Default: what the chip file says.",
    ),
]
Workload = Annotated[str, typer.Argument(help="Shipped workload name, or path of a workload file.")]
Mapping = Annotated[str, typer.Option(help="Mapping strategy or file.")]
Inferences = Annotated[int | None, typer.Option(help="Default: what the workload file says.")]
Baselines = Annotated[
    list[str] | None, typer.Option("--baseline", help="Digital accelerator; repeatable. Default a100.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of NAME.yaml + NAME.npz data sets that counts before those on this machine (`data list`)."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier report in --out.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field of the chip or workload, e.g. core.ldpu.lanes=64; repeatable.",
    ),
]
SetChip = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Change a field of the chip, e.g. core.ldpu.lanes=64; repeatable."
    ),
]
SetWorkload = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the workload, e.g. features=32; repeatable."),
]
