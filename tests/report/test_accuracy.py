"""Accuracy in page and Markdown: with its kernel error and settings, or with the reason why there is none."""

import pytest

from hermes_sim.report.inputs import remake_command
from hermes_sim.report.markdown import markdown_report
from hermes_sim.report.page import report_page

FULL = {"kernel_error": 0.41, "kernel_errors": [0.40, 0.42]}
ERROR = {
    "metric": "attention_relative_error",
    "higher_is_better": False,
    "drop_pp": None,
    "paired_se_pp": None,
    "kernel_error": None,
    "kernel_errors": [],
}


@pytest.fixture
def both(small, read_page, tell):
    """Texts of page and Markdown of a result with some entries, without the escapes of the latter."""

    def texts(**entries):
        told = tell(small, **entries)
        return read_page(report_page(told)).text, markdown_report(told).replace("\\", "")

    return texts


def test_the_kernel_error_stands_beside_the_accuracy(both):
    for text in both(accuracy=FULL, accuracy_missing=None):
        assert "FP32 gives 0.0200, the best constant kernel 0.3300: the chip's kernel is worse than that" in text
        assert "drop +1.00 points" in text
        assert "one input range per 4 vectors, data digits, gamma 0.005" in text
        assert "four_phase" in text


def test_a_single_draw_has_no_deviation(both):
    for text in both(accuracy=FULL | {"seeds": 1, "std": None}, accuracy_missing=None):
        assert "1 seed; FP32 gives 0.9600, drop +1.00 points" in text
        assert "|K - K'| / |K|, 1 seed; FP32 gives" in text
        assert "deviation" not in text.partition("1 seed; FP32")[0][-100:]
    for text in both(accuracy=FULL, accuracy_missing=None):
        assert "mean ± 0.0100 (standard deviation) of 2 seeds; FP32" in text
        assert "|K - K'| / |K|, mean of 2 seeds; FP32 gives" in text


def test_an_error_has_no_drop(both):
    for text in both(accuracy=ERROR, accuracy_missing=None):
        assert "FP32 gives 0.9600, -0.0100, lower is better" in text
        assert "drop" not in text.partition("lower is better")[0][-200:]
        assert "Kernel error" not in text


def test_without_accuracy_the_reason_is_told(both):
    reason = "the readout runs on crossbars, and only a digital readout is simulated on data"
    for text in both(accuracy=None, accuracy_missing=reason):
        assert reason in text
    page, _ = both(accuracy=None, accuracy_missing=reason)
    assert f"This result has no accuracy: {reason}." in page


@pytest.mark.parametrize(
    ("effects", "option", "words"),
    [
        ("none", "--effects none", "no imperfection (--effects)"),
        (
            ["programming", "adc_noise"],
            "--effects programming,adc_noise",
            "imperfections programming and adc_noise alone",
        ),
    ],
)
def test_effects_that_were_off_are_told_and_made_again(both, small, tell, effects, option, words):
    for text in both(accuracy={"effects": effects}, accuracy_missing=None):
        assert words in text
        assert option in text
    assert "--effects" not in remake_command(tell(small, accuracy={}, accuracy_missing=None))
