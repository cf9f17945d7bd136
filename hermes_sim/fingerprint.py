"""Fingerprint of the code that results come from, so that those of other code are never taken for ours."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

# Parts of the package that show, ask or drive, and that no result depends on.
_WITHOUT_EFFECT = frozenset(
    {"baselines", "cli", "comparison", "explain", "explore", "kit", "report", "uncertainty", "validation"}
)
# Of these, what evaluates a design point or a cell of a table of measurements.
_EVALUATION = (
    "explore/bounds.py",
    "explore/point.py",
    "validation/accuracy.py",
    "validation/cells.py",
    "validation/excess.py",
    "validation/measurements.py",
    "validation/reference.py",
    "validation/rows.py",
    "validation/score.py",
    "validation/store.py",
)


@cache
def code_fingerprint() -> str:
    """Hash of every source file that a result can depend on; the files of chip and workload count by their values.

    Read once, when the first key is made; the same for a checkout and for the wheel made from it.
    """
    package = Path(__file__).parent
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.partition("/")[0] not in _WITHOUT_EFFECT or name in _EVALUATION:
            digest.update(name.encode() + b"\0")
            digest.update(files[name].read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]
