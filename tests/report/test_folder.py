from __future__ import annotations

import csv
import json
import shlex
import time

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.load import load_arch
from hermes_sim.config.files import shipped_dir, shipped_names
from hermes_sim.config.parameters import quantities, resolved
from hermes_sim.errors import OutputError
from hermes_sim.report import folder as folder_module
from hermes_sim.report.folder import write_report
from hermes_sim.report.inputs import remake_command, yaml_text
from hermes_sim.workload.load import load_workload

FILES = {
    "report.html", "report.md", "metrics.json", "stages.csv", "resources.csv", "energy.csv", "baselines.csv",
    "operators.csv", "critical_path.csv", "parameters.csv", "inputs/arch.yaml", "inputs/workload.yaml",
    "inputs/mapping.json",
    "placement.svg",
    "inputs/mapping.yaml",
}  # fmt: skip


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def report(small, tmp_path_factory):
    return write_report(small, tmp_path_factory.mktemp("reports") / "small")


def test_holds_every_file(report):
    assert {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()} == FILES


def test_metrics_are_the_document_exactly(report, small):
    assert json.loads((report / "metrics.json").read_text()) == small.document


def test_energy_table_adds_up_to_the_total(report, small):
    total_pj = sum(float(row["energy_pj"]) for row in rows(report / "energy.csv"))
    assert total_pj == pytest.approx(small.document["energy_pj"]["total"], rel=1e-9)


def test_critical_path_adds_up_to_the_latency(report, small):
    total_ps = sum(int(row["total_ps"]) for row in rows(report / "critical_path.csv"))
    assert total_ps / 1e3 == small.document["latency_ns"]


def test_tables_hold_the_rows_of_the_frames(report, small):
    for table in ("stages", "resources", "energy", "baselines"):
        assert len(rows(report / f"{table}.csv")) == len(small.to_frame(table)) > 0


def test_parameters_name_every_quantity_with_unit_kind_and_source(report, small):
    found = rows(report / "parameters.csv")
    assert [row["path"] for row in found] == [quantity.path for quantity in quantities(small.chip)]
    assert all(row["unit"] and row["kind"] and row["source"] for row in found)


@pytest.mark.parametrize("fixture", ["small", "large"])
def test_inputs_load_back_to_the_same_values(fixture, request, tmp_path):
    result = request.getfixturevalue(fixture)
    report = write_report(result, tmp_path / "report")
    assert resolved(load_arch(str(report / "inputs/arch.yaml"))) == resolved(result.chip)
    assert resolved(load_workload(str(report / "inputs/workload.yaml"))) == resolved(result.workload)


@pytest.mark.parametrize("folder", ["arch_configs", "workloads"])
def test_every_shipped_file_loads_back(folder, tmp_path):
    load = load_arch if folder == "arch_configs" else load_workload
    for name in shipped_names(folder):
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml_text(load(name)), encoding="utf-8")
        assert resolved(load(str(file))) == resolved(load(name))


def test_texts_and_tiny_numbers_load_back(tmp_path):
    text = 'a "quoted": \\ text # with signs, é, \t and\nlines'
    chip = load_arch("hermes_64", {"core.output_port.energy": 1e-07, "description": text, "name": "yes"})
    (tmp_path / "chip.yaml").write_text(yaml_text(chip), encoding="utf-8")
    assert resolved(load_arch(str(tmp_path / "chip.yaml"))) == resolved(chip)


def test_saved_inputs_give_the_same_result(report, small):
    again = simulate(
        str(report / "inputs/arch.yaml"),
        str(report / "inputs/workload.yaml"),
        inferences=20,
        accuracy=False,
        baselines=("a100", "systolic_same_area"),
    )
    changing = {"wall_time_s", "events_per_s"}
    same = {key: value for key, value in small.document.items() if key not in changing}
    assert {key: value for key, value in again.document.items() if key not in changing} == same


def test_saved_mapping_loads_back(report, small):
    again = simulate(
        small.chip, small.workload, mapping=str(report / "inputs/mapping.yaml"), inferences=1, accuracy=False
    )
    assert set(again.mapping.blocks) == set(small.mapping.blocks)


def test_command_names_shipped_inputs_seed_and_baselines(small):
    words = shlex.split(remake_command(small))
    assert words[:4] == ["hermes-sim", "run", "hermes_64", "kernel_ridge_digits"]
    assert words[words.index("--seed") + 1] == "0"
    assert words[words.index("--inferences") + 1] == "20"
    assert [words[i + 1] for i, word in enumerate(words) if word == "--baseline"] == ["a100", "systolic_same_area"]


def test_command_asks_for_the_same_intervals(rich, small):
    assert "--uncertainty 64" in remake_command(rich)
    assert "--uncertainty" not in remake_command(small)


def test_command_names_saved_files_for_a_changed_chip():
    chip = load_arch("hermes_64", {"core.ldpu.lanes": 16})
    result = simulate(chip, "kernel_ridge_digits", inferences=1, accuracy=False, baselines=())
    assert "inputs/arch.yaml kernel_ridge_digits" in remake_command(result)


def test_an_accelerator_of_the_users_own_is_saved_and_loads_back(tmp_path):
    own = tmp_path / "own.yaml"
    text = (shipped_dir("arch_configs") / "baselines" / "a100.yaml").read_text(encoding="utf-8")
    own.write_text(text.replace("{value: 400, unit: W", "{value: 300, unit: W") + "measured_file: m.csv\n", "utf-8")
    header = "workload,precision,batch,latency_ns,energy_pj,source"
    (tmp_path / "m.csv").write_text(f"{header}\nkernel_ridge_digits,int8,1,9000,5e8,profiler\n", "utf-8")
    result = simulate("hermes_64", "kernel_ridge_digits", inferences=2, accuracy=False, baselines=(str(own), "t4"))
    folder = write_report(result, tmp_path / "report")
    words = shlex.split(remake_command(result))
    given = [words[i + 1] for i, word in enumerate(words) if word == "--baseline"]
    assert given == ["inputs/baseline_a100.yaml", "t4"]
    again = simulate(
        "hermes_64", "kernel_ridge_digits", inferences=2, accuracy=False, baselines=(str(folder / given[0]), "t4")
    )
    assert again.document["baselines"] == result.document["baselines"]
    assert "measured" in again.document["baselines"][0]
    assert "baseline_a100.yaml" in (folder / "report.html").read_text(encoding="utf-8")


def test_refuses_an_existing_folder(report, small):
    with pytest.raises(OutputError, match="exists"):
        write_report(small, report)
    assert (report / "report.html").is_file()


def test_replaces_an_earlier_report_only(small, tmp_path):
    first = write_report(small, tmp_path / "report")
    (first / "stale.txt").write_text("old")
    assert not (write_report(small, first, replace=True) / "stale.txt").exists()
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.png").write_text("meow")
    with pytest.raises(OutputError):
        write_report(small, other, replace=True)
    assert (other / "cat.png").is_file()


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_leaves_nothing_behind_when_it_fails(small, tmp_path, monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(folder_module, "report_page", fail)
    with pytest.raises(type(error)):
        write_report(small, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_keeps_the_earlier_report_when_the_new_one_fails(small, tmp_path, monkeypatch):
    first = write_report(small, tmp_path / "report")
    monkeypatch.setattr(folder_module, "report_page", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(small, first, replace=True)
    assert (first / "metrics.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_largest_workload_is_small_and_quick(large, tmp_path):
    started_s = time.perf_counter()
    report = write_report(large, tmp_path / "report")
    assert time.perf_counter() - started_s < 5
    assert sum(path.stat().st_size for path in report.rglob("*")) < 8e6


def test_trace_of_all_inferences_is_written_when_kept(tmp_path):
    result = simulate("hermes_64", "kernel_ridge_digits", inferences=2, accuracy=False, baselines=(), trace=True)
    report = write_report(result, tmp_path / "report")
    assert json.loads((report / "trace.json").read_text())["traceEvents"]


def test_no_path_of_this_machine_is_in_the_report(report, tmp_path):
    for path in report.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert str(report.parent) not in text
            assert "/home/" not in text.replace("plotly", "")
