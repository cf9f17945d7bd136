"""Accuracy in page and Markdown: with its kernel error and settings, or with the reason why there is none."""

from dataclasses import replace

from hermes_sim.report.markdown import markdown_report
from hermes_sim.report.page import report_page

FULL = {
    "metric": "accuracy",
    "higher_is_better": True,
    "simulated": 0.95,
    "digital_fp32": 0.96,
    "drop_pp": 1.0,
    "seeds": 2,
    "n_test": 360,
    "std": 0.01,
    "simulated_values": [0.94, 0.96],
    "digital_values": [0.955, 0.965],
    "kernel_error": 0.41,
    "digital_kernel_error": 0.02,
    "constant_kernel_error": 0.33,
    "kernel_errors": [0.40, 0.42],
    "settings": {"dataset": "digits", "gamma": 0.005, "read_mode": "four_phase", "range_batch": 4},
}
ERROR = {
    **FULL,
    "metric": "attention_relative_error",
    "higher_is_better": False,
    "drop_pp": None,
    "kernel_error": None,
    "kernel_errors": [],
}


def both(source, read_page, **entries):
    """Texts of page and Markdown, without the escapes of the latter."""
    told = replace(source, document={**source.document, **entries})
    return read_page(report_page(told)).text, markdown_report(told).replace("\\", "")


def test_the_kernel_error_stands_beside_the_accuracy(small, read_page):
    for text in both(small, read_page, accuracy=FULL, accuracy_missing=None):
        assert "FP32 gives 0.0200, the best constant kernel 0.3300: the chip's kernel is worse than that" in text
        assert "drop +1.00 points" in text
        assert "one input range per 4 vectors, digits, gamma 0.005" in text
        assert "four_phase" in text


def test_an_error_has_no_drop(small, read_page):
    for text in both(small, read_page, accuracy=ERROR, accuracy_missing=None):
        assert "FP32 gives 0.9600, -0.0100, lower is better" in text
        assert "drop" not in text.partition("lower is better")[0][-200:]
        assert "Kernel error" not in text


def test_without_accuracy_the_reason_is_told(small, read_page):
    reason = "the readout runs on crossbars, and only a digital readout is simulated on data"
    for text in both(small, read_page, accuracy=None, accuracy_missing=reason):
        assert reason in text
    page, _ = both(small, read_page, accuracy=None, accuracy_missing=reason)
    assert f"This result has no accuracy: {reason}." in page
