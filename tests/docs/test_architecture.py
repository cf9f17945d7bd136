"""The page names every folder and file of the package; one name, one class."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from inspect import signature
from pathlib import Path

import hermes_sim

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hermes_sim"


def page():
    return (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_table_lists_every_folder_of_the_package():
    listed = re.findall(r"^\| `(\w+)/` \|", page(), flags=re.MULTILINE)
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders
    assert len(listed) == len(set(listed))
    assert set(listed) == folders


def test_the_page_lists_every_file_beside_the_folders():
    rows = "".join(re.findall(r"^\| (`[\w.`, ]+\.py`) \|", page(), flags=re.MULTILINE))
    assert set(re.findall(r"`(\w+\.py)`", rows)) == {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}


def test_the_files_to_read_in_order_are_there():
    order = page().partition("read in this order:")[2].partition("\n\n")[0]
    files = re.findall(r"`([\w/.]+)`", order)
    assert len(files) > 10
    assert [name for name in files if not (PACKAGE / name).is_file()] == []


def test_folders_stand_in_the_order_of_their_imports():
    """Each row imports from rows above it only; the layers of `lint-imports` say the same with more detail."""
    listed = re.findall(r"^\| `(\w+)/` \|", page(), flags=re.MULTILINE)
    upwards = set()
    for path in PACKAGE.rglob("*.py"):
        folder = path.relative_to(PACKAGE).parts[0]
        for target in re.findall(
            r"^ *from hermes_sim\.(\w+)[. ]", path.read_text(encoding="utf-8"), flags=re.MULTILINE
        ):
            if folder in listed and target in listed and listed.index(target) > listed.index(folder):
                upwards.add((folder, target))
    assert upwards == set()


def test_overrides_is_an_argument_where_the_page_says_so():
    told, _, others = page().partition("the argument `overrides` of ")[2].partition("; `simulate` has none")
    names = re.findall(r"`(\w+)`", told)
    assert {"load_arch", "load_workload", "load_baseline"} <= set(names)
    assert others
    assert [name for name in names if "overrides" not in signature(getattr(hermes_sim, name)).parameters] == []
    assert "overrides" not in signature(hermes_sim.simulate).parameters


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
