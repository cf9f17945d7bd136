"""`hermes-sim data`: which data sets are known, which are on this machine, and how to get the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hermes_sim.cli.console import console, print_json, progress_bar, table
from hermes_sim.cli.options import Json

app = typer.Typer(help="Data sets: which are known, which are here, and how to get the others.", no_args_is_help=True)

_HERE = {"package": "ships", "scikit-learn": "scikit-learn", "rules": "made"}


@app.command(name="list")
def list_(
    data_dir: Annotated[Path | None, typer.Option(help="Folder that counts first.")] = None, json_: Json = False
) -> None:
    """Data sets that commands know by name."""
    from hermes_sim.numerics.data_sources import archive_at_hand, is_at_hand, known_data

    found = {
        name: {
            **known.model_dump(include={"kind", "title", "source", "licence", "comes", "sha256"}),
            "at_hand": is_at_hand(name, data_dir),
            "file": str(archive_at_hand(name, data_dir) or "") or None,
        }
        for name, known in known_data().items()
    }
    if json_:
        from hermes_sim.cli.documents.lists import DataListDocument

        print_json(DataListDocument.model_validate({"data_sets": found}))
        return
    rows = [
        (
            name,
            _HERE.get(str(one["comes"]), "yes" if one["at_hand"] else "no"),
            str(one["kind"]).replace("_", " "),
            str(one["licence"]),
            str(one["title"]),
        )
        for name, one in found.items()
    ]
    console.print(table("Data sets", ("name", "here", "for", "licence", "what"), rows, keep_first=True))
    console.print(
        "`hermes-sim data get NAME` brings those that are not here; --json names the sources.", highlight=False
    )


@app.command()
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets, as `hermes-sim data list` names.")],
    from_: Annotated[
        list[str] | None,
        typer.Option("--from", help="File or http address with its data; repeatable, in order. Default: as published."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder to put it in. Default: one of your own, where every command looks.")
    ] = None,
    json_: Json = False,
) -> None:
    """Fetch published data sets, check their contents, and put them where every command finds them."""
    from hermes_sim.errors import DataError
    from hermes_sim.numerics.data_fetch import get_data

    if from_ and len(names) > 1:
        raise DataError("--from", got=f"{len(names)} data sets", allowed="one data set at a time")
    found: dict[str, str | None] = {}
    with progress_bar() as progress:
        for name in names:
            path = get_data(name, from_ or (), folder=data_dir, progress=progress)
            found[name] = None if path is None else str(path)
    if json_:
        from hermes_sim.cli.documents.lists import DataGetDocument

        print_json(DataGetDocument(files=found))
        return
    for name, place in found.items():
        told = f"{place}, contents as published" if place else "needs no file"
        console.print(f"{name}: {told}", highlight=False, soft_wrap=True)
