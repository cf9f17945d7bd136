"""The table of folders names every folder."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_lists_every_folder_of_the_package():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)/` \|", text, flags=re.MULTILINE)
    folders = {path.parent.name for path in (ROOT / "hermes_sim").glob("*/__init__.py")}
    assert folders
    assert len(listed) == len(set(listed))
    assert not folders - set(listed)
