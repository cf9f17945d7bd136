"""The docs site: every field says what it means, every page is in the navigation, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field
from ruamel.yaml import YAML

from hermes_sim.cli.documents import documents
from hermes_sim.cli.schema_commands import schema_of
from hermes_sim.config.section import Section, Time
from hermes_sim.errors import HermesSimError
from hermes_sim.numerics.dataset_files import read_archive, read_dataset_file

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def load_tool():
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@pytest.fixture(scope="module")
def made():
    return tool.pages()


def in_navigation(node):
    if isinstance(node, str):
        return [node]
    return [page for part in (node.values() if isinstance(node, dict) else node) for page in in_navigation(part)]


def test_a_row_says_type_unit_range_default_meaning_and_example(made):
    chip, workload = made["reference/chip.md"], made["reference/workload.md"]
    time = re.search(r"^\| `group_time` \|.*$", chip, flags=re.MULTILINE)[0]
    assert "time, whole, 0 to 1e+12 ps; e.g. in ns | required" in time
    assert time.endswith("| `19.75 ns` |")
    assert re.search(
        r"^\| `log2_ratio` \| whole number, from 0 to 16 \| required \| .*2\^k d - k.* \|", workload, re.MULTILINE
    )
    assert "| `stride` | whole number, from 1 to 1.09951e+12 | `1` | Pixels from one window to the next. |" in workload


def test_every_property_of_the_published_schemas_has_a_meaning():
    for kind in tool.KINDS:
        schema = schema_of(kind)
        for part in (*schema["$defs"].values(), schema, *schema.get("anyOf", ())):
            lacking = [name for name, node in part.get("properties", {}).items() if not node.get("description")]
            assert lacking in ([], ["kind", "note"]), (kind, part.get("title"))  # of a quantity, told on the page


def test_results_are_told_field_by_field(made):
    """Every document, and every record within it, has its table; a field says whether it is always there."""
    result, others = made["reference/result.md"], made["reference/documents.md"]
    assert "| `power_w` | number | always | total energy over the time of the run |" in result
    assert re.search(r"^\| `accuracy` \| \[section\]\(#accuracymetrics\) or null \| always \|", result, re.MULTILINE)
    assert "| `uncertainty` | [section](#uncertaintymetrics) | or left out |" in result
    assert "### LoadPoint {#loadpoint}" in others
    assert "| `p99_ns` | number | always | from arrival to answer |" in others
    for command in documents():
        page = result if command == "run" else others
        assert re.search(rf"^## .*`{command}`", page, re.MULTILINE), command
        for name, part in schema_of(command)["$defs"].items():
            assert ("properties" not in part) or name.endswith("Document") or f"{{#{name.lower()}}}" in page, name


def test_the_page_of_data_has_every_array_of_the_archives_that_ship(made):
    told = set(re.findall(r"^\| `(\w+)` \| \(", made["reference/data.md"], flags=re.MULTILINE))
    assert {"X", "y", "split", "length", "X_calibration", "jpeg", "valid"} <= told
    for path in (ROOT / "datasets").glob("*.yaml"):
        file = read_dataset_file(path)
        split = file.said.split
        rows = {split.train, split.test} if split.kind == "rows" else set()
        assert set(read_archive(file.archive)) - rows <= told, path.name


class Silent(Section):
    """A field without a docstring."""

    pulse: Time = Field(examples=["1 ns"])


class Obscure(Section):
    """A field without an example."""

    pulse: str
    """What it means."""


class Told(Section):
    """Both are there."""

    mode: Literal["one", "two"] = "one"
    """Which | mode."""


@pytest.mark.parametrize(("section", "lacks"), [(Silent, "meaning"), (Obscure, "example")])
def test_a_field_without_meaning_or_example_ends_the_build(section, lacks):
    with pytest.raises(HermesSimError, match=rf"{section.__name__}.pulse[\s\S]*{lacks}"):
        tool.table_of(section)


def test_text_with_a_bar_stays_in_its_cell():
    row = tool.table_of(Told).splitlines()[2]
    assert row == r"| `mode` | `one`, `two` | `one` | Which \| mode. | `one` |"


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page(made):
    entries = in_navigation(YAML(typ="safe").load(ROOT / "mkdocs.yml")["nav"])
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | set(made)
    assert len(entries) == len(set(entries))
    assert set(entries) == pages


def test_links_between_pages_lead_to_a_page_and_to_a_heading(made):
    texts = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")} | made
    wrong = []
    for page, text in texts.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", re.sub(r"`[^`\n]*`", "", text)):
            path = (DOCS / page).parent / target if target else DOCS / page
            name = path.resolve().relative_to(ROOT).as_posix().removeprefix("docs/")
            known = path.is_file() or name in texts
            if not known or (anchor and name in texts and anchor not in headings(texts[name])):
                wrong.append(f"{page}: {target}#{anchor}")
    assert wrong == []


def headings(text):
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    named = [re.search(r"\{#(.*)\}", title) for title in titles]
    return {
        name[1] if name else re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
        for title, name in zip(titles, named, strict=True)
    }


def test_public_names_and_commands_are_in_the_reference(made):
    for name in ("hermes_sim.simulate", "hermes_sim.Study", "hermes_sim.torch.convert"):
        assert f"::: {name}\n" in made["reference/python.md"]
    for name in ("run", "sweep best", "validate accuracy"):
        assert f"## `hermes-sim {name}`" in made["reference/commands.md"]


def test_a_list_below_a_paragraph_becomes_a_list():
    assert tool.on_page_markdown("words\n- one\n- two\n") == "words\n\n- one\n- two\n"
    assert tool.on_page_markdown("![x](../reports/a.svg)") == "![x](reports/a.svg)"


def test_pages_that_load_from_elsewhere_end_the_build(tmp_path):
    (tmp_path / "a.html").write_text('<a href="https://example.org">words</a>', encoding="utf-8")
    tool.on_post_build({"site_dir": str(tmp_path)})
    (tmp_path / "b.html").write_text('<script src="https://example.org/x.js"></script>', encoding="utf-8")
    with pytest.raises(HermesSimError, match=r"b\.html"):
        tool.on_post_build({"site_dir": str(tmp_path)})
