"""Traces as Parquet files, whole or while the engine runs, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hermes_sim.config.files import written_whole
from hermes_sim.errors import OutputError
from hermes_sim.trace.frame import rows_to_frame, to_frame

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import pandas as pd

    from hermes_sim.program.dataflow import I64, DataflowProgram
    from hermes_sim.trace.schema import Trace
    from hermes_sim.trace.slices import Slices

_ROW_GROUP = 1 << 18


def write_parquet(trace: Trace, path: Path) -> None:
    """Write all firings, columns as in `hermes_sim.trace.frame.to_frame`.

    Raises
    ------
    OutputError
        if the file cannot be written
    """
    _write_frame(to_frame(trace), path)


def write_slices_parquet(slices: Slices, path: Path) -> None:
    """Write the firings of a window, in order of start; columns and errors as in `write_parquet`."""
    frame = rows_to_frame(
        slices.trace.program,
        actor=slices.actor,
        firing=slices.firing,
        ready_ps=slices.ready_ps,
        start_ps=slices.start_ps,
    )
    _write_frame(frame, path)


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    with written_whole(path) as part:
        frame.to_parquet(part, index=False, compression="zstd")


class ParquetSink:
    """Writes starts to a Parquet file as the engine delivers them: ``engine.run(program, sink=sink)``.

    Rows are in order of start; the firings of an actor are in order. Memory stays at one row group, whatever the
    number of firings.

    Parameters
    ----------
    path : file to write, replaced once everything is written; no file is left if the run fails
    program : the program that runs

    Examples
    --------
    >>> with ParquetSink(path, program) as sink:  # doctest: +SKIP
    ...     CompiledEngine().run(program, sink=sink)
    """

    def __init__(self, path: Path, program: DataflowProgram) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self.n_rows = 0
        self._program = program
        self._next = np.zeros(program.n_actors, dtype=np.int64)
        self._pending: list[I64] = []
        self._n_pending = 0
        self._writer: pq.ParquetWriter | None = None

    def __call__(self, rows: I64) -> None:
        """Take a chunk of starts, rows (actor, ready_ps, start_ps)."""
        self._pending.append(rows)
        self._n_pending += len(rows)
        if self._n_pending >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and give the file its name."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._part.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._writer is not None:
            self._writer.close()
            self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        rows = np.concatenate([np.zeros((0, 3), dtype=np.int64), *self._pending])
        self._pending.clear()
        self._n_pending = 0
        frame = rows_to_frame(
            self._program, actor=rows[:, 0], firing=self._number(rows[:, 0]), ready_ps=rows[:, 1], start_ps=rows[:, 2]
        )
        table = pa.Table.from_pandas(frame, preserve_index=False)
        try:
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._part, table.schema, compression="zstd")
            self._writer.write_table(table)
        except OSError as error:
            raise OutputError(
                str(self.path), got=error.strerror or error, allowed="a file that can be written"
            ) from error
        self.n_rows += len(rows)

    def _number(self, actor: I64) -> I64:
        """Firing numbers of rows in order of start: how many firings of the same actor came before."""
        order = np.argsort(actor, kind="stable")
        counts = np.bincount(actor, minlength=len(self._next))
        rank = np.arange(len(actor)) - np.repeat(np.cumsum(counts) - counts, counts)
        firing = np.empty(len(actor), dtype=np.int64)
        firing[order] = rank + np.repeat(self._next, counts)
        self._next += counts
        return firing
