"""Things several tests of exploration share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SMALL = """\
schema_version: 1
name: small
description: a study of a few milliseconds a point
arch: hermes_64
workload: peak_mvm
parameters:
  arch.core.ldpu.lanes: [4, 8]
  arch.read_mode: [one_phase, four_phase]
  inferences: [1, 2]
objectives: {makespan_ns: minimize, energy_pj_per_inference: minimize}
"""

SUPPORT = str(Path(__file__).parent)

COMMAND = """
import sys
from pathlib import Path
sys.argv = ["hermes-sim", *sys.argv[1:]]
from hermes_sim.cli.sweep_commands import sweep_app
sweep_app()
"""


def start_sweep(*arguments, **options) -> subprocess.Popen:
    """`hermes-sim sweep ...` in a process of its own, which leads a group with its workers."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        **options,
    )


def record(key: int, **fields):
    """Record of a finished point."""
    return {
        "key": f"{key:064x}",
        "status": "done",
        "study": "s",
        "latency_ns": 1.5 * key,
        "parameters": {"n": key},
    } | fields
