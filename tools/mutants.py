"""Do the tests notice one-line bugs? Runs the fixed sample of mutants and says which survive.

    python tools/mutants.py [--only TEXT] [--list] [--json FILE] [--resample]

The working tree stays as it is. `mutation/sample.json` holds the sample: 150 mutants drawn by seed from the files in
`mutation/sample.py`, beside those named in `mutation/named.toml`. Where sources have changed, `--resample` draws
again; mutants of lines that are as they were stay in. `mutation/equivalents.toml` lists those no test can kill.
"""  # noqa: INP001

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mutation import run
from mutation.sample import Job, SampleError, equivalents, sample, write_sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool

LEAST_KILLED_FRAC = 0.85
Result = tuple[Job, run.Outcome]


def main() -> int:
    """Exit code: 0 enough killed, 1 too few, 2 the sample or the tests are not fit to run."""
    options = _options()
    try:
        if options.resample:
            print(f"{write_sample()} mutants are new in the sample", file=sys.stderr)
        jobs = [job for job in sample() if not options.only or any(text in _label(job) for text in options.only)]
        jobs = [job for job in jobs if not options.rerun or _key(job) in _survivors_of(options.rerun)]
        if options.list or options.resample:
            print("\n".join(f"{_label(job)}\n{_diff(job)}" for job in jobs if options.list))
            return 0
        done = _read(options.json, jobs) if options.resume and options.json else []
        left = [job for job in jobs if job not in {job for job, _ in done}]
        return _report(_run(left, done, options), options.json)
    except SampleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="mutants whose file, scope or name holds this text")
    parser.add_argument("--rerun", type=Path, help="only the survivors of an earlier --json")
    parser.add_argument("--list", action="store_true", help="show the mutants and run nothing")
    parser.add_argument("--resample", action="store_true", help="draw the sample again and run nothing")
    parser.add_argument("--json", type=Path, help="write all outcomes here, after every mutant")
    parser.add_argument("--resume", action="store_true", help="do not run again what is in the --json file")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def _run(jobs: list[Job], done: list[Result], options: argparse.Namespace) -> list[Result]:
    """Outcomes of all jobs behind those that are there already."""
    results, n_workers = list(done), options.workers
    if not jobs:
        return results
    run.load_libraries()
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = context.Queue()
        for i in range(n_workers):
            trees.put(run.copy_tree(Path(folder) / str(i)))
        with context.Pool(n_workers, run.start_worker, (trees,)) as pool:
            cpu_s = _baselines(pool, jobs)
            tasks = [(job, tests, cpu_s[tests]) for job in jobs for tests in [run.tests_for(job.mutant.file)]]
            for result in _progress(pool.imap_unordered(run.run_job, tasks), len(jobs)):
                results.append(result)
                if options.json:
                    _write(options.json, results)
    return results


def _baselines(pool: Pool, jobs: list[Job]) -> dict[tuple[str, ...], int]:
    """CPU seconds that each set of tests may take: four times those of the tree as it is, and 30.

    Raises
    ------
    SampleError
        tests that fail without a mutant
    """
    sets = sorted({run.tests_for(job.mutant.file) for job in jobs})
    paths = sorted({path for tests in sets for path in tests})
    cpu_s: dict[str, float] = {}
    for _, (path,), outcome in pool.imap_unordered(run.run_job, [(None, (path,), 0) for path in paths]):
        print(f"without mutant, {path}: {outcome.state}, {outcome.cpu_s:.0f} s", file=sys.stderr, flush=True)
        if outcome.state != "passed":
            raise SampleError(f"{path} fails without a mutant: {outcome.by}")
        cpu_s[path] = outcome.cpu_s
    return {tests: round(30 + 4 * sum(cpu_s[path] for path in tests)) for tests in sets}


def _progress(done: Iterator[tuple[Job | None, Any, run.Outcome]], total: int) -> Iterator[Result]:
    started = time.monotonic()
    for i, (job, _, outcome) in enumerate(done, 1):
        assert job is not None  # that is a baseline
        state = _state(outcome)
        line = f"{i}/{total} {time.monotonic() - started:.0f} s: {state} in {outcome.wall_s:.0f} s  {_label(job)}"
        print(f"{line}  {outcome.by}", file=sys.stderr, flush=True)
        yield job, outcome


def _report(results: list[Result], json_path: Path | None) -> int:
    reasons = equivalents()
    rows = [(job, outcome, _state(outcome), reasons.get(job.mutant.name, "")) for job, outcome in results]
    by_file: dict[str, Counter[str]] = defaultdict(Counter)
    for job, _, state, why in rows:
        by_file[job.mutant.file]["equivalent" if why and state == "survived" else state] += 1
    print(_table(by_file))
    survivors = [(job, why) for job, _, state, why in rows if state == "survived"]
    for job, why in sorted(survivors, key=lambda row: (bool(row[1]), row[0].mutant)):
        print(f"\n{_label(job)}{f'  equivalent: {why}' if why else ''}\n{_diff(job)}")
    if json_path is not None:
        _write(json_path, results)
    counted = [state for *_, state, why in rows if not (why and state == "survived")]
    killed = sum(state != "survived" for state in counted)
    alive = [job.name for job, why in survivors if job.name and not why]
    print(f"\n{killed} of {len(counted)} killed ({killed / max(1, len(counted)):.1%})")
    if alive:
        print(f"named mutants that live: {', '.join(alive)}")
    return int(bool(alive) or killed < LEAST_KILLED_FRAC * len(counted))


def _write(path: Path, results: list[Result]) -> None:
    reasons = equivalents()
    rows = [
        {"name": j.name, **asdict(j.mutant), **asdict(o), "outcome": _state(o), "why": reasons.get(j.mutant.name, "")}
        for j, o in results
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _read(path: Path, jobs: list[Job]) -> list[Result]:
    """Outcomes stored before of the jobs of today."""
    by_key = {_key(job): job for job in jobs}
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [
        (by_key[_row_key(row)], run.Outcome(row["state"], row["by"], row["cpu_s"], row["wall_s"]))
        for row in rows
        if _row_key(row) in by_key
    ]


def _table(by_file: dict[str, Counter[str]]) -> str:
    states = ("killed", "timeout", "survived", "equivalent")
    total = sum(by_file.values(), Counter())
    lines = [f"{'file':<38}" + "".join(f"{state:>12}" for state in states)]
    for file, counts in [*sorted(by_file.items()), ("all", total)]:
        lines.append(f"{file:<38}" + "".join(f"{counts[state]:>12}" for state in states))
    return "\n".join(lines)


def _state(outcome: run.Outcome) -> str:
    return {"passed": "survived", "failed": "killed"}.get(outcome.state, outcome.state)


def _survivors_of(path: Path) -> set[tuple[str, ...]]:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {_row_key(row) for row in rows if row["state"] == "passed"}


def _row_key(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["name"], *(str(row[field]) for field in ("file", "scope", "operator", "before", "after", "nth")))


def _key(job: Job) -> tuple[str, ...]:
    return _row_key({"name": job.name, **asdict(job.mutant)})


def _label(job: Job) -> str:
    return f"{job.mutant.file} {job.mutant.scope} {job.mutant.operator} {job.name}".rstrip()


def _diff(job: Job) -> str:
    return f"  - {job.mutant.before}\n  + {job.mutant.after}"


if __name__ == "__main__":
    sys.exit(main())
