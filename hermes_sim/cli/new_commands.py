"""`hermes-sim new`: a commented file to begin with, which runs as it stands, and its schema for editors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from hermes_sim.cli.console import console, print_json
from hermes_sim.cli.options import Json

TEMPLATES = Path(__file__).with_name("templates")
_WHAT = ("chip", "workload", "study", "data")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def new(
    what: Annotated[str, typer.Argument(help="chip, workload, study or data.")],
    name: Annotated[str, typer.Argument(help="Its name; NAME.yaml is written, in a folder if one stands before it.")],
    json_: Json = False,
) -> None:
    """Write a commented file to begin with: a chip, a workload, a study or a data set of your own."""
    written = write_template(what, name)
    if json_:
        from hermes_sim.cli.documents.lists import NewDocument

        print_json(NewDocument(files=tuple(map(str, written))))
        return
    text = written[0].read_text(encoding="utf-8")
    console.print(f"Wrote {', '.join(map(str, written))}. Next, and more at its top:", highlight=False, soft_wrap=True)
    command = re.findall(r"^#   (hermes-sim [^#\n]*?)(?:  .*)?$", text, flags=re.MULTILINE)[0]
    console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)


def write_template(what: str, name: str) -> list[Path]:
    """Write NAME.yaml, the schema that it names, and the archive of a data set.

    Raises
    ------
    OutputError
        for a name that no file should have, or a file that is there already; nothing is written then
    """
    from hermes_sim.cli.schema_commands import schema_of
    from hermes_sim.config.files import write_text, written_whole
    from hermes_sim.errors import HermesSimError, OutputError, chosen

    chosen("new", what, _WHAT, error=HermesSimError)
    path = Path(name.removesuffix(".yaml") + ".yaml")
    if not _NAME.fullmatch(path.stem):
        raise OutputError(f"new {what}", got=repr(name), allowed="letters, digits, _, - and . in a name")
    copies = {path.with_suffix(file.suffix): file for file in sorted(TEMPLATES.glob(f"{what}.*"), reverse=True)}
    for place in copies:
        if place.exists():
            raise OutputError(str(place), got="a file that exists", allowed="a new name")
    schema = path.with_name(f"{what}.schema.json")
    write_text(schema, json.dumps(schema_of(what), indent=1) + "\n")
    for place, file in reversed(copies.items()):  # what the YAML file names comes first
        if file.suffix == ".yaml":
            write_text(place, _named(file.read_text(encoding="utf-8"), path))
        else:
            with written_whole(place) as temporary:
                temporary.write_bytes(file.read_bytes())
    return [*copies, schema]


def _named(template: str, path: Path) -> str:
    """Template with its name, and with its path in the commands of its comments."""
    lines = template.splitlines(keepends=True)
    commands = {line: line.replace("NAME.yaml", str(path)) for line in lines if line.startswith("#   hermes-sim")}
    return "".join(commands.get(line, line).replace("NAME", path.stem) for line in lines)
