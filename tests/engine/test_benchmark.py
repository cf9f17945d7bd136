"""The benchmark script runs and keeps its contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def rows_of(script):
    answer = subprocess.run(
        [sys.executable, str(SCRIPTS / script), "--quick", "--json"], capture_output=True, check=True
    )
    rows = {row["name"]: row for row in json.loads(answer.stdout)}
    for row in rows.values():
        assert set(row) == {"name", "value", "unit", "reference", "ratio", "threads", "goal"}
    return rows


@pytest.mark.benchmark
def test_rows():
    rows = rows_of("engine.py")
    assert rows["compiled / simpy"]["ratio"] >= rows["compiled / simpy"]["goal"]
    assert rows["1,000,000 tokens / 10,000 tokens"]["ratio"] <= 3


@pytest.mark.benchmark
def test_rows_of_depth():
    rows = rows_of("depth.py")
    assert rows["10 layers, packed, file to result"]["value"] < 20
    assert "time per block, 200 / 100 blocks" in rows
