"""Printed numbers of README.md and docs/ are those that their commands print today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def load_tool():
    sys.path.append(str(TOOLS))  # its tables are beside it
    spec = importlib.util.spec_from_file_location("docs_numbers", TOOLS / "docs_numbers.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool = load_tool()
BLOCKS = [block for page in tool.pages() if page.parent.name != "tutorials" for block in tool.blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_page_says_what_its_command_prints(block):
    wrong = tool.differences(block.body, block.now())
    assert not wrong, f"{block.page}:{block.line} (make docs-numbers): {block.how}\n" + "\n".join(wrong)


WITH_CODE = [page for page in tool.pages() if tool.code_of(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_python_of_a_page_runs(page):
    """Tutorials are there, too: what a page runs once is kept."""
    text = page.read_text(encoding="utf-8")
    for package in ("onnx", "perfetto"):
        if package in text:
            pytest.importorskip(package)
    assert len(tool.printed_by_code(page)) == len(tool.code_of(text))


@pytest.mark.parametrize("page", tool.pages(), ids=lambda page: page.stem)
def test_every_block_of_a_page_runs_or_says_why_not(page):
    assert tool.left_out(page) == [], "a fenced block needs `made by`, a title or `not run` (tools/docs_numbers.py)"


RUN = """```python
print(1)
```

<!-- made by: the code above -->

```text
1
```

```yaml title="a.yaml"
a: 1
```
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("page.md", RUN, []),
        ("page.md", f"{RUN}\n```yaml\na: 1\n```\n\n{RUN}", [15]),
        ("page.md", f"{RUN}\n<!-- not run: a fragment -->\n```yaml\na: 1\n```\n", []),
        ("page.md", "<!-- not run: -->\n```yaml\na: 1\n```\n", [2]),
        ("page.md", "<!-- not run: first only -->\n```\na\n```\n\n```\nb\n```\n", [6]),
        ("page.md", "words\n\n    hermes-sim list\n", []),
        ("README.md", "words\n\n    hermes-sim list\n", [3]),
        ("README.md", "words\n\n<!-- not run: a network -->\n\n    pip install\n", []),
        ("README.md", f"words\n\n{RUN}\n\n    hermes-sim list\n    hermes-sim run\n", [18]),
    ],
)
def test_a_block_that_nothing_runs_is_found(tmp_path, name, text, lines):
    page = tmp_path / name
    page.write_text(text)
    assert tool.left_out(page) == [f"{name}:{line}" for line in lines]


def test_code_that_is_not_run_is_left_out_of_the_program(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"<!-- not run: no such name -->\n```python\nno_such_name\n```\n\n{RUN}")
    assert tool.printed_by_code(page) == ["1\n"]
    (block,) = tool.blocks_of(page)
    assert block.now() == "1\n"


def test_the_numbers_of_the_readme_are_made_by_commands():
    commands = " ".join(block.how for block in BLOCKS if block.page == "README.md")
    for words in ("kernel_ridge_digits", "performer_listops_full_short", "validate chip", "table shares_of_cells"):
        assert words in commands


ROW = " accuracy (mean of 5 seeds)   {} +- 0.0032, FP32 0.9675, drop {} points"


@pytest.mark.parametrize(
    ("stored", "now", "same"),
    [
        (" latency of one inference   4.567 us", " latency of one inference   4.568 us", False),
        (" firings, engine speed   33,000, 1.257 Mfirings/s", " firings, engine speed   33,000, 9.99 kfirings/s", True),
        (
            " firings, engine speed   33,000, 1.257 Mfirings/s",
            " firings, engine speed   33,001, 1.257 Mfirings/s",
            False,
        ),
        (ROW.format("0.9657", "+0.18"), ROW.format("0.9660", "+0.15"), True),
        (ROW.format("0.9657", "+0.18"), ROW.format("0.9677", "+0.18"), False),
        (ROW.format("0.9657", "+0.18"), ROW.format("0.9657", "+0.38"), False),
        (ROW.format("0.9657", "+0.18"), ROW.format("0.9657", "-0.18"), False),
        ("a\nb", "a", False),
    ],
)
def test_what_counts_as_different(stored, now, same):
    assert (not tool.differences(stored, now)) is same


def test_a_page_is_rewritten_only_where_it_differs(tmp_path, monkeypatch):
    prints = {"hermes-sim a": "head\nspeed 33,000, 1.0 Mfirings/s\nnew\ntail\n", "hermes-sim b": "one  \ntwo\n"}
    monkeypatch.setattr(tool, "output_of", lambda command, folder: prints[command])
    page = tmp_path / "page.md"
    kept = "<!-- made by: hermes-sim a ; until: new -->\n```\n$ hermes-sim a\nhead\nspeed 33,000, 2.0 Mfirings/s\n```\n"
    wrong = "<!-- made by: hermes-sim a && hermes-sim b ; from: tail -->\n\n```text\nold\n\nold\n```\nend\n"
    page.write_text(kept + wrong)
    assert tool.update(page) == 1
    assert page.read_text() == kept + wrong.replace("old\n\nold", "tail\n\none\ntwo")
    assert tool.update(page) == 0


def test_a_comment_without_its_block_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- made by: hermes-sim list -->\nwords\n")
    with pytest.raises(ValueError, match="without a fenced block"):
        tool.blocks_of(page)
    with pytest.raises(ValueError, match="only hermes-sim"):
        tool.output_of("rm -r out")
    with pytest.raises(ValueError, match="ends with 2"):
        tool.output_of("hermes-sim run no_such_chip kernel_ridge_digits")
