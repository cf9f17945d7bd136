from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from explore_support import SMALL


@pytest.fixture
def write_study(tmp_path):
    """Write a study file, by default the small one, with some lines added."""

    def write(text: str = SMALL, *, extra: str = ""):
        path = tmp_path / "study.yaml"
        path.write_text(text + textwrap.dedent(extra), encoding="utf-8")
        return path

    return write
