"""What a release holds: built from this tree, opened, and installed where nothing else is on the path."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from hermes_sim._version import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="the wheel is built with hatchling (extra dev)")
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def names(wheel):
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_all_that_the_package_reads(names):
    shipped = {
        f"hermes_sim/_shipped/{path.relative_to(ROOT).as_posix()}"
        for folder in ("arch_configs", "workloads")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    inside = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hermes_sim").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped | inside <= names
    for name in (
        "hermes_sim/_shipped/arch_configs/hermes_64.yaml",
        "hermes_sim/_shipped/workloads/weights/resnet9_cifar10.npz",
        "hermes_sim/kit/assets/page.css",
        "hermes_sim/kit/assets/page.js",
        "hermes_sim/numerics/attention_vectors.npz",
        "hermes_sim/validation/reference_data/chip_measurements.csv",
        "hermes_sim/validation/reference_data/LICENSE-Apache-2.0.txt",
        "hermes_sim/py.typed",
    ):
        assert name in names


def test_the_wheel_holds_nothing_else(names):
    info = f"hermes_sim-{__version__}.dist-info/"
    assert {name for name in names if not name.startswith(("hermes_sim/", info))} == set()
    elsewhere = r"(^|/)(tests|reports|benchmarks|tools|docs|notes)/|\.pyc$"
    assert {name for name in names if re.search(elsewhere, name)} == set()
    assert {f"{info}licenses/LICENSE", f"{info}licenses/NOTICE.md"} <= names


@pytest.mark.slow
def test_the_installed_wheel_runs_where_nothing_else_of_the_project_is(wheel, tmp_path):
    """Into a folder of its own, since the dependencies are here; the console script of the wheel is what runs."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"}
    script = site / "bin/hermes-sim"

    def ask(*words):
        line = [sys.executable, str(script), *words]
        return subprocess.run(line, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    code = [sys.executable, "-c", "import hermes_sim; print(hermes_sim.__file__)"]
    home = subprocess.run(code, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout
    assert Path(home.strip()).is_relative_to(tmp_path)
    assert "hermes_64" in ask("list")
    assert "mlp_digits on hermes_64" in ask("run", "hermes_64", "mlp_digits", "--draws", "1", "--uncertainty", "0")


def test_version_and_licence_are_said_once_and_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert str(citation["version"]) == __version__
    assert citation["license"] == project["license"]["text"] == "MIT"
    assert citation["authors"] == [{"name": "The hermes_sim developers"}]


def test_the_notice_names_files_that_exist():
    notice = (ROOT / "NOTICE.md").read_text()
    for pattern in re.findall(r"^\| `([^`]+)`", notice, re.MULTILINE):
        assert list(ROOT.glob(pattern.rstrip("/"))), pattern
    for path in (ROOT / "workloads/weights").glob("*.npz"):
        assert path.with_suffix(".json").is_file(), path.name


def test_the_lock_file_covers_what_is_asked_for_and_names_no_host():
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host", lock)
    locked = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {re.split(r"[<>=\[]", name)[0].lower().replace(".", "-") for name in asked} <= locked
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".gitlab-ci.yml"])
def test_the_forges_run_the_one_script(name):
    flow = YAML(typ="safe").load(ROOT / name)
    (job,) = (job for job in flow.get("jobs", flow).values() if isinstance(job, dict))
    runs = job.get("script") or [step["run"] for step in job["steps"] if "run" in step]
    assert runs == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
