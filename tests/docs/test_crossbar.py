"""The page on the crossbar names every effect that `--effects` takes, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from hermes_sim.crossbar.spec import Effects

PAGE = Path(__file__).parents[2] / "docs/crossbar.md"


def test_the_table_of_effects_names_them_all():
    table = PAGE.read_text(encoding="utf-8").partition("| effect |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", table, flags=re.MULTILINE)
    names = [name for name, _ in rows]
    assert len(names) == len(set(names))
    assert set(names) == {field.name for field in fields(Effects)}
