"""The kernel as plain Python gives what its machine code gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engines import COMPILED, ENGINES
from random_programs import random_program

from hermes_sim.engine.deadlock import DeadlockError

SEEDS = range(500, 530)


def lines(seeds):
    """One line per program: everything that was found out about it."""
    for seed in seeds:
        program = random_program(seed, max_tokens=80)
        try:
            record = ENGINES["fast_forward"].run(program, trace=True)
        except DeadlockError as error:
            yield repr(str(error))
            continue
        starts = [record.trace.starts(a).tolist() for a in range(program.n_actors)]
        waits = (record.wait_data_ps, record.wait_space_ps, record.wait_resource_ps, record.max_queue)
        yield f"{record.makespan_ps} {record.statistics.n_skips} {starts} {[w.tolist() for w in waits]}"


@pytest.mark.skipif(not COMPILED, reason="nothing to compare with")
def test_plain_python_agrees():
    support = Path(__file__).parent / "support"
    program = (
        f"import sys; sys.path[:0] = [{str(support)!r}, {str(Path(__file__).parent)!r}]\n"
        f"from test_nojit import lines\nprint(*lines(range({SEEDS.start}, {SEEDS.stop})), sep='\\n')"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    plain = answer.stdout.splitlines()
    compiled = list(lines(SEEDS))
    assert plain == compiled
    assert sum(line.split()[1] not in ("0", "at") for line in compiled) >= 5  # some were fast-forwarded
