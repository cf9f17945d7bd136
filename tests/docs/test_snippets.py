"""Python in docs runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def run(page):
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile(code, page, "exec"), {})  # noqa: S102 - our own page


def test_the_programmed_chip_of_the_page_answers(capsys):
    run("crossbar.md")
    assert 0.1 < float(capsys.readouterr().out) < 0.3


def test_the_first_lines_of_the_site_give_a_latency_and_an_energy(capsys):
    run("index.md")
    latency_ns, energy_pj = map(float, capsys.readouterr().out.split())
    assert 1e3 < latency_ns < 1e4
    assert 1e6 < energy_pj < 1e7
