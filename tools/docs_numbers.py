"""Printed numbers of README.md and docs/: does each block say what its command prints today?

    python tools/docs_numbers.py [--update] [FILE ...]

A block stands under a comment that says what made it:

    <!-- made by: hermes-sim validate chip -->                       and a fenced block: all that it prints
    <!-- made by: hermes-sim run ... ; from: A ; until: B -->        from the line that starts with A to that with B
    <!-- made by: COMMAND && COMMAND -->                             one after the other
    <!-- made by: table shares_of_cells -->                          and a table, from docs_tables.py

    <!-- made by: the code above -->                                 and a fenced block: what that Python prints

Commands run in an empty folder. Where a page has files (fenced blocks with a title, their name), its commands run in
one folder with these, behind its Python files, in the order of the page. Python blocks without a title run one after
the other in one process, there too.
Every fenced block is one of these: printed lines, a file, Python. One that cannot be run says why, in a line above it:

    <!-- not run: needs the extra torch -->              and a fenced block

What differs from run to run (VOLATILE) is not compared, and accuracies may differ in the last digits, as they do
between machines; --update leaves a block alone that differs in nothing else.
"""  # noqa: INP001

from __future__ import annotations

import argparse
import atexit
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/tutorials/*.md")
VOLATILE = (re.compile(r" +([\d,]+), [\d.]+ \w*firings/s"),)
_ACCURACY = re.compile(r"accuracy|attention relative error|kernel error")
_ACCURACY_DIFFERENCE = 1e-3  # one point is 0.01
_NUMBER = re.compile(r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
_BLOCK = re.compile(
    r"<!-- made by: (?P<how>[^\n]*?) -->\n+"
    r"(?:```[a-z]*\n(?:\$ [^\n]*\n)?(?P<fenced>.*?)```\n|(?P<table>(?:\|[^\n]*\n)+))",
    re.DOTALL,
)


_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n+)?```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
_FILE = re.compile(r"\w+ title=\"([^\"]+)\"")
_INDENTED = re.compile(r"(?:<!-- not run: (?P<why>[^\n]+) -->\n\n|(?<=\n\n))(?: {4}[^\n]*\n)+")
_END = "\x1e"  # of what a Python block prints


@dataclass(frozen=True)
class Block:
    """Printed lines of a page, and how they are made."""

    path: Path
    page: str
    line: int
    how: str
    body: str
    span: tuple[int, int]

    def now(self) -> str:
        """The lines as they would be printed today."""
        made_by, *limits = (part.strip() for part in self.how.split(" ; "))
        if made_by.startswith("table "):
            return _made_table(made_by.removeprefix("table "))
        if made_by == "the code above":
            above = self.path.read_text(encoding="utf-8")[: self.span[0]]
            return printed_by_code(self.path)[len(code_of(above)) - 1]
        folder = folder_of(self.path)
        outputs = [output_of(command.strip(), folder).strip("\n") for command in made_by.split("&&")]
        lines = "\n\n".join(outputs).splitlines()
        named = dict(limit.split(": ", 1) for limit in limits)
        first = _line_of(lines, named["from"]) if "from" in named else 0
        last = _line_of(lines, named["until"], after=first) if "until" in named else len(lines)
        return "\n".join(line.rstrip() for line in lines[first:last]).strip("\n") + "\n"


def _line_of(lines: list[str], text: str, after: int = 0) -> int:
    found = next((i for i, line in enumerate(lines) if i >= after and line.startswith(text)), None)
    if found is None:
        raise ValueError(f"no line starts with {text!r}")
    return found


def _made_table(name: str) -> str:
    from docs_tables import TABLES  # noqa: PLC0415 - loads the package

    return "\n".join(TABLES[name]()) + "\n"


def code_of(text: str) -> list[str]:
    """Python blocks of a page that run."""
    return [fence["body"] for fence in _FENCE.finditer(text) if fence["kind"] == "python" and not fence["why"]]


def left_out(path: Path) -> list[str]:
    """Blocks of a page, by line, that nothing runs and that do not say why; indented ones in README and tutorials."""
    text = path.read_text(encoding="utf-8")
    made = [block.span for block in blocks_of(path)]
    found = [
        fence.start("kind")
        for fence in _FENCE.finditer(text)
        if not (fence["why"] or fence["kind"] == "python" or _FILE.fullmatch(fence["kind"]))
        and not any(fence.start() <= start <= end <= fence.end() for start, end in made)
    ]
    if path.name == "README.md" or path.parent.name == "tutorials":
        prose = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)
        lines = {prose.count("\n", 0, block.start()) + 1 for block in _INDENTED.finditer(prose) if not block["why"]}
    else:
        lines = set()
    return [f"{path.name}:{line}" for line in sorted(lines | {text.count("\n", 0, start) + 1 for start in found})]


@cache
def folder_of(page: Path) -> Path | None:
    """Folder with the files of a page, its scripts run; none if the page has no files."""
    fences = list(_FENCE.finditer(page.read_text(encoding="utf-8")))
    files = [
        (name[1], fence["body"]) for fence in fences if (name := _FILE.fullmatch(fence["kind"])) and not fence["why"]
    ]
    if not files:
        return None
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    for name, body in files:
        (Path(folder.name) / name).write_text(body, encoding="utf-8")
    for name, _ in files:
        if name.endswith(".py"):
            _printed([name], Path(folder.name))
    return Path(folder.name)


@cache
def printed_by_code(page: Path) -> list[str]:
    """What each Python block of a page prints, one after the other in one process."""
    blocks = code_of(page.read_text(encoding="utf-8"))
    program = "".join(f"{block}\nprint({_END!r})\n" for block in blocks)
    return [text.removeprefix("\n") for text in _printed(["-c", program], folder_of(page)).split(_END)[:-1]]


@cache
def output_of(command: str, folder: Path | None = None) -> str:
    """Standard output of a shell command without its shell, `hermes-sim` being the one of this checkout."""
    words = command.split()
    if words[0] != "hermes-sim":
        raise ValueError(f"{command!r}: only hermes-sim commands")
    return _printed(["-c", "from hermes_sim.cli import main; main()", *words[1:]], folder, command)


def _printed(arguments: list[str], folder: Path | None, name: str = "") -> str:
    """Standard output of this Python, in a folder or an empty one."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # the order of float32 sums depends on the processor, docs/limits.md
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_CORETYPE": "Haswell"}
    environment.pop("COLUMNS", None)
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(  # noqa: S603 - commands of our own pages
            [sys.executable, *arguments],
            cwd=folder or empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ValueError(f"{name or arguments!r} ends with {done.returncode}: {done.stderr}")
    return done.stdout


def pages() -> list[Path]:
    """All pages that may have blocks."""
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def blocks_of(path: Path) -> list[Block]:
    """Blocks of a page, in order.

    Raises
    ------
    ValueError
        a comment without a block
    """
    text = path.read_text(encoding="utf-8")
    if len(_BLOCK.findall(text)) != text.count("<!-- made by:"):
        raise ValueError(f"{path.name}: a comment `made by` without a fenced block or a table")
    page = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return [
        Block(path, page, text.count("\n", 0, found.start()) + 1, found["how"], found[body], found.span(body))
        for found in _BLOCK.finditer(text)
        for body in ["fenced" if found["table"] is None else "table"]
    ]


def differences(stored: str, now: str) -> list[str]:
    """Lines that differ, as `- stored` and `+ now`."""
    old, new = _masked(stored).splitlines(), _masked(now).splitlines()
    lines = []
    for i in range(max(len(old), len(new))):
        before, after = (part[i] if i < len(part) else None for part in (old, new))
        if before is None or after is None or not _same_line(before, after):
            lines += [f"{sign} {text}" for sign, text in (("-", before), ("+", after)) if text is not None]
    return lines


def _masked(text: str) -> str:
    for pattern in VOLATILE:
        text = pattern.sub(r" \1", text)
    return text


def _same_line(stored: str, now: str) -> bool:
    if stored == now:
        return True
    if not _ACCURACY.search(stored) or _NUMBER.sub("#", stored).split() != _NUMBER.sub("#", now).split():
        return False
    limits = (_ACCURACY_DIFFERENCE * (100 if "points" in now[found.end() :][:8] else 1) for found in _numbers(now))
    pairs = zip(_numbers(stored), _numbers(now), limits, strict=True)
    return all(abs(_value(a) - _value(b)) <= 1.0001 * limit for a, b, limit in pairs)


def _numbers(line: str) -> list[re.Match[str]]:
    return list(_NUMBER.finditer(line))


def _value(found: re.Match[str]) -> float:
    return float(found[0].replace(",", ""))


def update(path: Path) -> int:
    """Rewrite the blocks of a page that differ; returns how many did."""
    text = path.read_text(encoding="utf-8")
    changed = 0
    blocks = blocks_of(path)
    for block, now in reversed([(block, block.now()) for block in blocks]):
        if _masked(now) != _masked(block.body):
            text = text[: block.span[0]] + now + text[block.span[1] :]
            changed += 1
    if changed:
        path.write_text(text, encoding="utf-8")
    return changed


def main() -> int:
    """Exit code 1 if a block differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="rewrite blocks that differ")
    parser.add_argument("pages", nargs="*", type=Path, help="default: all")
    options = parser.parse_args()
    wrong = 0
    for path in [page.resolve() for page in options.pages] or pages():
        if options.update:
            print(f"{path.name}: {update(path)} of {len(blocks_of(path))} blocks rewritten")
            continue
        for block in blocks_of(path):
            lines = differences(block.body, block.now())
            wrong += bool(lines)
            if lines:
                print(f"{block.page}:{block.line}: {block.how}", *lines, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
