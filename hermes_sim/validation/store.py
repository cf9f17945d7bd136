"""Finished work, one JSON line each: a study that is killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from hermes_sim.errors import OutputError


def default_store(name: str) -> Path:
    """File of that name in the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "hermes_sim" / f"{name}.jsonl"


def key_of(record: object) -> str:
    """Hash of everything that a result depends on."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()[:32]


class ResultStore:
    """Values by key, kept in memory and appended to a file as they come; None: in memory only."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._values: dict[str, Any] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                    self._values[record["key"]] = record["value"]
                except (ValueError, KeyError, TypeError):
                    continue  # the last line of a run that was killed while it wrote

    def get(self, key: str) -> Any:
        """Value of a key, or None."""
        return self._values.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a value.

        Raises    OutputError  if the file cannot be written
        """
        self._values[key] = value
        if self.path is None:
            return
        line = json.dumps({"key": key, "value": value}) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as cause:
            raise OutputError(str(self.path), got=str(cause), allowed="a file that can be written") from None
