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


ACCURACY = {
    "metric": "accuracy",
    "higher_is_better": True,
    "simulated": 0.95,
    "digital_fp32": 0.96,
    "drop_pp": 1.0,
    "draws": 2,
    "seeds": 2,
    "n_test": 360,
    "std": 0.01,
    "paired_se_pp": 0.5,
    "per_draw": [
        {"seed": 0, "simulated": 0.94, "digital_fp32": 0.955},
        {"seed": 1, "simulated": 0.96, "digital_fp32": 0.965},
    ],
    "simulated_values": [0.94, 0.96],
    "digital_values": [0.955, 0.965],
    "kernel_error": 0.025,
    "digital_kernel_error": 0.02,
    "constant_kernel_error": 0.33,
    "kernel_errors": [0.02, 0.03],
    "digital_kernel_errors": [0.02, 0.02],
    "read_mode": "four_phase",
    "effects": "all",
    "settings": {"dataset": "digits", "gamma": 0.005, "read_mode": "four_phase", "range_batch": 4},
}
UNCERTAINTY = {
    "samples": 64,
    "failed": 0,
    "seed": 0,
    "distribution": "Latin hypercube",
    "quantities": {},
    "tornado": [],
    "by_kind": {},
    "assumptions": [],
    "kept": [],
}


@pytest.fixture(scope="session")
def tell():
    """A result that tells something else in some entries; of accuracy and uncertainty what differs is enough."""

    def told(result, **entries):
        for name, usual in (("accuracy", ACCURACY), ("uncertainty", UNCERTAINTY)):
            if entries.get(name) is not None:
                entries[name] = {**usual, **entries[name]}
        return replace(result, metrics=result.metrics.with_entries(**entries))

    return told


def interval(value, low, high):
    return {"value": value, "low": low, "high": high, "median": value, "p25": value, "p75": value}


@pytest.fixture(scope="session")
def rich(small, tell):
    """The same as `small` with everything that a document may carry."""
    energy_pj = small.document["energy_pj"]["per_inference"]
    latency_ns = small.document["latency_ns"]
    extra = {
        "accuracy": {},
        "uncertainty": {
            "quantities": {
                "latency_ns": interval(latency_ns, 0.5 * latency_ns, 2 * latency_ns),
                "energy_pj.per_inference": interval(energy_pj, 0.4 * energy_pj, 3 * energy_pj),
                "a100 int8, batch 1.energy_ratio.optimistic": interval(0.2, 0.1, 1.5),
            },
            "tornado": [
                {
                    "path": "off_chip.latency",
                    "quantity": "latency_ns",
                    "low": 0.8 * latency_ns,
                    "high": 1.5 * latency_ns,
                    "elasticity": 0.4,
                    "swing": 0.7 * latency_ns,
                    "at_low": 100000.0,
                    "at_high": 2000000.0,
                    "unit": "ps",
                    "kind": "assumed",
                },
                {
                    "path": "a100: realistic.launch",
                    "quantity": "a100 int8, batch 1.energy_ratio.realistic",
                    "low": 5.0,
                    "high": 9.0,
                    "elasticity": None,
                    "swing": 4.0,
                    "at_low": 1000.0,
                    "at_high": 9000.0,
                    "unit": "ps",
                    "kind": "literature",
                },
            ],
        },
        "ratio_factors": [
            {
                "baseline": "a100 int8, batch 1, realistic",
                "name": "a100",
                "precision": "int8",
                "batch": 1,
                "timing": "response",
                "case": "realistic",
                "quantity": "energy_ratio",
                "ratio": 6.0,
                "factors": {"peak": 12.0, "utilisation": 0.25, "static power": 2.0},
                "chip_pj": {"peak": 1.0, "utilisation": 4.0, "static power": 8.0},
                "baseline_pj": {"peak": 12.0, "utilisation": 12.0, "static power": 48.0},
            }
        ],
    }
    return tell(small, **extra)


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
