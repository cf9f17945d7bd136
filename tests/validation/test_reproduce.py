"""Published figures made again: rows, plots, and reasons for what is left out."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from hermes_sim.errors import OutputError, WorkloadError
from hermes_sim.validation.reproduce import counts_of, figures, reproduce, write_reproduction
from hermes_sim.validation.reproduce_base import Sources


def test_figures_of_the_chip_are_within_tolerance():
    outcomes = reproduce(["peak", "a100_at_peak"], Sources())
    assert len(outcomes["a100_at_peak"].rows) == 2
    assert counts_of(outcomes)["failed"] == 0
    for outcome in outcomes.values():
        assert ET.fromstring(outcome.svg).tag.endswith("svg")  # noqa: S314 - our own text


def test_figures_without_their_data_say_what_they_need(tmp_path):
    sources = Sources()
    outcomes = reproduce(["kernel_error_cod-rna", "kernel_error_ijcnn1"], sources)
    assert counts_of(outcomes)["skipped"] == 2
    assert "hermes-sim data get ijcnn1" in outcomes["kernel_error_ijcnn1"].skipped
    write_reproduction(outcomes, tmp_path / "out", sources)
    assert "Left out" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_later_run_keeps_the_figures_of_an_earlier_one(tmp_path):
    sources = Sources()
    for name in ("peak", "a100_at_peak", "kernel_error_ijcnn1"):
        write_reproduction(reproduce([name], sources), tmp_path / "out", sources)
    document = json.loads((tmp_path / "out" / "reproduction.json").read_text(encoding="utf-8"))
    assert list(document["figures"]) == ["peak", "a100_at_peak", "kernel_error_ijcnn1"]
    assert set(pd.read_csv(tmp_path / "out" / "rows.csv")["figure"]) == {"peak", "a100_at_peak"}
    assert (tmp_path / "out" / "peak.svg").is_file()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="something else"):
        write_reproduction({}, tmp_path, Sources())


def test_unknown_names_are_refused():
    with pytest.raises(WorkloadError, match="did you mean 'peak'"):
        reproduce(["peek"], Sources())


def test_every_figure_has_a_name_of_its_own():
    names = [figure.name for figure in figures(Sources())]
    assert len(set(names)) == len(names)


@pytest.mark.slow
@pytest.mark.silicon
def test_attention_error_and_kernel_error_run_on_the_published_table(shared):
    sources = Sources(data_dir=shared / "data", seeds=1)
    outcomes = reproduce(["attention_error", "kernel_error_letter"], sources)
    assert len(outcomes["attention_error"].rows) == 14
    assert len(outcomes["kernel_error_letter"].rows) == 6
