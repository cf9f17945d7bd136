"""Every code block of a tutorial runs, in the order of the page, and says what it prints today."""

from __future__ import annotations

import re

import pytest

from tests.docs.test_numbers import tool

PAGES = [page for page in tool.pages() if page.parent.name == "tutorials"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_says_what_its_code_prints(page):
    if "onnx" in page.read_text(encoding="utf-8"):
        pytest.importorskip("onnx")
    for block in tool.blocks_of(page):
        wrong = tool.differences(block.body, block.now())
        assert not wrong, f"{block.page}:{block.line} (make docs-numbers): {block.how}\n" + "\n".join(wrong)
    text = page.read_text(encoding="utf-8")
    assert len(tool.printed_by_code(page)) == text.count("\n```python\n")
    for how, command in re.findall(r"<!-- made by: (hermes-sim [^;]*?)(?: ;.*)? -->\n+```.*\n\$ (.*)\n", text):
        assert how == command


def test_the_tutorials_are_the_five_that_the_site_promises():
    assert {page.stem for page in PAGES} == {"own_chip", "own_network", "own_study", "own_device", "own_process"}
