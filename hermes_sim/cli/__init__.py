"""The `hermes-sim` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; bad input ends with exit code 2 and one message, Ctrl-C with 130."""
    from hermes_sim.cli.app import app  # noqa: PLC0415 - `--help` need not wait for Numba
    from hermes_sim.cli.console import error_console  # noqa: PLC0415
    from hermes_sim.errors import HermesSimError  # noqa: PLC0415

    try:
        app()
    except HermesSimError as error:
        error_console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        error_console.print("interrupted: nothing was written", style="red")
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has gone, `hermes-sim ... | head` for example
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
