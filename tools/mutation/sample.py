"""The fixed sample: named bugs and a draw by seed, each found again in the source of today."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mutation.sites import Mutant, mutants_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLE, NAMED, EQUIVALENTS = HERE / "sample.json", HERE / "named.toml", HERE / "equivalents.toml"
SEED, N_DRAWN, MOST_EQUIVALENT = 13, 150, 5
# where bugs are drawn, as patterns under the root: files that move within hermes_sim are found again
TARGETS = (
    "hermes_sim/*/costs.py",
    "hermes_sim/program/lower.py",
    "hermes_sim/program/transfer.py",
    "hermes_sim/mapping/*.py",
    "hermes_sim/metrics/*.py",
    "hermes_sim/crossbar/core.py",
    "hermes_sim/numerics/programmed.py",
)


class SampleError(Exception):
    """The sample does not fit the source any more."""


@dataclass(frozen=True)
class Job:
    """A mutant with its whole mutated source; `name` for those given by hand."""

    mutant: Mutant
    source: str
    name: str = ""


def candidates() -> dict[Mutant, str]:
    """Every mutant of the targets."""
    found: dict[Mutant, str] = {}
    for pattern in TARGETS:
        paths = sorted(ROOT.glob(pattern))
        if not paths:
            raise SampleError(f"{pattern}: no such file; set TARGETS in {__file__}")
        for path in paths:
            found |= mutants_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    return found


def draw(found: dict[Mutant, str], *, seed: int = SEED, n: int = N_DRAWN) -> list[Mutant]:
    """Those with the lowest digests: all sites count alike, and an edited line changes only its own mutants."""
    return sorted(found, key=lambda mutant: _digest(mutant, seed))[:n]


def _digest(mutant: Mutant, seed: int) -> str:
    return hashlib.sha256(repr((seed, mutant.name)).encode()).hexdigest()


def write_sample() -> int:
    """Draw again from the source of today; returns the number of mutants that changed."""
    old = {mutant.name for mutant in _stored()} if SAMPLE.is_file() else set()
    drawn = sorted(draw(candidates()))
    rows = ",\n".join(json.dumps(asdict(mutant)) for mutant in drawn)
    SAMPLE.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    return len({mutant.name for mutant in drawn} - old)


def sample() -> list[Job]:
    """Named mutants, then the stored draw in the order of the draw, so that a run cut short is a sample too.

    Raises
    ------
    SampleError
        mutants whose text is no longer in the source
    """
    found = candidates()
    by_name = {mutant.name: mutant for mutant in found}
    stored = _stored()
    lost = [mutant for mutant in stored if mutant.name not in by_name]
    if lost:
        lines = "\n".join(f"  {m.file} {m.scope}: {m.before}" for m in lost)
        raise SampleError(f"{len(lost)} of {len(stored)} mutants are not in the source; --resample\n{lines}")
    drawn = sorted((by_name[mutant.name] for mutant in stored), key=lambda mutant: _digest(mutant, SEED))
    return [*named(), *(Job(mutant, found[mutant]) for mutant in drawn)]


def named() -> list[Job]:
    """Mutants given by hand, each in the first of its forms whose old text stands exactly once in its files.

    Raises
    ------
    SampleError
        a mutant without such a form
    """
    forms: dict[str, list[dict[str, Any]]] = {}
    for row in _read_toml(NAMED):
        forms.setdefault(row["name"], []).append(row)
    jobs = []
    for name, rows in forms.items():
        found = [job for row in rows for job in _named_form(row)]
        if not found:
            texts = "".join(f"\n  {', '.join(row['files'])}: {row['old']!r}" for row in rows)
            raise SampleError(f"{name!r}: not once in its files; mend {NAMED.name}{texts}")
        jobs.append(found[0])
    return jobs


def _named_form(row: dict[str, Any]) -> list[Job]:
    paths = sorted({path for pattern in row["files"] for path in ROOT.glob(pattern)})
    sources = {path: path.read_text(encoding="utf-8") for path in paths}
    holders = [path for path, source in sources.items() if source.count(row["old"]) == 1]
    return [
        Job(
            Mutant(path.relative_to(ROOT).as_posix(), "", "named", row["old"], row["new"], 0),
            sources[path].replace(row["old"], row["new"]),
            row["name"],
        )
        for path in holders
        if len(holders) == 1
    ]


def equivalents() -> dict[tuple[str, ...], str]:
    """Name of an equivalent mutant -> why no test can tell it from the program."""
    rows = _read_toml(EQUIVALENTS)
    if len(rows) > MOST_EQUIVALENT:
        raise SampleError(f"{EQUIVALENTS.name}: {len(rows)} mutants, at most {MOST_EQUIVALENT}")
    return {_mutant({k: v for k, v in row.items() if k != "why"}).name: row["why"] for row in rows}


def _stored() -> list[Mutant]:
    if not SAMPLE.is_file():
        raise SampleError(f"{SAMPLE.name}: no such file; --resample")
    return [_mutant(row) for row in json.loads(SAMPLE.read_text(encoding="utf-8"))]


def _mutant(row: dict[str, Any]) -> Mutant:
    return Mutant(**row)


def _read_toml(path: Path) -> list[dict[str, Any]]:
    return list(tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", []))
