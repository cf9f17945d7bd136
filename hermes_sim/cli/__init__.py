"""The `hermes-sim` command."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

_USAGE = 2  # exit code for bad input


def main() -> None:
    """Run the command line; bad input ends with exit code 2 and one message, Ctrl-C with 130."""
    if sys.stdout is None:  # closed by the caller: `hermes-sim ... >&-`
        _fail("standard output\n  got      closed\n  allowed  a terminal, file or pipe")
    from hermes_sim.cli.app import app
    from hermes_sim.cli.console import error_console
    from hermes_sim.errors import HermesSimError

    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HermesSimError as error:
        _document(error.record())
        error_console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == _USAGE:  # by the parser of the command line, which has said on standard error what is wrong
            said = getattr(stop.__context__, "format_message", None)
            got = said() if said else None
            _document(
                {"code": "bad_usage", "type": "UsageError", "where": "command line", "got": got, "hint": "--help"}
            )
        raise
    except KeyboardInterrupt:
        error_console.print("interrupted: nothing was written", style="red")
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has gone, `hermes-sim ... | head` for example
        _silence()
        sys.exit(1)
    except OSError as error:  # a full disk, for example; writing to standard output names no file
        _silence()
        where = error.filename or "standard output"
        _fail(f"{where}\n  got      {error.strerror}\n  allowed  a place that can be written and has room")


def _document(record: dict[str, Any]) -> None:
    """With --json an error, too, is one document on standard output."""
    if "--json" in sys.argv[1:]:
        import json

        empty = dict.fromkeys(("code", "type", "where", "got", "allowed", "hint"))
        with contextlib.suppress(OSError):  # nobody reads any more
            sys.stdout.write(json.dumps({"error": {**empty, **record}}, indent=2) + "\n")
            sys.stdout.flush()


def _fail(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"OutputError: {text}\n")
    os._exit(2) if sys.stdout is None else sys.exit(2)


def _silence() -> None:
    """Throw away what is still to be written, which would fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
