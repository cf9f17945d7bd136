"""Area: what an explanation shows is the sum that the chip's own area is, whatever the sizes."""

from __future__ import annotations

import itertools

import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.explain.config import Config, chip_places
from hermes_sim.explain.rates import area_node

SIZES = [
    dict(zip(("core.rows", "core.columns", "core.ldpu.lanes", "cores.clusters"), sizes, strict=True))
    for sizes in itertools.product((64, 256, 512), (128, 256, 1024), (8, 64), (1, 8))
]


@pytest.fixture
def own(tmp_path):
    """A chip of the user's own: no GDPU, a digital unit without a shared memory."""
    path = tmp_path / "own.yaml"
    path.write_text(
        "extends: hermes_64_hetero\nname: own\n"
        "digital_units:\n  gdpu: null\n  dpu: {memory: {shared: null}}\n"
        "core: {area: {value: 0.5, unit: mm**2, kind: assumed, source: test, range: [0.4, 0.6]}}\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("arch", ["hermes_64", "hermes_64_hetero", "own"])
def test_explanation_chip_and_arithmetic_agree_for_every_size(arch, request):
    source = request.getfixturevalue("own") if arch == "own" else arch
    core_mm2 = 0.5 if arch == "own" else 0.635
    units_mm2 = {"hermes_64": 8 * 0.16, "hermes_64_hetero": 8 * (0.16 + 0.35 + 1.12), "own": 8 * (0.35 + 0.12)}[arch]
    for sizes in SIZES:
        chip = load_arch(source, sizes)
        rows, columns, lanes, clusters = sizes.values()
        r, c = rows / 256, columns / 256
        one_mm2 = core_mm2 * (0.35 * r * c + 0.08 * r + 0.35 * c + 0.12 * lanes / 8 + 0.10)
        expected = 8 * clusters * one_mm2 + units_mm2
        node = area_node(chip, Config(chip, chip_places(source, sizes)))
        assert chip.area_mm2 == pytest.approx(expected, rel=1e-12)
        assert node.value == pytest.approx(expected, rel=1e-12)
        assert all(part.is_exact for part in node.walk())
        assert {leaf.name for leaf in node.walk() if leaf.place == "--set"} >= {
            path for path, value in sizes.items() if value != {"core.rows": 256, "core.columns": 256}.get(path, 8)
        }


def test_512_by_512_cores_by_hand():
    chip = load_arch("hermes_64", {"core.rows": 512, "core.columns": 512})
    # 0.635 mm2 x (4 x 0.35 array + 2 x 0.08 drivers + 2 x 0.35 converters + 0.12 LDPU + 0.10 rest) = 1.5748 mm2
    assert chip.area_mm2 == pytest.approx(64 * 1.5748 + 8 * (0.1 + 0.06))
    assert f"{chip.area_mm2:.2f}" == "102.07"


def test_a_core_of_the_published_size_has_the_published_area_whatever_the_split():
    assert load_arch("hermes_64", {"core.area_split.array": 0.2}).core.area_mm2 == 0.635
