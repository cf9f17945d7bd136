"""Agreement of the systolic cycle model with SCALE-Sim on the same matrix products.

SCALE-Sim (PyPI: scalesim) is not a dependency of this project. Give it an environment of its own, with
numpy < 2, which its version 3.0.0 needs, and name its interpreter:

    python -m venv /tmp/scalesim
    /tmp/scalesim/bin/pip install scalesim
    /tmp/scalesim/bin/pip install 'numpy<2'
    python benchmarks/systolic.py --scalesim-python /tmp/scalesim/bin/python

It takes about three minutes, all of them SCALE-Sim's. Without it, one row says why the comparison is skipped.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from _rows import Row, print_rows

from hermes_sim.baselines.gemm import Gemm, gemm_cost
from hermes_sim.baselines.load import load_baseline
from hermes_sim.baselines.schema import Dataflow, SystolicArray
from hermes_sim.baselines.systolic import run_gemm

if TYPE_CHECKING:
    from collections.abc import Sequence

ARRAYS = ((16, 16), (32, 8), (64, 64))
SHAPES = (
    *((n, n, n) for n in (1, 8, 16, 17, 31, 32, 64, 100, 128, 256)),  # squares, smaller and larger than the array
    *((1, 64, 1020), (1, 2040, 10), (4, 64, 256), (2, 300, 3), (8, 1024, 8)),  # few vectors
    *((1000, 4, 4), (512, 32, 128), (500, 2, 70), (700, 3, 1), (300, 5, 5)),  # many vectors, small matrices
    *(
        (33, 65, 17),
        (7, 200, 3),
        (20, 30, 40),
        (5, 3, 2),
        (3, 1, 9),
        (61, 127, 97),
    ),  # none a multiple of the array
    *((256, 16, 16), (16, 256, 16), (16, 16, 256), (200, 64, 1), (1, 1, 500), (1, 500, 1)),  # one side long
    *((256, 100, 32), (128, 256, 32)),  # Performer state and numerator of one head, shorter sequence
)
BIG_SRAM_KIB, SMALL_SRAM_KIB = 4096, 2  # of each operand: all of it fits, and next to nothing does
SMALL_SHAPES = ((128, 64, 64), (64, 64, 128), (64, 128, 64), (256, 64, 64))
CONFIG = """[general]
run_name = run
[architecture_presets]
ArrayHeight: {rows}
ArrayWidth: {columns}
ifmapsramszkB: {sram_kib}
filtersramszkB: {sram_kib}
ofmapsramszkB: {sram_kib}
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: {dataflow}
Bandwidth: 10
ReadRequestBuffer: 128
WriteRequestBuffer: 128
[layout]
IfmapCustomLayout: False
FilterCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def why_not(python: str) -> str:
    """Reason why SCALE-Sim cannot run, or nothing."""
    check = "import numpy, scalesim.scale_sim as s; print(numpy.__version__)"
    try:
        done = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as cause:
        return f"no interpreter: {cause}"
    if done.returncode:
        return f"scalesim is not installed for {Path(python).name}: {done.stderr.strip().splitlines()[-1]}"
    if int(done.stdout.split(".")[0]) >= 2:
        return f"scalesim 3.0.0 needs numpy < 2, found {done.stdout.strip()}"
    return ""


def run_scalesim(
    python: str,
    shapes: Sequence[tuple[int, int, int]],
    *,
    array: tuple[int, int],
    dataflow: Dataflow,
    sram_kib: int = BIG_SRAM_KIB,
) -> list[dict[str, int]]:
    """What SCALE-Sim reports for every shape, one layer each, without memory stalls."""
    print(f"SCALE-Sim: {dataflow} on {array[0]} x {array[1]}, {sram_kib} KiB ...", file=sys.stderr)
    config = CONFIG.format(rows=array[0], columns=array[1], dataflow=dataflow, sram_kib=sram_kib)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "c.cfg").write_text(config)
        layers = [f"L{i},{m},{n},{k}," for i, (m, k, n) in enumerate(shapes)]
        (folder / "t.csv").write_text("\n".join(["Layer,M,N,K,", *layers]) + "\n")
        layout = [f"L{i}," + "1," * 21 for i in range(len(shapes))]
        (folder / "l.csv").write_text("\n".join(["Layer," + "x," * 21, *layout]) + "\n")
        command = [python, "-m", "scalesim.scale", "-c", "c.cfg", "-t", "t.csv", "-l", "l.csv"]
        command += ["-i", "gemm", "-p", "out", "-s", "N"]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603
        compute = _table(folder / "out" / "run" / "COMPUTE_REPORT.csv")
        access = _table(folder / "out" / "run" / "DETAILED_ACCESS_REPORT.csv")
    return [
        {
            "cycles": int(float(one["Total Cycles"])),
            "input_reads": int(float(two["SRAM IFMAP Reads"])),
            "weight_reads": int(float(two["SRAM Filter Reads"])),
            "dram_reads": int(float(two["DRAM IFMAP Reads"])) + int(float(two["DRAM Filter Reads"])),
        }
        for one, two in zip(compute, access, strict=True)
    ]


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, skipinitialspace=True))


def compare(python: str) -> list[Row]:
    """One row per shape, array and dataflow, and a summary."""
    rows = []
    exact, worst, ours_s, theirs_s = 0, 0, 0.0, 0.0
    for array_rows, array_columns in ARRAYS:
        for dataflow in (Dataflow.WS, Dataflow.OS, Dataflow.IS):
            started = time.perf_counter()
            reports = run_scalesim(python, SHAPES, array=(array_rows, array_columns), dataflow=dataflow)
            theirs_s += time.perf_counter() - started
            for (m, k, n), report in zip(SHAPES, reports, strict=True):
                started = time.perf_counter()
                cost = gemm_cost(Gemm(m, k, n), rows=array_rows, columns=array_columns, dataflow=dataflow)
                ours_s += time.perf_counter() - started
                label = f"{dataflow} {array_rows}x{array_columns} {m}x{k}x{n}"
                rows.append(Row(f"cycles {label}", cost.cycles, "cycles", report["cycles"]))
                # their figure is the number of the last cycle, counted from 0
                worst = max(worst, abs(cost.cycles - 1 - report["cycles"]))
                same = cost.cycles - 1 == report["cycles"]
                exact += same and all(getattr(cost, what) == report[what] for what in ("input_reads", "weight_reads"))
                rows += [
                    Row(f"{what} {label}", getattr(cost, what), "values", report[what])
                    for what in ("input_reads", "weight_reads")
                ]
    n_compared = len(ARRAYS) * 3 * len(SHAPES)
    rows.append(Row("products compared", n_compared, "products"))
    rows.append(Row("equal in cycles (less the 1) and in reads", exact, "products", n_compared))
    rows.append(Row("largest difference less the 1", worst, "cycles"))
    rows.append(Row("time of all products", ours_s, "s", theirs_s))
    return rows + compare_dram(python)


def compare_dram(python: str) -> list[Row]:
    """Operands read from device memory when the SRAM holds everything, and when it holds next to nothing."""
    rows = []
    for sram_kib in (BIG_SRAM_KIB, SMALL_SRAM_KIB):
        sram = {"value": 3 * sram_kib, "unit": "KiB", "kind": "assumed", "source": "this comparison"}
        device = load_baseline("systolic_same_area", {"sram.size": sram})
        assert isinstance(device, SystolicArray)
        for dataflow in (Dataflow.WS, Dataflow.OS, Dataflow.IS):
            reports = run_scalesim(python, SMALL_SHAPES, array=(16, 16), dataflow=dataflow, sram_kib=sram_kib)
            for (m, k, n), report in zip(SMALL_SHAPES, reports, strict=True):
                run = run_gemm(device, Gemm(m, k, n), rows=16, columns=16, dataflow=dataflow)
                label = f"{dataflow} 16x16 {m}x{k}x{n}, 3 x {sram_kib} KiB"
                rows.append(Row(f"dram_reads {label}", run.dram_bytes - m * n, "bytes", report["dram_reads"]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument(
        "--scalesim-python",
        default=os.environ.get("SCALESIM_PYTHON", sys.executable),
        help="interpreter that has scalesim (default: $SCALESIM_PYTHON, else this one)",
    )
    arguments = parser.parse_args()
    reason = why_not(arguments.scalesim_python)
    rows = [Row(f"skipped: {reason}", None, "")] if reason else compare(arguments.scalesim_python)
    print_rows(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
