"""The command line in this process: a new one would spend its time importing."""

from __future__ import annotations

import contextlib
import io
import sys
from types import SimpleNamespace

import pytest

from hermes_sim.cli import main


def hermes_sim(*arguments: object) -> SimpleNamespace:
    """Run `hermes-sim` with arguments: returncode, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["hermes-sim", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = argv
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="session")
def command():
    """The same as a fixture."""
    return hermes_sim
