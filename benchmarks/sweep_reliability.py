"""Reliability of sweeps: kills, company, failing points, a full disk, mutated files.

Each row gives a count that should be zero (or the number asked for). `--quick` takes a tenth of everything.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _rows import Row, print_rows
from ruamel.yaml import YAML

from hermes_sim.config.files import shipped_dir
from hermes_sim.errors import HermesSimError
from hermes_sim.explore.executors import SerialExecutor
from hermes_sim.explore.load import load_space, space_from
from hermes_sim.explore.point import DesignPoint, evaluate
from hermes_sim.explore.store import Store
from hermes_sim.explore.sweep import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMAND = """
import sys
sys.argv = ["hermes-sim", "sweep", *sys.argv[1:]]
from hermes_sim.cli import main
main()
"""
_REPORTS = Path(__file__).parents[1] / "reports"


def study(n_points: int, folder: Path, **fields: Any) -> dict[str, Any]:
    """Study of points that take some ten milliseconds each, on a chip file of its own."""
    chip = folder / "chip.yaml"
    if not chip.exists():
        shutil.copyfile(shipped_dir("arch_configs") / "hermes_64.yaml", chip)
    span = {"start": 0.1, "stop": 5.0, "count": n_points // 2}
    return {
        "schema_version": 1,
        "name": "reliability",
        "description": "",
        "arch": str(chip),
        "workload": "kernel_ridge_digits",
        "parameters": {"arch.core.static_power": {"range": span}, "arch.core.ldpu.lanes": [4, 8]},
        "objectives": {"energy_pj_per_inference": "minimize"},
        **fields,
    }


def start(path: Path, store: Path, workers: int) -> subprocess.Popen[str]:
    """A sweep in a process group of its own."""
    command = [sys.executable, "-c", _COMMAND, str(path), "--store", str(store), "--workers", str(workers), "--json"]
    return subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def stored_keys(store: Path) -> list[str]:
    """All keys of all parts as they lie on disk, duplicates included."""
    keys: list[str] = []
    reader = Store(store, write=False)
    for path in reader._files():  # noqa: SLF001 - the reader itself would hide duplicates
        keys += reader._read_part(path)["key"].to_pylist()  # noqa: SLF001
    return keys


def kills(n_kills: int, folder: Path, randomness: random.Random) -> list[Row]:
    """Kill a sweep and all its workers at random moments while it works, and look at the store each time."""
    n_points = 4000
    path, store = folder / "kills.yaml", folder / "kills"
    path.write_text(json.dumps(study(n_points, folder)), encoding="utf-8")
    planned = {task.key for task in load_space(path).grid()}
    lost = duplicated = corrupt = done_kills = 0
    known: set[str] = set()
    while done_kills < n_kills:
        run = start(path, store, workers=done_kills % 3)
        if not _wait_for_work(run, store, len(known)):
            break  # the study is finished
        time.sleep(randomness.uniform(0, 0.6))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        done_kills += 1
        try:
            keys = stored_keys(store)
        except HermesSimError:
            corrupt += 1
            continue
        duplicated += len(keys) - len(set(keys))
        lost += len(known - set(keys))
        known = set(keys)
    run = start(path, store, workers=2)
    document = json.loads(run.communicate()[0])
    keys = stored_keys(store)
    lost += len(planned - set(keys))
    duplicated += len(keys) - len(set(keys)) + max(0, document["done"] - (n_points - len(known)))
    return [
        Row(f"points lost after {done_kills} kills beyond those running", lost, "points", threads=2, goal=0),
        Row("points duplicated", duplicated, "points", threads=2, goal=0),
        Row("stores that did not open", corrupt, "stores", threads=2, goal=0),
    ]


def _wait_for_work(run: subprocess.Popen[str], store: Path, n_known: int) -> bool:
    while run.poll() is None:
        with contextlib.suppress(HermesSimError, FileNotFoundError):
            if len(Store(store, write=False)) > n_known:
                return True
        time.sleep(0.01)
    return False


def company(n_points: int, folder: Path) -> list[Row]:
    """Two processes on one store."""
    path, store = folder / "company.yaml", folder / "company"
    path.write_text(json.dumps(study(n_points, folder)), encoding="utf-8")
    runs = [start(path, store, workers=0) for _ in range(2)]
    documents = [json.loads(run.communicate()[0]) for run in runs]
    keys = stored_keys(store)
    return [
        Row(f"two processes, {n_points} points: stored twice", len(keys) - len(set(keys)), "points", threads=2, goal=0),
        Row("run twice", sum(d["done"] for d in documents) - n_points, "points", threads=2, goal=0),
        Row("missing", n_points - len(set(keys)), "points", threads=2, goal=0),
        Row("share of the slower process", 100 * min(d["done"] for d in documents) / n_points, "%", threads=2, goal=50),
    ]


def failing(n_points: int, folder: Path) -> list[Row]:
    """A study in which one point of twenty cannot work."""
    lanes = [-i if i % 20 == 0 else i for i in range(n_points // 2)]
    fields = {"arch.core.ldpu.lanes": lanes, "mapping": ["packed", "spread"]}
    space = space_from(study(2, folder, workload="peak_mvm", parameters=fields))
    with Store(folder / "failing") as store:
        counts = run_tasks(space.grid(), store=store, executor=SerialExecutor(), study="failing")
    missing = counts.points - counts.done - counts.failed
    listed = sum(bool(f["parameters"]) and "core.ldpu.lanes" in f["error"] for f in counts.failures)
    return [
        Row(f"{counts.points} points, {counts.failed} failing: others not done", missing, "points", threads=2, goal=0),
        Row("failures listed with inputs and reason", listed, "points", threads=2, goal=counts.failed),
    ]


def full_disk(folder: Path) -> list[Row]:
    """A store on a file system of 300 KiB where it may be mounted, else with a limit on file size."""
    place = folder / "disk"
    place.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    mounted = subprocess.run(mount, check=False, capture_output=True)  # noqa: S603
    with_mount = mounted.returncode == 0
    path = folder / "disk.yaml"
    path.write_text(json.dumps(study(1000, folder)), encoding="utf-8")
    command = [sys.executable, "-c", _COMMAND, str(path), "--store", str(place / "s"), "--workers", "0", "--json"]
    run = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, preexec_fn=None if with_mount else _limit_files
    )
    stored = len(Store(place / "s", write=False))
    clear = run.returncode == 2 and "no space left" in run.stderr and "Traceback" not in run.stderr
    if with_mount:
        subprocess.run(["/bin/umount", str(place)], check=False)  # noqa: S603
    how = "300 KiB file system" if with_mount else "limit on file size"
    return [
        Row(f"full disk ({how}): unclear errors", int(not clear), "runs", threads=2, goal=0),
        Row("points kept in the store, which opens", stored, "points", threads=2, goal=stored),
    ]


def _limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


JUNK: tuple[Any, ...] = (
    None, -1, 0, 1e300, float("nan"), "", "x", [], {}, [1, [2]], {"a": {"b": 1}}, True, "1 +", "999 ns", 2**63,
    "__import__('os')", "arch.core.rows", "\u0000", "é" * 50,
)  # fmt: skip


def mutate(node: Any, randomness: random.Random) -> None:
    """Change one random place of nested data: another value, a key gone, renamed or added, an entry doubled."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = randomness.choice(keys)
        if isinstance(node[key], (dict, list)) and node[key] and randomness.random() < 0.8:
            node = node[key]
            continue
        action = randomness.randrange(4)
        if action == 0 and isinstance(node, dict):
            del node[key]
        elif action == 1 and isinstance(node, dict):
            node[str(key) + randomness.choice("xé. ")] = node.pop(key)
        elif action == 2 and isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        else:
            node[key] = copy.deepcopy(randomness.choice(JUNK))
        return


def mutations(n_files: int, folder: Path, randomness: random.Random) -> list[Row]:
    """Mutated study, chip and workload files, in thirds: all that may come out is a HermesSimError or a result."""
    sources = [
        sorted(_REPORTS.glob("study_*/study.yaml")),
        [shipped_dir("arch_configs") / "hermes_64.yaml"],
        [*sorted(shipped_dir("workloads").glob("kernel_ridge_*.yaml")), shipped_dir("workloads") / "lstm_ptb.yaml"],
    ]
    tracebacks = refused = 0
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode = True
    yaml.width = 10_000
    data = {path: yaml.load(path.read_text(encoding="utf-8")) for paths in sources for path in paths}
    for i in range(n_files):
        source = randomness.choice(sources[i % 3])
        mutant = copy.deepcopy(data[source])
        for _ in range(randomness.randint(1, 3)):
            mutate(mutant, randomness)
        path = folder / "mutant.yaml"
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(mutant, file)
        if randomness.random() < 0.1:  # damaged text rather than strange data
            text = path.read_bytes()
            spot = randomness.randrange(len(text))
            path.write_bytes(text[:spot] + randomness.choice([b"", b":", b"\t", b"\xff", b"{"]) + text[spot + 3 :])
        try:
            bad, error = _try(i % 3, path)
        except Exception as cause:  # noqa: BLE001 - exactly what must not happen
            tracebacks += 1
            print(f"traceback from {source.name}: {type(cause).__name__}: {cause}", file=sys.stderr)
            continue
        refused += bad
        if error.startswith("unexpected "):
            tracebacks += 1
            print(f"unexpected error from {source.name}: {error}", file=sys.stderr)
    return [
        Row(f"{n_files} mutated study, chip and workload files: tracebacks", tracebacks, "files", threads=2, goal=0),
        Row("refused with a clear error", refused, "files", threads=2, goal=refused),
    ]


def _try(kind: int, path: Path) -> tuple[bool, str]:
    if kind == 0:
        try:
            space = load_space(path)
            if space.study.search is None:
                next(space.grid(), None)
        except HermesSimError:
            return True, ""
        return False, ""
    arch, workload = (str(path), "kernel_ridge_digits") if kind == 1 else ("hermes_64", str(path))
    record = evaluate(DesignPoint(arch, workload, inferences=2), key="k")
    return record["status"] == "failed", record["error"] or ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", help="kills, company, failing, full_disk or mutations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON rows")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    randomness = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], list[Row]]] = {
            "kills": lambda: kills(50 // share, folder, randomness),
            "company": lambda: company(1000 // share, folder),
            "failing": lambda: failing(1000 // share, folder),
            "full_disk": lambda: full_disk(folder),
            "mutations": lambda: mutations(1000 // share, folder, randomness),
        }
        rows = [r for part, run in parts.items() if options.only in {None, part} for r in run()]
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
