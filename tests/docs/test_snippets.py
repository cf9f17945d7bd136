"""Python in docs runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/crossbar.md"


def test_the_programmed_chip_of_the_page_answers(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})  # noqa: S102 - our own page
    assert 0.1 < float(capsys.readouterr().out) < 0.3
