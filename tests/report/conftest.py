"""Results to report, made once."""

from __future__ import annotations

from dataclasses import replace

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
            },
            "tornado": [
                {
                    "path": "off_chip.latency",
                    "quantity": "latency_ns",
                    "low": 0.8 * latency_ns,
                    "high": 1.5 * latency_ns,
                    "elasticity": 0.4,
                }
            ],
        },
        "ratio_factors": [
            {
                "baseline": "a100 int8, batch 1, realistic",
                "quantity": "energy_ratio",
                "ratio": 6.0,
                "factors": {"utilisation": 3.0, "static power": 2.0},
            }
        ],
    }
    return replace(small, document={**small.document, **extra})
