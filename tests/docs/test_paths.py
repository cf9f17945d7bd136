"""Nothing that ships or is tracked names a path outside the repository, the folder of tests/conftest.py aside."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = re.compile(r"\.\./shared|(?<![\w.~/])/(?:work|root|home|Users|mnt|data)/[\w.]")
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".ipynb", ".csv", ".json", ".html", ".cfg", ".sh", ".txt", ".svg", ""}


def test_no_path_outside_the_repository():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no checkout of git")
    files = [ROOT / name for name in listed.stdout.split("\0") if name and Path(name).suffix in TEXT]
    assert len(files) > 500
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        if path.is_file() and path != Path(__file__)
        for match in OUTSIDE.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []
    beside = [path.relative_to(ROOT).as_posix() for path in files if '.parent / "shared"' in path.read_text("utf-8")]
    assert set(beside) - {"tests/docs/test_paths.py"} == {
        "tests/conftest.py",
        "tools/mutation/run.py",  # puts the same folder beside its copies of the tree
    }
