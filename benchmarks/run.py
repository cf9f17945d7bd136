"""All benchmarks, or some, and what became of their ratios: python benchmarks/run.py [--help] [NAME ...]

Times say something about one machine on one day; a ratio of two things measured side by side in one run says something
about the code. So only rows with a ratio are held against the stored ones (`reference.json`). One that moved by more
than `--tolerance` is marked; before you believe it, see whether it does so again on a machine that does nothing else.
`--store` makes today's ratios the stored ones and puts them into the history, which `--history` shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("[a-z]*.py") if path.stem != "run")
REFERENCE, HISTORY = HERE / "reference.json", HERE / "history.jsonl"
TOLERANCE = 0.25  # of a ratio, up or down
BUSY = 0.5  # load over CPUs, before anything ran, from which on others are at work
SHOWN_COMMITS = 6


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=_Record)


class Measured(_Record):
    """Ratios of one benchmark, and where they were measured."""

    commit: str
    machine: str
    others_at_work: bool
    ratios: dict[str, PositiveFloat]


class Reference(_Record):
    """The stored ratios: benchmark -> what was measured."""

    schema_version: Literal[1] = 1
    benchmarks: dict[str, Measured]


class Entry(Measured):
    """A commit in the history; the names of its ratios begin with their benchmark."""

    schema_version: Literal[1] = 1
    date: str


@dataclass(frozen=True)
class Change:
    """A ratio beside the stored one; one of them may be missing."""

    name: str
    stored: float | None
    now: float | None
    unit: str = ""

    @property
    def change(self) -> float | None:
        """Relative."""
        return None if self.stored is None or self.now is None else self.now / self.stored - 1

    def verdict(self, tolerance: float) -> str:
        """What to think of it, in a word."""
        if self.stored is None or self.now is None:
            return "new" if self.stored is None else "not measured today"
        more = self.now / self.stored
        if max(more, 1 / more) <= 1 + tolerance:
            return ""
        if self.unit.endswith(("/s", "/min")):
            return "FASTER" if more > 1 else "SLOWER"
        return "LESS" if more < 1 else "MORE"


def ratios_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, str]]:
    """Ratio and unit of the rows that have one, by name and number of threads."""
    found: dict[str, tuple[float, str]] = {}
    for row in rows:
        if row["ratio"]:
            name = row["name"] if row["threads"] == 1 else f"{row['name']}, {row['threads']} threads"
            if name in found:
                raise ValueError(f"two rows are called {name!r}")
            found[name] = (row["ratio"], row["unit"])
    return found


def changes(stored: Mapping[str, float], now: Mapping[str, tuple[float, str]]) -> Iterator[Change]:
    """Every ratio that is stored or was measured now, in the order of the benchmark."""
    for name in [*now, *(name for name in stored if name not in now)]:
        ratio, unit = now.get(name, (None, ""))
        yield Change(name, stored.get(name), ratio, unit)


def load_reference(path: Path) -> Reference:
    """The stored ratios, none if there is no file."""
    if not path.exists():
        return Reference(benchmarks={})
    return _checked(Reference, path.read_text(encoding="utf-8"), str(path))


def load_history(path: Path) -> list[Entry]:
    """The commits in the history, the oldest first."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [_checked(Entry, line, f"{path}, line {i}") for i, line in enumerate(lines, 1) if line.strip()]


def _checked(model: type[Model], text: str, where: str) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "document"
        _stop(f"{where}: {field}\n  got      {first['input']!r:.80}\n  allowed  {first['msg']}\n  try      --store")


def _stop(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)


def store(path: Path, measured: Mapping[str, Measured]) -> None:
    """Put these benchmarks in the place of the stored ones of that name."""
    kept = load_reference(path).benchmarks
    reference = Reference(benchmarks=dict(sorted({**kept, **measured}.items())))
    path.write_text(reference.model_dump_json(indent=1) + "\n", encoding="utf-8")


def append(path: Path, measured: Mapping[str, Measured], date: str) -> None:
    """Put a commit into the history, or into its line there."""
    commit, machine = next((one.commit, one.machine) for one in measured.values())
    entries = load_history(path)
    old = [entry for entry in entries if (entry.commit, entry.machine) == (commit, machine)]
    ratios = {f"{name}: {key}": ratio for name, one in measured.items() for key, ratio in one.ratios.items()}
    kept = {key: ratio for one in old for key, ratio in one.ratios.items() if key not in ratios}
    entry = Entry(
        commit=commit,
        machine=machine,
        date=date,
        others_at_work=any(one.others_at_work for one in (*measured.values(), *(old if kept else ()))),
        ratios=kept | ratios,
    )
    lines = [one.model_dump_json() + "\n" for one in [*(one for one in entries if one not in old), entry]]
    path.write_text("".join(lines), encoding="utf-8")


def history_table(entries: Sequence[Entry]) -> list[str]:
    """Ratios of the last commits, one column each."""
    last = entries[-SHOWN_COMMITS:]
    names = list(dict.fromkeys(name for entry in last for name in entry.ratios))
    width = max(map(len, names), default=0)
    lines = [f"{'':<{width}}" + "".join(f"{entry.commit[:9]:>12}" for entry in last)]
    lines += [f"{'':<{width}}" + "".join(f"{entry.date + '*' * entry.others_at_work:>12}" for entry in last)]
    for name in names:
        cells = (f"{entry.ratios[name]:.3g}" if name in entry.ratios else "-" for entry in last)
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    if any(entry.others_at_work for entry in last):
        lines.append("* while others were at work on the machine")
    return lines


def measure(name: str) -> list[dict[str, Any]]:
    """Rows of a benchmark, in a process of its own."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, str(HERE / f"{name}.py"), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own script
    if done.returncode:
        _stop(f"benchmarks/{name}.py ends with {done.returncode}")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def this_commit() -> str:
    """Short hash, with a plus if the sources differ from it."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(HERE.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603

    changed = git("status", "--porcelain", "--", "hermes_sim", "arch_configs", "workloads", "benchmarks/*.py")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + "+" * bool(changed)


def this_machine() -> str:
    """Kind of machine, without its name."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{platform.machine()}, {model}, {os.cpu_count()} CPUs"


def main() -> None:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(NAMES)}")
    parser.add_argument("--out", type=Path, help="write all rows there, as JSON")
    parser.add_argument("--store", action="store_true", help="make today's ratios the stored ones, and history")
    parser.add_argument("--history", action="store_true", help="show the ratios of the last commits, measure nothing")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)s, a quarter up or down")
    options = parser.parse_args()
    if options.history:
        print(*history_table(load_history(HISTORY)), sep="\n")
        return
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        _stop(f"benchmark\n  got      {', '.join(unknown)}\n  allowed  {', '.join(NAMES)}")
    if not options.tolerance > 0:
        _stop(f"--tolerance\n  got      {options.tolerance:g}\n  allowed  more than 0")
    stored = load_reference(REFERENCE).benchmarks  # before anything takes its time
    load_history(HISTORY)
    commit, machine = this_commit(), this_machine()
    busy = os.getloadavg()[0] > BUSY * (os.cpu_count() or 1)
    rows = {name: measure(name) for name in options.names or NAMES}
    now = {name: ratios_of(rows[name]) for name in rows}
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        document = {"schema_version": 1, "commit": commit, "machine": machine, "others_at_work": busy, "rows": rows}
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(*report(rows, stored, now, options.tolerance), sep="\n")
    print(f"\nnow: {commit} on {machine}{', while others were at work' * busy}")
    if options.store:
        measured = {
            name: Measured(
                commit=commit,
                machine=machine,
                others_at_work=busy,
                ratios={key: float(f"{ratio:.4g}") for key, (ratio, _) in found.items()},
            )
            for name, found in now.items()
            if found
        }
        if measured:
            store(REFERENCE, measured)
            append(HISTORY, measured, datetime.now(UTC).date().isoformat())


def report(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    stored: Mapping[str, Measured],
    now: Mapping[str, Mapping[str, tuple[float, str]]],
    tolerance: float,
) -> Iterator[str]:
    """Lines: every ratio beside the stored one, and how many rows have none."""
    n_moved = 0
    for name, found in now.items():
        before = stored.get(name)
        where = (
            f" (stored: {before.commit} on {before.machine}{', others at work' * before.others_at_work})"
            if before
            else ""
        )
        yield f"\n{name}{where}"
        for one in changes(before.ratios if before else {}, found):
            cells = ("-" if x is None else f"{x:.4g}" for x in (one.stored, one.now))
            change = "" if one.change is None else f"{one.change:+.1%}"
            verdict = one.verdict(tolerance)
            n_moved += verdict.isupper()
            yield (f"  {one.name:<66}" + "".join(f"{cell:>10}" for cell in (*cells, change)) + f"  {verdict}").rstrip()
        without = len(rows[name]) - len(found)
        yield f"  {without} of {len(rows[name])} rows have no ratio and are not compared"
    yield f"\n{n_moved} ratios moved by more than {tolerance:.0%}; columns: stored, now, change"


if __name__ == "__main__":
    main()
