"""Reading YAML with line numbers, finding shipped files, and writing results whole or not at all."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hermes_sim.errors import HermesSimError, OutputError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Changed:
    """A shipped name or a path, and values laid over fields of that file.

    Parameters
    ----------
    fields : dotted path -> value
    said : what gave the values, for messages
    """

    name: str | Path
    fields: Mapping[str, Any]
    said: str = "override"

    def __str__(self) -> str:
        return str(self.name)

    @property
    def options(self) -> str:
        """Options of a command line that make the same changes, each behind a space."""
        return "".join(f" --set {shlex.quote(setting(path, value))}" for path, value in self.fields.items())


def setting(path: str, value: Any) -> str:
    """``path=value`` as `--set` reads it."""
    return f"{path}={value if isinstance(value, str) else json.dumps(value, default=str)}"


Source = str | Path | Changed  # what a file may be named by


def changes_of(source: Source, overrides: Mapping[str, Any] | None) -> Iterator[tuple[str, Any, str]]:
    """Path, value and origin of all changes to a file, in order: those of its source, then `overrides`."""
    if isinstance(source, Changed):
        for path, value in source.fields.items():
            yield path, value, source.said
    for path, value in (overrides or {}).items():
        yield path, value, "override"


@dataclass
class YamlDocument:
    """Plain data of a YAML mapping, and the place (file and line) of each key and list entry, by dotted path."""

    path: Path
    data: dict[str, Any]
    places: dict[str, str] = field(default_factory=dict)

    def place(self, key_path: str) -> str:
        """File, line and field for a message; the nearest known parent where the field itself is missing."""
        known = key_path
        while known and known not in self.places:
            known = known.rpartition(".")[0]
        return f"{self.places.get(known, self.shown)}: {key_path}" if key_path else self.shown

    @property
    def shown(self) -> str:
        """The file for a message."""
        return shown_path(self.path)


def shipped_dir(name: str) -> Path:
    """Folder of shipped files, inside the installed wheel or beside the package in a checkout."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def shown_path(path: Path) -> str:
    """Path as messages have it: as it was given, of a shipped file from its folder on, wherever that is installed."""
    return str(path).removeprefix(f"{shipped_dir('arch_configs').parent}{os.sep}")


def shipped_names(folder: str, suffix: str = ".yaml") -> list[str]:
    """Names of the shipped files of a folder, without suffix."""
    return sorted(path.stem for path in shipped_dir(folder).glob(f"*{suffix}"))


def description_of(path: Path) -> str:
    """What a file says of itself, without the time that reading all of it takes; empty where it says nothing."""
    found = _DESCRIPTION.search(path.read_text(encoding="utf-8"))
    return str(YAML(typ="safe", pure=True).load(found[0])["description"]) if found else ""


_DESCRIPTION = re.compile(r"^description:.*\n(?:[ \t]+.*\n)*", re.MULTILINE)
_SHIPPED = ("arch_configs", "workloads", "arch_configs/baselines")


def find_yaml(source: Source, folder: str, *, error: type[HermesSimError]) -> Path:
    """Path of a shipped name or of the user's own file.

    Raises
    ------
    HermesSimError
        of class `error`, naming the nearest shipped name, if there is no such file
    """
    name_or_path = str(source)
    if name_or_path in (names := shipped_names(folder)):
        return shipped_dir(folder) / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as cause:  # a name that no file can have
        raise error(
            f"{name_or_path[:40]}...", got=cause.strerror, allowed=f"a path, or one of {', '.join(names)}"
        ) from None
    if is_file:
        return path
    allowed = f"a path, or one of {', '.join(names)}"
    if not name_or_path:
        raise error(f"name from {folder}", got="nothing", allowed=allowed)
    if is_folder:
        raise error(name_or_path, got="a folder", allowed="a YAML file or a shipped name")
    hint = nearest(name_or_path, names)
    for other in _SHIPPED:
        if other != folder and name_or_path in shipped_names(other):
            hint = f"{name_or_path!r} is from {other}/: are the arguments in order?"
    raise error(name_or_path, got="no such file", allowed=allowed, hint=hint)


def read_text(path: Path, *, error: type[HermesSimError], allowed: str) -> str:
    """Text of a UTF-8 file, without a byte order mark.

    Raises
    ------
    HermesSimError
        of class `error`: no such file, unreadable, not UTF-8
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(str(path), got="no such file", allowed=allowed) from None
    except IsADirectoryError:
        raise error(str(path), got="a folder", allowed=allowed) from None
    except (OSError, ValueError) as cause:
        raise error(str(path), got=getattr(cause, "strerror", None) or str(cause), allowed=allowed) from None


def read_yaml(path: Path, *, error: type[HermesSimError], allowed: str = "a readable UTF-8 YAML file") -> YamlDocument:
    """Parse one YAML file whose top level is a mapping.

    Parameters
    ----------
    error, allowed : of the refusal of a file that cannot be read

    Raises
    ------
    HermesSimError
        of class `error`: unreadable file, syntax error or doubled key (with line and column), not a mapping
    """
    text = read_text(path, error=error, allowed=allowed)
    data, lines = _parse(text, path, error)  # type: ignore[arg-type] # classes can be hashed
    return YamlDocument(path, copy.deepcopy(data), dict(lines))


@lru_cache(maxsize=256)
def _parse(text: str, path: Path, error: type[HermesSimError]) -> tuple[dict[str, Any], dict[str, str]]:
    """Data and place of every key; a study reads the same file thousands of times."""
    try:
        raw = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        place = f"{shown_path(path)}, line {mark.line + 1}, column {mark.column + 1}" if mark else shown_path(path)
        problem = (cause.problem or str(cause)).splitlines()[0]
        raise error(place, got=problem, allowed="valid YAML") from None
    except (YAMLError, ValueError, RecursionError) as cause:
        raise error(str(path), got=str(cause).splitlines()[0], allowed="valid YAML") from None
    if not isinstance(raw, CommentedMap):
        kind = "a list" if isinstance(raw, CommentedSeq) else "a single value"
        raise error(str(path), got="an empty file" if raw is None else kind, allowed="a mapping of fields")
    lines: dict[str, int] = {}
    data = _plain(raw, "", lines)
    return data, {key: f"{shown_path(path)}, line {line}" for key, line in lines.items()}


def _plain(node: Any, prefix: str, lines: dict[str, int]) -> Any:
    """Strip ruamel's types, noting the line of every key and list entry."""
    if isinstance(node, CommentedMap):
        result = {}
        for key, value in node.items():
            path = f"{prefix}.{key}" if prefix else str(key)
            lines[path] = node.lc.key(key)[0] + 1 if key in node.lc.data else node.lc.line + 1
            result[key if isinstance(key, (int, bool)) else str(key)] = _plain(value, path, lines)
        return result
    if isinstance(node, CommentedSeq):
        for i in range(len(node)):
            lines[f"{prefix}.{i}"] = (node.lc.item(i) or (node.lc.line,))[0] + 1
        return [_plain(value, f"{prefix}.{i}", lines) for i, value in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)
    return node


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends without an error.

    Raises
    ------
    OutputError
        if the folder cannot be written
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as cause:
        raise OutputError(str(path), got=str(cause), allowed="a folder that can be written") from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as cause:
        raise OutputError(str(path), got=str(cause), allowed="a file that can be written") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; lines end as in the text.

    Raises
    ------
    OutputError
        if the folder cannot be written
    """
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_report_folder(path: Path, *, replace: bool = False) -> None:
    """Check early, before hours of work, that a report folder can be written.

    Raises
    ------
    OutputError
        if `path` exists (and is no earlier report that may be replaced), or its parent cannot be written
    """
    if path.exists() and not (replace and (path / "metrics.json").is_file()):
        is_report = (path / "metrics.json").is_file()
        what = "a folder that exists" if path.is_dir() else "a file of that name"
        what += ", an earlier report" if is_report else ""
        hint = "another --out, or --force to replace the earlier report" if is_report else "another --out"
        raise OutputError(str(path), got=what, allowed="a folder that does not exist yet", hint=hint)
    _check_parent(path)


def check_output_file(path: Path, suffix: str) -> None:
    """Check early, before hours of work, that a file can be written.

    Raises
    ------
    OutputError
        for another suffix, a folder of that name, or a parent that cannot be written
    """
    if path.suffix != suffix:
        raise OutputError(str(path), got=path.suffix or "no suffix", allowed=suffix)
    if path.is_dir():
        raise OutputError(str(path), got="a folder", allowed="a file that can be written")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        got = f"{'the current folder' if parent == Path() else parent} cannot be written"
        raise OutputError(str(path), got=got, allowed="a folder that can be written")


@contextmanager
def folder_written_whole(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it to `path` when the block ends without an error.

    Raises
    ------
    OutputError
        if `path` exists (and `replace` is false, or it is not a report folder), or cannot be written
    """
    check_report_folder(path, replace=replace)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        temporary.chmod(0o755)
    except OSError as cause:
        raise OutputError(str(path), got=str(cause), allowed="a folder that can be written") from None
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as cause:
        raise OutputError(str(path), got=str(cause), allowed="a folder that can be written") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
