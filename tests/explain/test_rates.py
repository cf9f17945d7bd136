"""Trees of throughput and time of a run beside the document of the run."""

from __future__ import annotations

import hermes_sim as hs
from hermes_sim.chip.load import load_arch
from hermes_sim.explain.quantities import explain

PLACEMENT = """
schema_version: 1
kind: mapping
strategy: none
blocks:
- {matrix: W, core: 30, columns: [0, 255]}
- {matrix: W, core: 2, columns: [255, 510]}
- {matrix: W, core: 17, columns: [510, 765]}
- {matrix: W, core: 4, columns: [765, 1020]}
"""


def test_of_equally_busy_resources_all_views_name_the_same(tmp_path):
    mapping = tmp_path / "p.yaml"
    mapping.write_text(PLACEMENT, encoding="utf-8")
    chip = load_arch("hermes_64_hetero", {"core.ldpu.group_time": 5})  # far less than a read
    result = hs.simulate(chip, "kernel_projection", mapping=mapping, accuracy=False, inferences=64)
    assert result.document["bottleneck"]["resource"] == "core17.crossbar"  # first by name of four
    for quantity in ("makespan", "throughput"):
        works = [node.name for node in explain(result, quantity).walk() if node.name.startswith("work of ")]
        assert works == ["work of core17.crossbar"]
