"""The store: a folder of results that many processes append to and that no kill can damage.

Layout
------
``points/part-*.jsonl``    being written by one live process, one line per finished point, appended with one write
``points/part-*.parquet``  sealed: written under another name and renamed, then the ``.jsonl`` of that name goes
``claims.lock``            byte ``hash(key)`` of it is locked while a process works on that key

A line is whole or ignored, a Parquet file is whole or absent, and the system drops the locks of a process that dies;
so nothing has to be repaired or expired. A process that opens the store to write seals the parts of dead ones.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from hermes_sim.config.files import written_whole
from hermes_sim.errors import OutputError
from hermes_sim.explore.columns import SCHEMA, SCHEMA_VERSION, VERSION_KEY, decode, encode, to_table
from hermes_sim.explore.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

_ROWS_PER_PART = 1000
_SYNC_EVERY_S = 1.0
_OPEN_TRIES = 100


@dataclass
class _Part:
    """The part this process writes."""

    path: Path
    handle: int
    n_bytes: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    synced_s: float = 0.0


class Store:
    """Results of design points, by key.

    Parameters
    ----------
    folder : made if missing
    write : whether points will be added; a store on a read-only disk can still be read

    Raises
    ------
    StoreError
        the folder is something else, or cannot be made, read or written
    """

    def __init__(self, folder: str | Path, *, write: bool = True) -> None:
        self.folder = Path(folder)
        self._points = self.folder / "points"
        self._status: dict[str, str] = {}
        self._read_to: dict[str, int] = {}
        self._claims: set[str] = set()
        self._part: _Part | None = None
        self._lock = -1
        if write:
            self._open_to_write()
        elif not self._points.is_dir():
            raise StoreError(str(folder), got="no store", allowed="the folder of an earlier `hermes-sim sweep`")
        self.refresh()

    def _open_to_write(self) -> None:
        if self.folder.is_dir() and not self._points.is_dir() and any(self.folder.iterdir()):
            raise StoreError(str(self.folder), got="a folder with other files", allowed="a store, or a new folder")
        try:
            self._points.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "claims.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as cause:
            raise StoreError(str(self.folder), got=str(cause), allowed="a folder that can be written") from None
        for path in sorted(self._points.glob("part-*.jsonl")):
            self._seal_orphan(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, key: str) -> bool:
        return key in self._status

    def __len__(self) -> int:
        return len(self._status)

    def status(self, key: str) -> str | None:
        """``done``, ``failed``, ``pruned``, or None where the store has no such point."""
        return self._status.get(key)

    # -- claims ---------------------------------------------------------------------------------------------------

    def claim(self, key: str) -> bool:
        """Reserve a point for this process, until `release`, `close` or its death; False if another has it."""
        if key in self._claims:
            return False
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
        except OSError as cause:
            if cause.errno in {errno.EACCES, errno.EAGAIN}:
                return False
            raise StoreError(
                str(self.folder), got=f"locking: {cause.strerror}", allowed="a file system with POSIX locks"
            ) from None
        self._claims.add(key)
        return True

    def release(self, key: str) -> None:
        """Give a claim up."""
        if key in self._claims:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, _offset(key))
            self._claims.discard(key)

    # -- writing --------------------------------------------------------------------------------------------------

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a finished point; once this returns, a kill of the process cannot lose it.

        Raises
        ------
        StoreError
            no space left, or a disk error; what was stored before is untouched
        """
        try:
            part = self._part or self._new_part()
            line = (encode(record) + "\n").encode()
            self._write_line(part, line)
            if time.monotonic() - part.synced_s > _SYNC_EVERY_S:
                os.fsync(part.handle)
                part.synced_s = time.monotonic()
        except OSError as cause:
            raise _disk_error(self.folder, cause) from None
        part.records.append(decode(line) or {})
        self._status[record["key"]] = record["status"]
        if len(part.records) >= _ROWS_PER_PART:
            self.seal()

    def _new_part(self) -> _Part:
        name = f"part-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.jsonl"
        hidden = self._points / f".{name}"
        handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        hidden.rename(self._points / name)  # nobody sees it before it is locked
        self._part = _Part(self._points / name, handle, synced_s=time.monotonic())
        self._read_to[name] = -1
        return self._part

    def _write_line(self, part: _Part, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(part.handle, line[written:])
        except OSError:
            os.ftruncate(part.handle, part.n_bytes)
            raise
        part.n_bytes += len(line)

    def seal(self) -> None:
        """Turn the part being written into a Parquet file; without space for it the lines stay as they are."""
        part, self._part = self._part, None
        if part is None:
            return
        try:
            os.fsync(part.handle)
            _write_parquet(part.path, part.records)
        except (OSError, OutputError) as cause:
            raise _disk_error(self.folder, cause) from None
        finally:
            os.close(part.handle)

    def _seal_orphan(self, path: Path) -> None:
        """Seal a part whose writer is gone."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                _write_parquet(path, list(_lines(path.read_bytes())))
        except BlockingIOError:
            return  # its writer lives
        except OutputError:
            return  # no space: its lines can be read as they are
        except OSError as cause:
            raise _disk_error(self.folder, cause) from None
        finally:
            os.close(handle)

    def close(self) -> None:
        """Seal and give up all claims."""
        try:
            if self._lock >= 0:
                self.seal()
        finally:
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1
            self._claims.clear()

    # -- reading --------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take note of what other processes have added."""
        for path in self._files():
            if self._read_to.get(path.name) == -1:
                continue
            if path.suffix == ".parquet":
                table = _read_parquet(path, ["key", "status"])
                self._status.update(zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True))
                self._read_to[path.name] = -1
            else:
                self._refresh_lines(path)

    def _refresh_lines(self, path: Path) -> None:
        start = self._read_to.get(path.name, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                text = file.read()
        except FileNotFoundError:
            return  # sealed meanwhile: the next refresh reads the Parquet file
        end = text.rfind(b"\n") + 1
        for record in _lines(text[:end]):
            self._status[record["key"]] = record["status"]
        self._read_to[path.name] = start + end

    def _files(self) -> list[Path]:
        """Parts to read, oldest first: the sealed form where there are both."""
        try:
            names = {entry.name for entry in os.scandir(self._points) if entry.name.startswith("part-")}
        except OSError as cause:
            raise StoreError(str(self._points), got=str(cause), allowed="a folder that can be read") from None
        sealed = {name for name in names if name.endswith(".parquet")}
        open_ = {name for name in names if name.endswith(".jsonl") and f"{name[:-6]}.parquet" not in sealed}
        return [self._points / name for name in sorted(sealed | open_)]

    def table(self) -> pa.Table:
        """All points, one row per key: the latest where a failed one was tried again."""
        table = pa.concat_tables([self._read_part(path) for path in self._read_files()] or [SCHEMA.empty_table()])
        latest: dict[str, int] = {key: i for i, key in enumerate(table["key"].to_pylist())}
        return table.take(pa.array(sorted(latest.values()), type=pa.int64()))

    def _read_files(self) -> list[Path]:
        for _ in range(_OPEN_TRIES):
            files = self._files()
            if all(path.exists() for path in files):
                return files
        return self._files()

    def _read_part(self, path: Path) -> pa.Table:
        if path.suffix == ".jsonl":
            try:
                return to_table(list(_lines(path.read_bytes())))
            except FileNotFoundError:
                path = path.with_suffix(".parquet")
        return _read_parquet(path, SCHEMA.names)


def _offset(key: str) -> int:
    """Byte of the lock file that stands for a key; a clash of two keys only makes one wait for the other."""
    return int(key[:15], 16)


def _lines(text: bytes) -> Iterator[dict[str, Any]]:
    """Whole records; a last line without its end was never finished."""
    for line in text.split(b"\n")[:-1]:
        record = decode(line)
        if record is not None:
            yield record


def _write_parquet(part: Path, records: list[dict[str, Any]]) -> None:
    if records:
        with written_whole(part.with_suffix(".parquet")) as temporary:
            pq.write_table(to_table(records), temporary, compression="zstd")
            handle = os.open(temporary, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
    part.unlink()


def _read_parquet(path: Path, names: list[str]) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as cause:
        raise StoreError(str(path), got=str(cause), allowed="a Parquet file of this store") from None
    version = int((table.schema.metadata or {}).get(VERSION_KEY, b"0"))
    if version > SCHEMA_VERSION:
        allowed = f"results of schema version {SCHEMA_VERSION} or older"
        hint = "read it with the hermes_sim that wrote it, or a newer one; or sweep into another store"
        raise StoreError(str(path), got=f"results of schema version {version}", allowed=allowed, hint=hint)
    for column in SCHEMA:  # a store of an older version lacks the newer columns
        if column.name not in table.schema.names:
            table = table.append_column(column, pa.nulls(len(table), column.type))
    return table.select(names).cast(pa.schema([SCHEMA.field(name) for name in names]))


def _disk_error(folder: Path, cause: Exception) -> StoreError:
    full = isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    text = cause.got if isinstance(cause, OutputError) else cause
    return StoreError(
        str(folder),
        got="no space left on the disk" if full or "No space" in str(text) else str(text),
        allowed="a disk with room for the results",
        hint="make room and give the same command again: the points stored so far are kept",
    )
