"""What a change of `core.analog` on the command line does not do, said once beside the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.cli.console import error_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_sim.result import Metrics

_ANALOG = "core.analog."


def note_analog(settings: Sequence[str], metrics: Metrics) -> None:
    """Say on standard error which fields given by --set reach the accuracy alone, or nothing.

    settings : ``FIELD=VALUE``, as given
    """
    fields = [setting.partition("=")[0].strip() for setting in settings]
    for field in fields:
        if field.startswith(_ANALOG) and metrics.accuracy is None:
            text = "time, energy and area do not read it, and this result has no accuracy: it changed nothing"
        elif field.startswith(_ANALOG):
            text = "it changes the accuracy alone; time, energy and area do not read it"
        else:
            continue
        error_console.print(f"note: {field}: {text} (docs/crossbar.md)", highlight=False, soft_wrap=True)
