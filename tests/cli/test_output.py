"""Standard output that cannot be written: one message, exit code 2, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
RUN = [sys.executable, "-c", "from hermes_sim.cli import main; main()"]
MESSAGE = "OutputError: standard output\n"


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "hermes_64", "kernel_ridge_digits", "--no-accuracy", "--inferences", "2", "--json"),
        ("list",),
        ("baseline", "list", "--json"),
        ("--help",),
    ],
)
def test_a_full_disk_is_one_message(arguments):
    with FULL.open("w") as full:
        done = subprocess.run([*RUN, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert MESSAGE in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_closed_output_is_one_message():
    done = subprocess.run(
        [*RUN, "list"], stderr=subprocess.PIPE, text=True, check=False, preexec_fn=lambda: os.close(1)
    )
    assert (done.returncode, done.stderr) == (2, f"{MESSAGE}  got      closed\n  allowed  a terminal, file or pipe\n")
