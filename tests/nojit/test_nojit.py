"""Compiled numerics and the same code as plain Python give the same bits.

Whichever of the two runs the tests (`make coverage`: plain Python), the other one runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from tests.nojit.cases import CASES, outcome


@pytest.fixture(scope="module")
def other():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0" if numba.config.DISABLE_JIT else "1"}
    command = [sys.executable, str(Path(__file__).with_name("cases.py"))]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


@pytest.mark.parametrize("name", CASES)
def test_the_bits_are_those_of_the_other_way(other, name):
    assert outcome(name) == other[name]
    assert len(set(other[name])) > 5
