"""The benchmark script runs and keeps its contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "engine.py"


@pytest.mark.benchmark
def test_rows():
    answer = subprocess.run([sys.executable, str(SCRIPT), "--quick", "--json"], capture_output=True, check=True)
    rows = {row["name"]: row for row in json.loads(answer.stdout)}
    for row in rows.values():
        assert set(row) == {"name", "value", "unit", "reference", "ratio", "threads"}
    assert rows["compiled / simpy"]["ratio"] >= 1
    assert rows["1,000,000 tokens / 10,000 tokens"]["ratio"] <= 1
