"""Examples in docstrings of the package print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import hermes_sim

PACKAGE = Path(hermes_sim.__file__).parent
NOT_RUN = {
    "hermes_sim.explore.study": "simulates a whole study; docs/tutorials/own_study.md runs a small one",
    "hermes_sim.torch": "needs the extra torch and a module of the reader's",
    "hermes_sim.trace.parquet": "a program of the reader's; docs/engine.md runs one",
}
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", [name for name in WITH_EXAMPLES if name not in NOT_RUN])
def test_the_examples_of_a_module_print_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0


def test_modules_whose_examples_do_not_run_have_some():
    assert set(NOT_RUN) < set(WITH_EXAMPLES)
