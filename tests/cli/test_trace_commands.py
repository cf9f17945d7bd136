"""`hermes-sim trace` and `hermes-sim load`: files, JSON, and clear refusals."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from hermes_sim.cli.trace_commands import load, trace
from hermes_sim.errors import HermesSimError

app = typer.Typer()
app.command()(trace)
app.command()(load)
CASE = ("hermes_64_hetero", "kernel_ridge_digits")


def call(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("suffix", [".json", ".pftrace", ".parquet", ".svg"])
@pytest.mark.parametrize("window", [(), ("--window-ns", "0:1000")])
def test_every_format(tmp_path, suffix, window):
    out = tmp_path / f"t{suffix}"
    document = json.loads(call("trace", *CASE, "--out", out, "--json", *window).stdout)
    assert document["bytes"] == out.stat().st_size > 100
    assert document["firings_written"] == document["firings"] or window
    assert document["makespan_ns"] > 0


def test_text_names_the_file(tmp_path):
    out = tmp_path / "t.svg"
    assert str(out) in call("trace", *CASE, "--out", out).stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "t.txt"), r"got +\.txt\n  allowed +\.json, \.pftrace, \.parquet, \.svg"),
        (("--out", "t.jsn"), "did you mean '.json'"),
        (("--out", "t.svg", "--window-ns", "5"), "BEGIN:END in ns"),
        (("--out", "t.svg", "--window-ns", "5:4"), "BEGIN:END in ns"),
        (("--out", "t.svg", "--window-ns", "a:b"), "BEGIN:END in ns"),
        (("--out", "t.svg", "--window-ns", "0:inf"), "BEGIN:END in ns"),
    ],
)
def test_bad_options(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HermesSimError, match=message):
        call("trace", *CASE, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_load_curve(tmp_path):
    for suffix in (".csv", ".html", ".svg"):
        out = tmp_path / f"knee{suffix}"
        document = json.loads(call("load", *CASE, "--requests", "60", "--out", out, "--json").stdout)
        assert out.stat().st_size > 100
    assert document["knee_per_s"] <= 1.05 * document["capacity_per_s"]
    assert len(document["points"]) == 13
    assert "p99" in call("load", *CASE, "--requests", "30").stdout


def test_recorded_arrivals(tmp_path):
    path = tmp_path / "arrivals.txt"
    path.write_text("release_us\n" + "\n".join(str(10 * k) for k in range(50)))
    document = json.loads(call("load", *CASE, "--arrivals", path, "--json").stdout)
    (point,) = document["points"]
    assert point["offered_per_s"] == pytest.approx(1e5)
    assert point["completed_per_s"] == pytest.approx(1e5, rel=0.01)
    path.write_text("release_us\n1\n")
    with pytest.raises(HermesSimError, match="at least 2"):
        call("load", *CASE, "--arrivals", path)


def test_bad_output_of_load(tmp_path):
    with pytest.raises(HermesSimError, match=r"\.html, \.svg, \.csv"):
        call("load", *CASE, "--out", tmp_path / "x.png")
