"""What the docs site has beside docs/: a reference of files, commands and Python, made from the sources.

A hook of MkDocs (`mkdocs.yml`); `make docs` builds the site. Fields come with what the schemas say of them: a field
without a meaning (the docstring below it) or without an example ends the build.
"""  # noqa: INP001

from __future__ import annotations

import json
import re
from functools import cache
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer
from pydantic import TypeAdapter

import hermes_sim
from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.cli.app import app
from hermes_sim.cli.documents import documents
from hermes_sim.cli.schema_commands import model_of, schema_of
from hermes_sim.comparison.schema import ComparisonFile
from hermes_sim.config.files import read_yaml
from hermes_sim.config.quantity import Quantity
from hermes_sim.config.section import Section
from hermes_sim.config.validate import validate
from hermes_sim.errors import HermesSimError
from hermes_sim.explore.schema import StudyFile
from hermes_sim.mapping.schema import MappingFile
from hermes_sim.numerics import archives
from hermes_sim.numerics.dataset_schema import DatasetSection
from hermes_sim.workload.load import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
KINDS = {
    "chip": "Chip files: `hermes-sim run FILE.yaml ...`. A file that says `extends: hermes_64` says only what differs.",
    "workload": "Workload files: `hermes-sim run hermes_64 FILE.yaml`. `kind` says which of the sections.",
    "study": "Study files: `hermes-sim sweep FILE.yaml --store DIR`.",
    "baseline": "Files of accelerators: `hermes-sim run ... --baseline FILE.yaml`. `kind` says which of the sections.",
    "mapping": "Mapping files: `hermes-sim run ... --mapping FILE.yaml`.",
    "comparison": "Files of comparisons: `hermes-sim compare --study FILE.yaml`.",
    "data": "Data sets for kernel ridge: NAME.yaml, and beside it NAME.npz with the [arrays](#arrays) below. "
    "[Data sets](../datasets.md) has examples and what `chip` may hold; `hermes-sim new data NAME` writes a pair.",
}
QUANTITY = """
!!! info "Quantities"

    A field with a unit holds a record, not a plain number: value, unit, how certain it is, and where it comes from.

        {value: 133, unit: ns, kind: measured, source: our chip, note: optional, range: [120, 140]}

    `kind` is one of measured, rtl, spec, derived, literature, fitted, assumed; `range` says within which ends a value
    that is not certain may lie, for `--uncertainty`. Any SI prefix will do. On the command line a plain number is
    enough: `--set core.ldpu.lanes=64`.
"""


RESULT = """What `hermes-sim run --json` prints and `metrics.json` of a report holds; `hermes-sim schema result` is its
JSON schema, `hermes_sim.result.Metrics.read(path)` reads it. Fields are added, never renamed or taken away within a
`schema_version`. A time or an energy without a word more is that of the whole run.
"""
DOCUMENTS = """What commands print with `--json`, one document each; `hermes-sim schema COMMAND` is its JSON schema.
Fields are added, never renamed or taken away within a `schema_version`. [The result](result.md) of `run` is elsewhere.
"""


def _checked(model: type[Section]) -> Callable[[Path], Section]:
    return lambda path: validate(model, read_yaml(path, error=HermesSimError), HermesSimError)


# Where examples come from, the first file that has a field: what ships, what reports were made with, docs/examples.
FILES: dict[str, Callable[[Path], Section]] = {
    "arch_configs/*.yaml": load_arch,
    "workloads/*.yaml": load_workload,
    "arch_configs/baselines/*.yaml": load_baseline,
    "reports/*study_*/study.yaml": _checked(StudyFile),
    "reports/comparison/study.yaml": _checked(ComparisonFile),
    "reports/*/chip.yaml": load_arch,
    "docs/examples/chip*.yaml": load_arch,
    "docs/examples/workload*.yaml": load_workload,
    "docs/examples/study*.yaml": _checked(StudyFile),
    "docs/examples/mapping*.yaml": _checked(MappingFile),
    "datasets/**/*.yaml": _checked(DatasetSection),
}
GLYPHS = str.maketrans({"|": "\\|", "\n": " "})


def pages() -> dict[str, str]:
    """Generated pages: path below docs/ -> Markdown."""
    made = {f"reference/{kind}.md": file_page(kind) for kind in KINDS}
    made["reference/data.md"] += arrays_chapter()
    names = list(documents())
    return made | {
        "reference/result.md": documents_page("# The result document\n\n" + RESULT, ["run"]),
        "reference/documents.md": documents_page("# Documents of the other commands\n\n" + DOCUMENTS, names[1:]),
        "reference/commands.md": commands_page(),
        "reference/python.md": python_page(),
        "tutorials/notebook.md": notebook_page(),
    }


def file_page(kind: str) -> str:
    """Every field of one kind of file, section by section."""
    parts = [f"# Fields of a {kind} file\n\n{KINDS[kind]}\n", QUANTITY if kind in {"chip", "baseline"} else ""]
    model = model_of(kind)
    roots = get_args(model) or (model,)
    for section, paths in _reached(roots).items():
        title = (", ".join(f"`{path}`" for path in paths if path) + _which(section)).strip() or "The file"
        parts += [f"## {title} {{#{section.__name__.lower()}}}\n\n{_story(section)}\n\n{table_of(section)}"]
    return "\n".join(parts)


def arrays_chapter() -> str:
    """Arrays of the archives that commands read."""
    parts = ["\n## Arrays {#arrays}\n\nNumPy archives (`np.savez`) of plain arrays; nothing in them is unpickled.\n"]
    chapters = {
        "NAME.npz beside NAME.yaml": archives.KERNEL_RIDGE,
        "FILE.npz of a network: `run --data`, `partition --data`": archives.NETWORK,
        **{f"{name}.npz, which `hermes-sim data get` takes": arrays for name, arrays in archives.PUBLISHED.items()},
    }
    for title, arrays in chapters.items():
        rows = [f"| `{name}` | {array.shape} | {array.meaning} |" for name, array in arrays.items()]
        parts.append("\n".join([f"### {title}\n", "| array | shape | meaning |", "| --- | --- | --- |", *rows, ""]))
    return "\n".join(parts)


def documents_page(head: str, commands: list[str]) -> str:
    """Every field of the documents that commands print; records within them once."""
    parts, told = [head], set[str]()
    alike: dict[Any, list[str]] = {}
    for command in commands:
        alike.setdefault(documents()[command], []).append(command)
    for same in alike.values():
        schema = schema_of(same[0])
        parts.append(f"## {', '.join(f'`{command}`' for command in same)}\n")
        defs = schema["$defs"]
        roots = [defs[_name_of(one)] for one in schema.get("anyOf", ())] or [schema]
        parts += [f"{root['description'].strip()}\n\n{_fields_table(root, defs)}" for root in roots]
        told |= {_name_of(one) for one in schema.get("anyOf", ())}
        for name in _records_below(roots, defs):
            if name not in told:
                told.add(name)
                parts.append(f"### {name} {{#{name.lower()}}}\n\n{_record(defs[name], defs)}")
    return "\n".join(parts)


def _name_of(node: dict[str, Any]) -> str:
    return str(node["$ref"]).rpartition("/")[2]


def _record(node: dict[str, Any], defs: dict[str, Any]) -> str:
    return f"{node.get('description', '').strip()}\n\n{_fields_table(node, defs)}"


def _records_below(nodes: Any, defs: dict[str, Any]) -> Iterator[str]:
    """Records within others, in the order of their fields; the same name may come again."""
    seen: set[str] = set()

    def visit(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for each in node:
                yield from visit(each)
        elif isinstance(node, dict) and "$ref" in node:
            name = _name_of(node)
            if name not in seen and "properties" in defs[name]:
                seen.add(name)
                yield name
                yield from visit(defs[name])
        elif isinstance(node, dict):
            yield from visit(list(node.values()))

    yield from visit(nodes)


def _fields_table(node: dict[str, Any], defs: dict[str, Any]) -> str:
    """A row per field of a record."""
    rows = ["| field | what it is | there | meaning |", "| --- | --- | --- | --- |"]
    for name, field in node["properties"].items():
        always = name in node.get("required", ())
        null = " or null" if always and {"type": "null"} in field.get("anyOf", ()) else ""
        there = "always" if always else "or left out"
        cells = (f"`{name}`", _words(field, defs) + null, there, field.get("description", ""))
        rows.append("| " + " | ".join(cell.translate(GLYPHS) for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _which(section: type[Section]) -> str:
    """What tells a section from others at its place."""
    for name in ("kind", "type"):
        values = get_args(section.model_fields[name].annotation) if name in section.model_fields else ()
        if values:
            return f" {name}: {', '.join(map(str, values))}"
    return ""


def _story(section: type[Section]) -> str:
    return re.sub(r"\n +", "\n", (section.__doc__ or "").strip())


def _reached(roots: tuple[type[Section], ...]) -> dict[type[Section], list[str]]:
    """Sections of a file in the order of its fields, each with the dotted paths at which it may stand."""
    found: dict[type[Section], list[str]] = {}

    def visit(section: type[Section], path: str) -> None:
        places = found.setdefault(section, [])
        if path not in places:
            places.append(path)
        for name, field in section.model_fields.items():
            for inner, more in _sections_in(field.annotation, ""):
                visit(inner, f"{path}.{name}{more}".lstrip("."))

    for root in roots:
        visit(root, "")
    return found


def _sections_in(annotation: Any, path: str) -> Iterator[tuple[type[Section], str]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation, path
    more = {dict: ".NAME", list: "[]"}.get(getattr(annotation, "__origin__", None), "")
    for part in get_args(annotation):
        yield from _sections_in(part, path + more)


def table_of(section: type[Section]) -> str:
    """A row per field.

    Raises
    ------
    HermesSimError
        naming a field without a meaning or an example
    """
    rows = ["| field | what it may be | default | meaning | example |", "| --- | --- | --- | --- | --- |"]
    schema = TypeAdapter(section).json_schema()
    defs = schema.get("$defs", {})
    whole = defs[section.__name__] if "$ref" in schema else schema
    for name, node in whole.get("properties", {}).items():
        meaning = node.get("description", "") if "allOf" in node or not _is_quantity(node) else ""
        example = _example(section, name, node, defs)
        for what, told in (("meaning: a docstring below the field", meaning), ("example in a shipped file", example)):
            if not told:
                raise HermesSimError(f"{section.__module__}.{section.__name__}.{name}", got="nothing", allowed=what)
        cells = (f"`{name}`", _words(node, defs), _default(section, name), meaning, example)
        rows.append("| " + " | ".join(cell.translate(GLYPHS) for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _is_quantity(node: dict[str, Any]) -> bool:
    return node.get("required") == ["value", "kind", "source"]


_PLAIN = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _words(node: dict[str, Any], defs: dict[str, Any]) -> str:
    """What a field may be, from its JSON schema."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return f"[section](#{name.lower()})" if "properties" in defs[name] else _words(defs[name], defs)
    if _is_quantity(node):
        unit = node["properties"]["unit"]["description"].rpartition(" ")[2]
        return node["description"] + ("" if node["description"].endswith(f" {unit}") else f"; e.g. in {unit}")
    if "const" in node or "enum" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    choices = next((node[key] for key in ("allOf", "anyOf", "oneOf") if key in node), None)
    if choices:
        return " or ".join(dict.fromkeys(_words(each, defs) for each in choices if each.get("type") != "null"))
    return _plain_words(node, defs)


def _plain_words(node: dict[str, Any], defs: dict[str, Any]) -> str:
    if node.get("type") == "array":
        inside = node.get("prefixItems") or [node["items"]]
        words = " and ".join(dict.fromkeys(_words(each, defs) for each in inside))
        return f"{len(inside)} values, {words}" if "prefixItems" in node else f"list of {words}"
    if node.get("type") == "object":
        inner = node.get("additionalProperties", next(iter(node.get("patternProperties", {}).values()), None))
        return f"names, each with {_words(inner, defs)}" if isinstance(inner, dict) else "names with values"
    if "type" not in node:
        return "anything"
    limits = " ".join(f"{word} {node[key]:g}" for key, word in _LIMITS.items() if key in node)
    return f"{_PLAIN[node['type']]}, {limits}" if limits else _PLAIN[node["type"]]


def _default(section: type[Section], name: str) -> str:
    field = section.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "left out" if value is None else f"`{_plain(value)}`" if value not in ([], {}, "") else "empty"


def _plain(value: Any) -> str:
    """A value as a YAML file may hold it, on one line."""
    if isinstance(value, Quantity):
        return value.given
    if isinstance(value, (list, tuple, dict)):
        text = json.dumps(value, default=str, ensure_ascii=False).replace('"', "")
        return text if len(text) <= 60 else f"{text[:57]}..."
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _example(section: type[Section], name: str, node: dict[str, Any], defs: dict[str, Any]) -> str:
    """What a shipped file says; else what the field itself gives as an example; else one of its choices."""
    owner = next(base for base in section.__mro__ if name in get_annotations(base))
    if (owner, name) in _shipped():
        return f"`{_shipped()[owner, name]}`"
    given = section.model_fields[name].examples
    if given:
        return f"`{_plain(given[0])}`"
    choice = re.match(r"`.*?`", _words(node, defs))
    if choice:
        return choice[0]
    return "see there" if "[section]" in _words(node, defs) else ""


@cache
def _shipped() -> dict[tuple[type, str], str]:
    """(class, field) -> what the first shipped file says that has the field."""
    found: dict[tuple[type, str], str] = {}
    for loaded in _shipped_files():
        _collect(loaded, found)
    return found


def _shipped_files() -> Iterator[Section]:
    for pattern, load in FILES.items():
        for path in sorted(ROOT.glob(pattern)):
            yield load(path)


def _collect(value: Any, found: dict[tuple[type, str], str]) -> None:
    if isinstance(value, Section):
        for base in type(value).__mro__:
            for name in get_annotations(base):
                inner = getattr(value, name, None) if name in type(value).model_fields else None
                if inner is not None and not _holds_sections(inner) and inner not in ([], {}, ""):
                    found.setdefault((base, name), _plain(inner))
                _collect(inner, found)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        _collect(inner, found)


def _holds_sections(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
    return any(isinstance(each, Section) for each in inner)


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = ["# Commands\n\nEvery command takes `--help`. Bad input ends with one message and exit code 2.\n"]
    for path, command in _leaves(typer.main.get_command(app), "hermes-sim"):
        rows = ["| argument or option | meaning | default |", "| --- | --- | --- |"]
        for param in command.params:
            names = ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])
            told = getattr(param, "help", None) or ""
            default = "required" if param.required else "" if param.default is None else f"`{_plain(param.default)}`"
            rows.append(f"| {names} | {told.translate(GLYPHS)} | {default} |")
        parts.append(f"## `{path}`\n\n{(command.help or '').strip()}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner:
        yield path, command
    for name, each in inner.items():
        yield from _leaves(each, f"{path} {name}")


def python_page() -> str:
    """Public names of `hermes_sim` and `hermes_sim.torch`, for mkdocstrings."""
    modules = {"hermes_sim": hermes_sim, "hermes_sim.torch": hermes_sim.torch}
    parts = ["# Python\n\n`import hermes_sim as hs`\n"]
    for name, module in modules.items():
        parts.append(f"## {name}\n")
        parts += [f"::: {name}.{each}\n" for each in module.__all__ if not each.startswith("_")]
    return "\n".join(parts)


def notebook_page() -> str:
    """The tutorial notebook with what it prints."""
    cells = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            text = output.get("text") or output["data"]["text/plain"]
            parts.append("```text\n" + "".join(text).rstrip() + "\n```")
    return "\n\n".join(parts) + "\n\n[The notebook itself](../tutorial.ipynb)\n"


def compact_docstrings() -> Any:
    """Extension of mkdocstrings that reads `name : meaning` as meaning, not as type (types stand in signatures)."""
    from griffe import Extension  # noqa: PLC0415 - the extra `docs`

    class CompactDocstrings(Extension):
        def on_object(self, *, obj: Any, **_: Any) -> None:
            if obj.docstring is not None:
                obj.docstring.value = _COMPACT.sub(r"\1\n    \2", obj.docstring.value)

    return CompactDocstrings()


_COMPACT = re.compile(r"^([a-z_]\w*(?:, [a-z_]\w*)*) : (.*)$", re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, and what pages show from outside docs/ (called by MkDocs)."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the extra `docs`

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    outside = {name for page in ROOT.glob("docs/*.md") for name in _OUTSIDE.findall(page.read_text(encoding="utf-8"))}
    for name in sorted(outside):
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lists right below a paragraph, which MkDocs would run into it; links out of docs/ (called by MkDocs)."""
    return _LIST_BELOW_TEXT.sub(r"\1\n\n", _OUTSIDE.sub(r"](\1)", markdown))


def on_post_build(config: Any) -> None:
    """Refuse a site whose pages load anything from another host (called by MkDocs)."""
    for page in sorted(Path(config["site_dir"]).rglob("*.html")):
        found = _LOADED.search(page.read_text(encoding="utf-8"))
        if found:
            raise HermesSimError(str(page), got=found[0], allowed="nothing that is loaded from another host")


_LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
_OUTSIDE = re.compile(r"\]\(\.\./((?:reports|arch_configs|workloads)/[^)]*)\)")
_LIST_BELOW_TEXT = re.compile(r"^((?![-*|`#<>]|\d+\. )\S.*)\n(?=- |\d+\. )", re.MULTILINE)
