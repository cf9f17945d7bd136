"""The picture of a mapping on a chip of two clusters of six cores, by hand."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

from hermes_sim.chip.load import load_arch
from hermes_sim.mapping.mapping import Block
from hermes_sim.mapping.picture import mapping_svg

SPACE = "{http://www.w3.org/2000/svg}"
CORE, PITCH, MARGIN = 84, 94, 46  # pixels


def picture(n_layers):
    chip = load_arch("hermes_64", {"cores.clusters": 2, "cores.per_cluster": 6})
    blocks = [Block(f"W{i}", 0, (0, 64), (0, 128), i, 32, 64) for i in range(n_layers)]
    return ET.fromstring(mapping_svg(blocks, chip, title="t"))  # noqa: S314 - our own text


def numbers(element, *names):
    return tuple(float(element.get(name)) for name in names)


def test_cores_stand_in_a_row_per_cluster():
    root = picture(1)
    cores = [numbers(r, "x", "y", "width", "height") for r in root.iter(f"{SPACE}rect") if r.get("fill") == "#f4f4f4"]
    assert cores == [
        (MARGIN + column * PITCH, MARGIN + row * PITCH, CORE, CORE) for row in (0, 1) for column in range(6)
    ]
    places = {text.text: numbers(text, "x", "y") for text in root.iter(f"{SPACE}text")}
    assert places["core 5"] == (MARGIN + 5 * PITCH + CORE // 2, MARGIN - 6)
    assert places["cl. 1"] == (MARGIN - 8, MARGIN + PITCH + CORE // 2)


def test_a_block_lies_at_its_cells():
    root = picture(2)
    (block,) = [r for r in root.iter(f"{SPACE}rect") if (r.findtext(f"{SPACE}title") or "").startswith("W1,")]
    x, y, width, height = numbers(block, "x", "y", "width", "height")
    assert (x, y) == (MARGIN + PITCH + 64 / 256 * CORE, MARGIN + 32 / 256 * CORE)
    assert (width, height) == (128 / 256 * CORE, 64 / 256 * CORE)


def test_the_legend_stands_below_the_cores_in_columns_of_260_pixels():
    """564 pixels of cores: two columns; five layers need three lines, and one is left free below."""
    root = picture(5)
    top = MARGIN + 2 * PITCH + 8
    assert numbers(root, "width", "height") == (MARGIN + 6 * PITCH + 10, top + 4 * 16)
    marks = [numbers(r, "x", "y") for r in root.iter(f"{SPACE}rect") if r.get("width") == "11"]
    assert marks == [(MARGIN + i % 2 * 260, top + i // 2 * 16) for i in range(5)]
    labels = [numbers(t, "x", "y") for t in root.iter(f"{SPACE}text") if (t.text or "").startswith("W")]
    assert labels == [(x + 16, y + 10) for x, y in marks]


def test_colours_are_far_apart_and_the_same_in_legend_and_core():
    """Hues a golden section apart; first: hue 0, lightness 0.42, saturation 0.6, so 0.42 (1 +- 0.6)."""
    root = picture(5)
    marks = [r.get("fill") for r in root.iter(f"{SPACE}rect") if r.get("width") == "11"]
    blocks = [r.get("fill") for r in root.iter(f"{SPACE}rect") if r.find(f"{SPACE}title") is not None]
    assert marks == blocks
    assert marks[0] == "#ab2a2a"
    channels = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in marks]
    apart = [max(abs(a - b) for a, b in zip(one, two, strict=True)) for one, two in itertools.pairwise(channels)]
    assert min(apart) > 60
