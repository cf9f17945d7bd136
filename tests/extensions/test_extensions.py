"""The example package of docs/examples/extension as it is once installed: its entry points, and one run with each."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hermes_sim import extensions
from hermes_sim.api import simulate
from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.device.cells import device_spec
from hermes_sim.errors import ArchConfigError, ExtensionError, HermesSimError, MappingError, WorkloadError
from hermes_sim.flow import map_workload
from hermes_sim.workload.load import build_graph, load_workload

EXAMPLE = Path(__file__).parents[2] / "docs/examples/extension"
FLASH = {
    "type": "flash",
    "compare_time": {"value": 5, "unit": "ns", "kind": "assumed", "source": "test"},
    "step_energy": {"value": 2, "unit": "fJ", "kind": "assumed", "source": "test"},
    "area": {"value": 0.001, "unit": "mm**2", "kind": "assumed", "source": "test"},
} | {
    name: {"value": value, "unit": "count", "kind": "assumed", "source": "test"}
    for name, value in {
        "noise": 0.5, "four_phase_noise": 0.5, "gain_spread": 0, "offset_spread": 0, "cubic_loss": 0,
        "columns": 8, "bits": 8, "full_scale": 10,
    }.items()
}  # fmt: skip


def write_metadata(folder, name, groups):
    """What an installer leaves beside a package."""
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
             for group, points in groups.items()]  # fmt: skip
    (info / "entry_points.txt").write_text("\n".join(lines))


def install(monkeypatch, folder, name, groups):
    write_metadata(folder, name, groups)
    monkeypatch.syspath_prepend(str(folder))
    extensions._entry_points.cache_clear()


@pytest.fixture
def groups():
    return tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]


@pytest.fixture
def installed(monkeypatch, tmp_path, groups):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    install(monkeypatch, tmp_path / "site", "aimc-extras", groups)
    yield
    extensions._entry_points.cache_clear()


@pytest.fixture(autouse=True)
def _forget():
    yield
    extensions._entry_points.cache_clear()


def test_the_example_adds_something_to_every_group(groups):
    assert set(groups) == {f"hermes_sim.{group}" for group in extensions.GROUPS}


@pytest.mark.usefixtures("installed")
def test_a_strategy_of_another_package_places_the_weights():
    spread = map_workload("hermes_64", "kernel_ridge_digits", "spread").mapping
    mapping = map_workload("hermes_64", "kernel_ridge_digits", "from_the_end").mapping
    assert [block.core for block in mapping.blocks] == [63 - block.core for block in spread.blocks]
    result = simulate("hermes_64", "kernel_ridge_digits", mapping="from_the_end", accuracy=False, inferences=2)
    assert result.document["inputs"]["mapping"] == "from_the_end"


@pytest.mark.usefixtures("installed")
def test_a_workload_of_another_package_is_read_checked_and_run(tmp_path):
    graph = build_graph(load_workload(EXAMPLE / "dense_stack.yaml"))
    assert graph.ops == 2 * (256 * 256 + 256 * 128 + 128 * 10)
    result = simulate("hermes_64", EXAMPLE / "dense_stack.yaml", accuracy=False, baselines=("edge_array",))
    assert result.document["inputs"]["workload"] == "my_stack"
    assert {row["name"] for row in result.document["baselines"]} == {"edge_array"}
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((EXAMPLE / "dense_stack.yaml").read_text().replace("[256,", "[0,"))
    with pytest.raises(WorkloadError, match="widths"):
        load_workload(wrong)


@pytest.mark.usefixtures("installed")
def test_a_baseline_of_another_package_goes_by_its_name():
    assert load_baseline("edge_array").arrays.n == 2


@pytest.mark.usefixtures("installed")
def test_a_converter_of_another_package_takes_its_time_and_energy():
    chip = load_arch("hermes_64", {"core.analog.adc": FLASH})
    assert chip.core.analog.adc.conversion_ps == 5000
    longer = FLASH | {"compare_time": FLASH["compare_time"] | {"value": 105}}
    slow = load_arch("hermes_64", {"core.analog.adc": longer})
    phases = (read_cost(slow, 256, 256).interval_ps - read_cost(chip, 256, 256).interval_ps) / (8 * 100_000)
    assert phases == 4  # eight columns take turns, in each of four phases
    assert simulate(chip, "kernel_ridge_digits", inferences=2, seed=1).document["accuracy"]["simulated"] > 0.9


@pytest.mark.usefixtures("installed")
def test_cells_of_another_package_are_programmed_and_read():
    chip = load_arch("hermes_64", {"core.analog.device.model": "steady"})
    assert type(device_spec(chip.core.analog.device)).__name__ == "SteadyCells"
    measured = simulate("hermes_64", "kernel_ridge_digits", inferences=2).document["accuracy"]["kernel_error"]
    steady = simulate(chip, "kernel_ridge_digits", inferences=2).document["accuracy"]["kernel_error"]
    assert steady < measured


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("ask", "error", "name"),
    [
        (lambda: map_workload("hermes_64", "kernel_ridge_digits", "from_the_ends"), MappingError, "from_the_end"),
        (lambda: load_arch("hermes_64", {"core.analog.device.model": "steadi"}), ArchConfigError, "pcm"),
        (lambda: load_arch("hermes_64", {"core.analog.adc": FLASH | {"type": "flush"}}), ArchConfigError, "counter"),
    ],
)
def test_unknown_names_are_refused_with_those_that_there_are(ask, error, name):
    with pytest.raises(error, match=name):
        ask()


@pytest.mark.parametrize(
    ("point", "got"),
    [
        ("no_such_package:thing", "ModuleNotFoundError"),
        ("json:no_such_name", "AttributeError"),
        ("json:dumps", "json:dumps, a function"),
    ],
)
def test_an_extension_that_cannot_be_used_is_refused_by_name(monkeypatch, tmp_path, point, got):
    install(monkeypatch, tmp_path, "broken", {"hermes_sim.baselines": {"broken": point}})
    with pytest.raises(ExtensionError, match="entry point 'broken'") as caught:
        load_baseline("broken")
    assert got in str(caught.value.got)


def test_two_packages_with_one_name_are_refused(monkeypatch, tmp_path):
    for name in ("first", "second"):
        install(monkeypatch, tmp_path / name, name, {"hermes_sim.baselines": {"twice": "json:dumps"}})
    with pytest.raises(ExtensionError) as caught:
        load_baseline("twice")
    assert "first, second" in str(caught.value)


def test_a_shipped_name_cannot_be_replaced(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, "greedy", {
        "hermes_sim.baselines": {"a100": "no_such_package:thing"},
        "hermes_sim.strategies": {"balanced": "no_such_package:thing"},
    })  # fmt: skip
    assert load_baseline("a100").name == "a100"
    assert map_workload("hermes_64", "kernel_ridge_digits", "balanced").mapping.strategy == "balanced"


def test_shipped_names_do_not_look_through_the_installed_packages():
    code = (
        "import json, sys, hermes_sim.cli.app; from hermes_sim.flow import map_workload; "
        "from hermes_sim.baselines.load import load_baseline; load_baseline('a100'); "
        "map_workload('hermes_64', 'kernel_ridge_digits', 'balanced'); from hermes_sim import extensions; "
        "print(json.dumps(extensions._entry_points.cache_info().currsize))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == 0


def test_the_error_is_one_of_ours():
    assert issubclass(ExtensionError, HermesSimError)
