"""Results to report, made once, and a reader of pages."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hermes_sim.api import simulate


@pytest.fixture(scope="session")
def small():
    """Kernel ridge on the published chip: a host does the digital part."""
    return simulate(
        "hermes_64", "kernel_ridge_digits", inferences=20, accuracy=False, baselines=("a100", "systolic_same_area")
    )


@pytest.fixture(scope="session")
def large():
    """The largest shipped workload, on the chip with digital units."""
    return simulate("hermes_64_hetero", "performer_imdb_full", mapping="spread", inferences=2, accuracy=False)


@pytest.fixture(scope="session")
def rich(small):
    """The same as `small` with everything that a document may carry."""
    energy_pj = small.document["energy_pj"]["per_inference"]
    latency_ns = small.document["latency_ns"]
    extra = {
        "accuracy": {
            "metric": "accuracy",
            "simulated": 0.95,
            "digital_fp32": 0.96,
            "drop_pp": 1.0,
            "seeds": 2,
            "n_test": 360,
            "std": 0.01,
            "simulated_values": [0.94, 0.96],
            "digital_values": [0.955, 0.965],
            "kernel_errors": [0.02, 0.03],
        },
        "uncertainty": {
            "samples": 64,
            "quantities": {
                "latency_ns": {"value": latency_ns, "low": 0.5 * latency_ns, "high": 2 * latency_ns},
                "energy_pj.per_inference": {"value": energy_pj, "low": 0.4 * energy_pj, "high": 3 * energy_pj},
                "a100 int8, batch 1.energy_ratio.optimistic": {"value": 0.2, "low": 0.1, "high": 1.5},
            },
            "tornado": [
                {
                    "path": "off_chip.latency",
                    "quantity": "latency_ns",
                    "low": 0.8 * latency_ns,
                    "high": 1.5 * latency_ns,
                    "elasticity": 0.4,
                    "at_low": 100000.0,
                    "at_high": 2000000.0,
                    "unit": "ps",
                },
                {
                    "path": "a100: realistic.launch",
                    "quantity": "a100 int8, batch 1.energy_ratio.realistic",
                    "low": 5.0,
                    "high": 9.0,
                    "elasticity": None,
                },
            ],
        },
        "ratio_factors": [
            {
                "baseline": "a100 int8, batch 1, realistic",
                "quantity": "energy_ratio",
                "ratio": 6.0,
                "factors": {"peak": 12.0, "utilisation": 0.25, "static power": 2.0},
                "chip_pj": {"peak": 1.0, "utilisation": 4.0, "static power": 8.0},
                "baseline_pj": {"peak": 12.0, "utilisation": 12.0, "static power": 48.0},
            }
        ],
    }
    return replace(small, document={**small.document, **extra})


_VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Elements, texts and plots of a page; an unclosed or misplaced end tag is an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.sources, self.plots, self.texts = [], [], [], [], {}, []
        self._plot = None
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found[key] for key in ("src", "srcset", "data") if key in found]
        if "data-plot" in found:
            self._plot = found["data-plot"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            if self._plot:
                self.plots[self._plot] = json.loads(data)
            self._plot = None
        elif self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="session")
def read_page():
    """Parser of a page's text."""
    return Page
