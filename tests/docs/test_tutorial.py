"""The tutorial notebook runs from top to bottom in an empty folder, and shows what it prints today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "docs_notebook.py"


@pytest.mark.filterwarnings("default")  # of the notebook machinery
def test_the_tutorial_runs_and_shows_what_it_prints(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("docs_notebook", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    stored = tool.printed(nbformat.read(tool.NOTEBOOK, as_version=4))
    assert tool.printed(tool.executed(tmp_path)) == stored, "make docs-numbers"
    assert (tmp_path / "out_digits" / "report.html").is_file()
