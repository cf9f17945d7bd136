from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from sweep_reliability import failing, mutations


def test_mutated_files_are_refused_with_a_clear_error_or_work(tmp_path):
    rows = {row.name: row.value for row in mutations(36, tmp_path, random.Random(7))}
    assert next(value for name, value in rows.items() if "tracebacks" in name) == 0
    assert 0 < rows["refused with a clear error"] <= 36


def test_one_point_of_twenty_failing_hinders_no_other(tmp_path):
    others, listed = failing(100, tmp_path)
    assert others.value == 0
    assert listed.value == listed.goal > 0
