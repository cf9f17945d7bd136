"""`validate device`: means and deviations of simulated cells beside the published device model's.

The config holds the polynomials of that model, so every row is an identity: a check of the sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hermes_sim.errors import DataError
from hermes_sim.rng import generator
from hermes_sim.validation.rows import RowKind, count_kinds, kind_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.device.pcm import DeviceSpec
    from hermes_sim.device.spec import F64

# Largest deviation in standard errors; 250 rows of two figures each stay within it by chance in 99 runs of 100.
MAX_Z = 4.3
# Samples behind each published figure: the table does not say; its scatter about exact means fits 20,000.
TABLE_SAMPLES = 20_000
_COLUMNS = ("num_devices", "g_target_uS", "quantity", "t_inference_s", "mean", "std")
_QUANTITIES = ("g_programmed", "nu", "g_drifted")


@dataclass(frozen=True)
class DeviceRow:
    """One figure of the table: mean or deviation of one quantity at one target."""

    name: str
    expected: float
    simulated: float
    standard_error: float

    @property
    def z(self) -> float:
        """Difference in standard errors."""
        return (self.simulated - self.expected) / self.standard_error

    @property
    def passed(self) -> bool:
        """Whether the figures differ by no more than chance allows."""
        return abs(self.z) <= MAX_Z

    def record(self) -> dict[str, Any]:
        """Plain row."""
        return {
            "name": self.name,
            "expected": self.expected,
            "simulated": self.simulated,
            "deviation": self.simulated / self.expected - 1 if self.expected else None,
            "tolerance": MAX_Z * self.standard_error / abs(self.expected) if self.expected else None,
            **kind_record(RowKind.IDENTITY),
            "z": self.z,
            "pass": self.passed,
        }


def validate_device(
    devices: Mapping[int, DeviceSpec], path: str | Path, *, n_samples: int = 100_000, seed: int = 0
) -> list[DeviceRow]:
    """Compare with a table in the format of ``hermes_device_statistics.csv``.

    Parameters
    ----------
    devices : device model by number of devices per polarity; rows of other numbers are refused

    Raises    DataError  for a table that cannot be used
    """
    table = _read(Path(path))
    rows: list[DeviceRow] = []
    for key, group in table.groupby(["num_devices", "g_target_uS"], sort=True):
        n_devices, target_uS = int(str(key[0])), float(str(key[1]))
        spec = devices.get(n_devices)
        if spec is None:
            raise DataError(f"{path}: num_devices", got=n_devices, allowed=", ".join(map(str, sorted(devices))))
        rng = generator(seed, "device statistics", n_devices, f"{target_uS:.6f}")
        target = np.full(n_samples, target_uS)
        programmed, nu = spec.program(target, rng), spec.draw_drift(target, rng)
        for record in group.to_dict("records"):
            sample = _sample(str(record["quantity"]), spec, target, programmed, nu, record["t_inference_s"], rng)
            name = f"{n_devices} device, {target_uS:.4g} uS, {record['quantity']}"
            if record["quantity"] == "g_drifted":
                name += f" after {record['t_inference_s']:g} s"
            rows += _compare(name, sample, float(record["mean"]), float(record["std"]))
    return rows


def _sample(
    quantity: str,
    spec: DeviceSpec,
    target: F64,
    programmed: F64,
    nu: F64,
    t_s: float,
    rng: np.random.Generator,
) -> F64:
    if quantity == "g_programmed":
        return programmed
    if quantity == "nu":
        return nu
    drifted = spec.drift(programmed, nu, t_s=t_s)
    noise = spec.read_noise_sd(programmed, drifted, t_s=t_s) * rng.standard_normal(target.shape)
    return drifted + noise


def _compare(name: str, sample: F64, mean: float, std: float) -> list[DeviceRow]:
    n = len(sample)
    sd = float(sample.std(ddof=1))
    centred = sample - sample.mean()
    kurtosis = float((centred**4).mean() / (centred**2).mean() ** 2) if sd > 0 else 3.0
    mean_error = sd * np.sqrt(1 / n + 1 / TABLE_SAMPLES)
    # variance of a sample deviation is (kurtosis - 1) / (4 n) of its square
    sd_error = sd * np.sqrt(max(kurtosis - 1, 0.1) / 4 * (1 / n + 1 / TABLE_SAMPLES))
    return [
        DeviceRow(f"{name}, mean", mean, float(sample.mean()), float(mean_error)),
        DeviceRow(f"{name}, deviation", std, sd, float(sd_error)),
    ]


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(str(path), got="no such file", allowed="a CSV table of device statistics")
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as cause:
        raise DataError(str(path), got=str(cause), allowed="a CSV table of device statistics") from None
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        raise DataError(f"{path}: {missing[0]}", got="no such column", allowed=", ".join(_COLUMNS))
    unknown = sorted(set(table["quantity"].astype(str)) - set(_QUANTITIES))
    if unknown:
        raise DataError(f"{path}: quantity", got=repr(unknown[0]), allowed=", ".join(_QUANTITIES))
    return table


def summarise_device(rows: Sequence[DeviceRow]) -> dict[str, Any]:
    """Counts and the largest deviation."""
    return {
        "rows": len(rows),
        "passed": sum(row.passed for row in rows),
        "failed": sum(not row.passed for row in rows),
        **count_kinds(RowKind.IDENTITY for _ in rows),
        "largest_z": max((abs(row.z) for row in rows), default=0.0),
    }
