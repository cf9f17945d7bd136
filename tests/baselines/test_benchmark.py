"""The comparison with SCALE-Sim says why it is skipped where that is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "systolic.py"


@pytest.mark.parametrize("python", [sys.executable, "/no/such/interpreter"])
def test_skipped_with_a_reason(python):
    command = [sys.executable, str(SCRIPT), "--json", "--scalesim-python", python]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)
    assert set(row) == {"name", "value", "unit", "reference", "ratio", "threads", "goal"}
    assert row["name"].startswith("skipped: ")
    assert row["value"] is None
