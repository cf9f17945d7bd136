"""`hermes-sim` as a user meets it: output, exit codes, messages, files; nothing half-written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from .conftest import hermes_sim

RUN = [sys.executable, "-c", "from hermes_sim.cli import main; main()"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """One run with --json and --out; several tests look at it."""
    out = tmp_path_factory.mktemp("run") / "report"
    done = hermes_sim("run", "hermes_64", "kernel_ridge_digits", "--inferences", 20, "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out


def test_json_is_the_result_contract_and_nothing_else(digits):
    document, _ = digits
    assert set(document) >= {
        "schema_version", "hermes_sim_version", "inputs", "latency_ns", "makespan_ns", "throughput_inferences_per_s",
        "energy_pj", "power_w", "ops", "tops", "tops_per_w", "lower_bound_ns", "bottleneck", "firings", "events_per_s",
        "wall_time_s", "accuracy", "baselines", "provenance",
    }  # fmt: skip
    assert set(document["inputs"]) == {"arch", "workload", "mapping", "engine", "seed", "inferences", "sha256"}
    assert set(document["energy_pj"]) == {
        "total", "per_inference", "on_chip_per_inference", "by_place", "by_component", "by_operator",
        "static", "dynamic",
    }  # fmt: skip
    assert set(document["bottleneck"]) == {"resource", "utilization"}
    assert set(document["accuracy"]) >= {"metric", "simulated", "digital_fp32", "drop_pp", "seeds", "n_test", "std"}
    assert document["accuracy"]["seeds"] >= 5
    for row in document["baselines"]:
        assert set(row) >= {"name", "precision", "optimistic", "realistic", "energy_ratio", "latency_ratio"}
    assert {row["precision"] for row in document["baselines"]} >= {"int8", "fp16", "fp32"}


def test_totals_are_the_sum_of_their_breakdown(digits):
    energy = digits[0]["energy_pj"]
    for breakdown in (energy["by_component"], energy["by_operator"], energy["by_place"]):
        assert sum(breakdown.values()) == pytest.approx(energy["total"], rel=1e-12)
    assert energy["static"] + energy["dynamic"] == pytest.approx(energy["total"], rel=1e-12)
    for shares in digits[0]["provenance"].values():
        assert sum(shares.values()) == pytest.approx(1)


def test_report_folder_holds_the_same_document(digits):
    document, out = digits
    assert json.loads((out / "metrics.json").read_text()) == document
    assert (out / "report.html").stat().st_size > 1000


def test_the_inputs_in_the_report_make_the_same_result(digits):
    document, out = digits
    again = hermes_sim(
        "run", out / "inputs/arch.yaml", out / "inputs/workload.yaml", "--inferences", 20, "--no-accuracy", "--json"
    )
    repeated = json.loads(again.stdout)
    assert repeated["inputs"]["sha256"] == document["inputs"]["sha256"]
    assert repeated["makespan_ns"] == document["makespan_ns"]
    assert repeated["energy_pj"] == document["energy_pj"]


def test_both_engines_give_the_same_document():
    timed = {"engine", "events_per_s", "wall_time_s", "inputs"}
    documents = [
        json.loads(
            hermes_sim(
                "run", "hermes_64_hetero", "kernel_ridge_digits", "--engine", engine, "--inferences", 9,
                "--no-accuracy", "--json",
            ).stdout
        )
        for engine in ("compiled", "simpy")
    ]  # fmt: skip
    one, other = ({key: value for key, value in d.items() if key not in timed} for d in documents)
    assert one == other


def test_tables_name_the_bottleneck_and_the_report():
    done = hermes_sim("run", "hermes_64", "kernel_ridge_digits", "--inferences", 10, "--no-accuracy")
    assert done.returncode == 0
    for text in ("latency of one inference", "bottleneck", "% busy", "a100 int8", "Energy per inference"):
        assert text in done.stdout


def test_the_first_table_has_medians_the_energy_of_the_chip_and_the_bound_of_the_mapping():
    done = hermes_sim("run", "hermes_64", "kernel_ridge_digits", "--inferences", 100, "--no-accuracy")
    first, _, rest = done.stdout.partition("Digital accelerators")
    lines = [line for line in first.splitlines() if "energy per inference, on the chip" in line]
    assert re.fullmatch(r" *energy per inference, on the chip +[\d.]+ nJ +[\d.]+ nJ +[\d.]+ to [\d.]+ nJ *", lines[0])
    assert "no schedule with this mapping beats" in first
    assert "32 draws of assumed and fitted values" in " ".join(first.split())
    assert "latency rests on" not in done.stdout
    assert "moved by" not in first  # nothing was moved one at a time
    assert re.search(r"energy rests on values +derived \d+%, literature \d+%, assumed \d+%", first)
    assert first.index("= on the chip") < first.index("= in the host") < first.index("crossbar converters")
    assert "a100 int8, batch 1 " in rest
    assert "optimistic" not in rest.partition("more rows")[0]
    assert "15 more rows (optimistic case, bf16) are in --json" in rest


def test_without_draws_the_first_table_has_values_only_and_says_so():
    done = hermes_sim(
        "run", "hermes_64", "kernel_ridge_digits", "--inferences", 100, "--no-accuracy", "--uncertainty", 0
    )
    assert "median" not in done.stdout
    assert "Values of the files alone: --uncertainty 32" in done.stdout


def test_a_large_program_says_why_it_has_no_intervals(tmp_path):
    asked = ("run", "hermes_64_hetero", "kernel_ridge_digits", "--mapping", "balanced", "--no-accuracy")
    done = hermes_sim(*asked, "--inferences", 8000, "--out", tmp_path / "report")
    said = " ".join(done.stdout.split())
    why = re.search(r"Values of the files alone \((.*?)\): --uncertainty 32", said)[1]
    assert "up to 50 actors and 100,000 firings" in why
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["uncertainty_missing"] == why
    assert f"{metrics['firings']:,}" in why
    assert why in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_intervals_without_being_asked_say_that_the_accuracy_has_none():
    small = ("run", "hermes_64", "kernel_ridge_digits", "--inferences", 2, "--draws", 1)
    assert "also gives those of the accuracy and of ratios" in " ".join(hermes_sim(*small).stdout.split())


def test_draws_that_were_asked_for_say_what_moves_times():
    done = hermes_sim(
        "run", "hermes_64", "kernel_ridge_digits", "--inferences", 10, "--no-accuracy", "--uncertainty", 2
    )
    assert re.search(r"latency is moved by values +(\w+ \d+%(, )?)+", done.stdout)
    assert re.search(r"throughput is moved by values +(\w+ \d+%(, )?)+", done.stdout)
    ratios = done.stdout.partition("Ratios, 5 to 95 %")[2].partition("What moves")[0]
    assert "a100 int8, batch 1 response, optimistic" in ratios
    assert "1/" not in ratios


BAD = [
    (("run", "hermes_46", "kernel_ridge_digits"), "did you mean 'hermes_64'"),
    (("run", "hermes_64", "kernel_ridge_digit"), "did you mean 'kernel_ridge_digits'"),
    (("run", "hermes_64", "kernel_ridge_digits", "--mapping", "pakced"), "did you mean 'packed'"),
    (("run", "hermes_64", "kernel_ridge_digits", "--engine", "compield"), "did you mean 'compiled'"),
    (("run", "hermes_64", "kernel_ridge_digits", "--baseline", "a1000"), "did you mean 'a100'"),
    (("run", "hermes_64", "kernel_ridge_digits", "--inferences", "0"), "a whole number from 1"),
    (("run", "hermes_64", "peak_mvm", "--accuracy"), "simulated in time and energy only, not on data"),
    (("run", "hermes_64", "kernel_ridge_digits", "--set", "core.rowz=5"), "did you mean 'rows'"),
    (("run", "hermes_64", "kernel_ridge_digits", "--set", "core.rows"), "FIELD=VALUE"),
    (("run", "hermes_64", "kernel_ridge_digits", "--set", "clock=133 nJ"), "a frequency"),
    (("run", "hermes_64", "kernel_ridge_digits", "--trace"), "together with --out"),
    (("validate", "chip", "--arch", "nowhere.yaml"), "no such file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(case[0]) for case in BAD])
def test_bad_input_is_one_clear_message_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = hermes_sim(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_existing_output_folder_is_refused_before_the_work_and_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    for force in ((), ("--force",)):  # --force replaces earlier reports only
        done = hermes_sim("run", "hermes_64", "kernel_ridge_digits", "--out", tmp_path / "mine", *force)
        assert done.returncode == 2
        assert "a folder that exists" in done.stderr
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"


def test_output_folder_that_cannot_be_written_is_refused(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = hermes_sim("run", "hermes_64", "kernel_ridge_digits", "--no-accuracy", "--out", blocked / "report")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr or "can be written" in done.stderr


def test_workload_larger_than_the_chip_says_demand_capacity_gap_and_what_would_help(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text(
        "schema_version: 1\nname: big\ndescription: too big\nsource: test\nkind: matmul_list\n"
        "matrices:\n  - {name: w, rows: 256, columns: 256, vectors: 1, copies: 70}\ninferences: 1\n"
    )
    done = hermes_sim("run", "hermes_64", path)
    assert done.returncode == 2
    for text in ("demand 70 cores", "capacity 64 cores", "gap 6 cores", "raise cores.clusters"):
        assert text in done.stderr


def test_ctrl_c_stops_with_130_and_leaves_nothing(tmp_path):
    out = tmp_path / "report"
    command = [
        "run",
        "hermes_64",
        "performer_imdb_attention",
        "--engine",
        "simpy",
        "--inferences",
        "40",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        [*RUN, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(6)
    assert process.poll() is None, "the run is meant to take longer than this"
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


def test_list_and_version():
    shipped = json.loads(hermes_sim("list", "--json").stdout)
    assert {"hermes_64", "hermes_64_hetero"} <= set(shipped["chips"])
    assert "kernel_ridge_digits" in shipped["workloads"]
    assert hermes_sim("--version").stdout.strip()


def test_validate_chip_passes_and_says_what_each_row_proves():
    done = hermes_sim("validate", "chip", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["peak rate, one-phase (TOPS)"]["simulated"] == pytest.approx(63.1, rel=0.01)
    assert rows["peak efficiency, four-phase (TOPS/W)"]["simulated"] == pytest.approx(2.48, rel=0.01)
    assert rows["energy advantage over the A100 at peak INT8, one-phase"]["simulated"] == pytest.approx(6.26, rel=0.01)
    assert document["summary"]["failed"] == 0
    assert rows["peak rate per core area, one-phase (TOPS/mm2)"]["kind"] == "identity"
    assert rows["one LSTM time step, four-phase (uJ)"]["kind"] == "fitted"
    assert all(row["fitted"] == (row["kind"] == "fitted") for row in rows.values())
    kinds = [row["kind"] for row in rows.values()]
    for kind in ("identity", "fitted", "predicted"):
        assert document["summary"][kind] == kinds.count(kind)


def test_validate_fails_with_exit_code_1_for_a_chip_that_is_not_the_published_one(tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text(
        "extends: hermes_64\nname: slow\ncore:\n  read:\n"
        "    time: {value: 71, unit: ns, kind: assumed, source: test, range: [4, 100]}\n"
    )
    done = hermes_sim("validate", "chip", "--arch", path)
    assert done.returncode == 1
    assert "FAILED" in done.stdout
