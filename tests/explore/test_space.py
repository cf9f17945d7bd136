from __future__ import annotations

import pytest
from explore_support import SMALL

from hermes_sim.config.files import shipped_dir
from hermes_sim.errors import HermesSimError
from hermes_sim.explore.errors import StudyError
from hermes_sim.explore.load import load_space, space_from

BASE = {
    "schema_version": 1,
    "name": "s",
    "description": "",
    "arch": "hermes_64",
    "workload": "peak_mvm",
    "objectives": {"makespan_ns": "minimize"},
}


def points(**fields):
    return list(space_from({**BASE, **fields}).grid())


def test_a_grid_takes_every_combination_last_parameter_fastest():
    tasks = points(parameters={"arch.core.ldpu.lanes": [4, 8], "mapping": ["packed", "spread"]})
    assert [(t.point.arch_fields["core.ldpu.lanes"], t.point.mapping) for t in tasks] == [
        (4, "packed"),
        (4, "spread"),
        (8, "packed"),
        (8, "spread"),
    ]


@pytest.mark.parametrize(
    ("span", "values"),
    [
        ({"start": 1, "stop": 7, "step": 3}, [1, 4, 7]),
        ({"start": 0.1, "stop": 0.3, "step": 0.1}, pytest.approx([0.1, 0.2, 0.3])),
        ({"start": 1, "stop": 16, "count": 5, "scale": "log"}, [1, 2, 4, 8, 16]),
        ({"start": 0.0, "stop": 1.0, "count": 3}, [0.0, 0.5, 1.0]),
        ({"start": 1, "stop": 3, "count": 9}, [1, 2, 3]),
    ],
)
def test_ranges(span, values):
    space = space_from({**BASE, "parameters": {"inferences": {"range": span}}})
    assert space.axis("inferences") == values


def test_linked_fields_follow_the_parameters_and_the_files():
    (task,) = points(
        parameters={"size": [512]},
        linked={
            "arch.core.rows": "size",
            "arch.core.columns": "arch.core.rows",
            "arch.core.read.time": "arch.core.read.time * size / 256",
            "mapping": "'spread' if size > 256 else 'packed'",
        },
    )
    assert dict(task.point.arch_fields) == {
        "core.rows": 512,
        "core.columns": 512,
        "core.read.time": 8.0,
    }
    assert task.point.mapping == "spread"


def test_levels_set_several_fields_together():
    tasks = points(
        parameters={
            "network": {
                "levels": {
                    "narrow bus": {"arch.network.topology": "bus", "arch.network.flit": 2},
                    "wide mesh": {"arch.network.topology": "mesh", "arch.network.flit": 16},
                }
            }
        }
    )
    assert [t.point.chip().network.topology for t in tasks] == ["bus", "mesh"]
    assert [t.point.names["network"] for t in tasks] == ["narrow bus", "wide mesh"]


def test_constraints_on_inputs_leave_points_out():
    tasks = points(
        parameters={"arch.cores.clusters": [2, 4, 8], "arch.cores.per_cluster": [2, 4, 8]},
        constraints=["arch.cores.clusters * arch.cores.per_cluster == 16"],
    )
    assert {tuple(t.point.arch_fields.values()) for t in tasks} == {(2, 8), (4, 4), (8, 2)}


def test_the_key_depends_on_the_design_not_on_how_it_is_written():
    plain = points(parameters={"inferences": [1]})[0].key
    same = points(parameters={"arch.core.rows": [256], "inferences": [1]})[0].key
    with_unit = points(parameters={"arch.clock": ["1000 MHz"], "inferences": [1]})[0].key
    other = points(parameters={"arch.core.rows": [128], "inferences": [1]})[0].key
    assert plain == same == with_unit != other


def test_analog_fields_change_the_key_with_accuracy_and_without():
    def keys(accuracy):
        tasks = points(parameters={"arch.core.analog.input_bits": [6, 8], "accuracy": [accuracy]})
        return {task.key for task in tasks}

    assert len(keys(accuracy=False)) == len(keys(accuracy=True)) == 2


def test_keys_of_fields_set_together_equal_keys_of_a_file_that_says_so(tmp_path):
    text = (shipped_dir("arch_configs") / "hermes_64.yaml").read_text(encoding="utf-8")
    changed = text.replace("read_mode: four_phase", "read_mode: one_phase")
    changed = changed.replace("  rows: {value: 256,", "  rows: {value: 128,", 1)
    (tmp_path / "mine.yaml").write_text(changed, encoding="utf-8")
    mine = points(parameters={"arch": [str(tmp_path / "mine.yaml")]})[0].key
    fields = {"arch.read_mode": ["one_phase"], "arch.core.rows": [128]}
    assert points(parameters=fields)[0].key == mine


@pytest.mark.parametrize(
    ("line", "new", "message"),
    [
        ("arch", "hermes_63", "did you mean 'hermes_64'"),
        ("workload", "peak", "peak_mvm"),
        ("schema_version", "2", "schema_version"),
        ("objectives", "{makespan: minimize}", "makespan_ns"),
        ("objectives", "{makespan_ns: smallest}", "minimize"),
        ("objectives", "{}", "objectives"),
        ("name", "", "name"),
        ("parameters", "{}", "parameters"),
    ],
)
def test_a_wrong_study_names_file_and_field(write_study, line, new, message):
    text = SMALL if line != "parameters" else SMALL[: SMALL.index("parameters:")] + SMALL[SMALL.index("objectives:") :]
    rows = [f"{line}: {new}" if row.startswith(f"{line}:") else row for row in text.splitlines()]
    path = write_study("\n".join(rows) + (f"\n{line}: {new}\n" if line == "parameters" else "\n"))
    with pytest.raises(StudyError, match=message) as caught:
        load_space(path)
    assert "study.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("constraints: ['arch.core.rowz > 3']\n", "did you mean 'rows'"),
        ("constraints: ['rows > 3']\n", "arch.FIELD"),
        ("constraints: ['1 +']\n", "line 11"),
        ("linked: {arch.core.columnz: 3}\n", "did you mean 'columns'"),
        ("linked: {unused: 3}\n", "variable that a formula"),
        ("objectivs: {}\n", "did you mean 'objectives'"),
        ("search: {sampler: nsga3, trials: 3}\n", "nsga2"),
        ("plots: [{title: a, kind: lines, x: inferences, y: makespan}]\n", "makespan_ns"),
        (
            "findings: [{question: a, column: makespan_ns, goal: minimize, knob: inferences}]\n",
            "knob and within together",
        ),
    ],
)
def test_a_wrong_line_names_what_is_allowed(write_study, extra, message):
    with pytest.raises(StudyError, match=message):
        load_space(write_study(extra=extra))


def test_a_misspelt_field_is_found_before_anything_runs(write_study):
    path = write_study()
    path.write_text(path.read_text(encoding="utf-8").replace("ldpu.lanes", "ldpu.lane"), encoding="utf-8")
    with pytest.raises(StudyError, match=r"line 7.*arch.core.ldpu.lane(.|\n)*did you mean 'lanes'"):
        load_space(path)


def test_a_range_needs_steps_only_without_a_search():
    fields = {"parameters": {"inferences": {"range": {"start": 1, "stop": 9}}}}
    with pytest.raises(StudyError, match="step"):
        space_from({**BASE, **fields})
    space_from({**BASE, **fields, "search": {"sampler": "random", "trials": 1}})


def test_an_absurd_grid_is_refused_at_once():
    with pytest.raises(StudyError, match="at most"):
        points(parameters={"inferences": {"range": {"start": 1, "stop": 10**9, "step": 1}}})


def test_settings_may_give_a_study_another_base(write_study):
    space = load_space(write_study(), {"workload": "kernel_ridge_digits"})
    assert {task.point.workload for task in space.grid()} == {"kernel_ridge_digits"}


def test_an_unknown_setting_lists_all_that_can_be_set(write_study):
    with pytest.raises(HermesSimError, match="no field 'bla'") as found:
        load_space(write_study(), {"bla": 1})
    allowed = found.value.allowed.split(", ")
    assert {"arch", "workload", "core", "matrices"} <= set(allowed)
    with pytest.raises(HermesSimError, match="did you mean 'workload'"):
        load_space(write_study(), {"worload": "peak_mvm"})


def test_a_base_that_the_study_varies_cannot_be_set(write_study):
    study = write_study(SMALL.replace("inferences: [1, 2]", "workload: [peak_mvm, kernel_ridge_digits]"))
    with pytest.raises(StudyError, match="a parameter of the study"):
        load_space(study, {"workload": "peak_mvm"})
    with pytest.raises(StudyError, match="no_such"):
        load_space(write_study(), {"arch": "no_such"})
