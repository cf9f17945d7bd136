"""What an accuracy evaluation found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hermes_sim.numerics.programmed import Deviation


class LayerError(NamedTuple):
    """Product on crossbars, and norm of the error of its outputs over that of the exact products, mean over seeds.

    `recovered_pp` are the points of accuracy that an exact product there would bring back, where that was tried.
    """

    operator: str
    relative_error: float
    recovered_pp: float | None = None


def layer_errors(seeds: Sequence[Mapping[str, Deviation]]) -> tuple[LayerError, ...]:
    """Mean over seeds of the relative errors of all products on crossbars."""
    return tuple(
        LayerError(name, float(np.mean([found[name].relative for found in seeds])))
        for name in (seeds[0] if seeds else ())
    )


@dataclass(frozen=True)
class AccuracyResult:
    """Simulated chip beside the digital result, one value per seed.

    Parameters
    ----------
    metric : ``accuracy``, ``attention_relative_error`` and so on
    higher_is_better : false of an error
    simulated_values, digital_values : on the crossbars and in FP32
    n_test : test samples, or tokens, per seed
    kernel_errors, digital_kernel_errors : relative error of the kernel matrix (empty: there is no kernel)
    constant_kernel_errors : the same of the best constant kernel, for comparison
    layers : of each product on crossbars how far its outputs are from the exact ones
    effects : imperfections that were on: ``all``, ``none``, or their names
    settings : what was simulated: read mode, input range, kernel, sampler and so on
    standard_error : of the paired difference to FP32, where it counts test samples as well as draws
    by_time : accuracy at times after programming, as the result document has it
    weights, data : what they were, where they are not made on the way
    """

    metric: str
    higher_is_better: bool
    simulated_values: tuple[float, ...]
    digital_values: tuple[float, ...]
    n_test: int
    kernel_errors: tuple[float, ...] = ()
    digital_kernel_errors: tuple[float, ...] = ()
    constant_kernel_errors: tuple[float, ...] = ()
    layers: tuple[LayerError, ...] = ()
    effects: str | tuple[str, ...] = "all"
    settings: Mapping[str, Any] = field(default_factory=dict)
    standard_error: float | None = None
    by_time: tuple[Mapping[str, Any], ...] = ()
    weights: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None

    @property
    def simulated(self) -> float:
        """Mean on the chip."""
        return float(np.mean(self.simulated_values))

    @property
    def digital_fp32(self) -> float:
        """Mean in FP32."""
        return float(np.mean(self.digital_values))

    @property
    def std(self) -> float | None:
        """Standard deviation on the chip over seeds; one seed has none."""
        return float(np.std(self.simulated_values, ddof=1)) if len(self.simulated_values) > 1 else None

    @property
    def drop_pp(self) -> float | None:
        """Percentage points of accuracy lost against FP32; an error is no accuracy, it has none."""
        return 100.0 * (self.digital_fp32 - self.simulated) if self.higher_is_better else None

    @property
    def paired_se_pp(self) -> float | None:
        """Standard error of `drop_pp`: chip and FP32 share what is drawn, so it is of their differences."""
        if not self.higher_is_better:
            return None
        if self.standard_error is not None:
            return 100.0 * self.standard_error
        if len(self.simulated_values) < 2:
            return None
        drops = np.subtract(self.digital_values, self.simulated_values)
        return float(100.0 * np.std(drops, ddof=1) / np.sqrt(len(drops)))

    @property
    def kernel_error(self) -> float | None:
        """Mean kernel error on the chip."""
        return _mean(self.kernel_errors)

    @property
    def digital_kernel_error(self) -> float | None:
        """Mean kernel error of the digital projection."""
        return _mean(self.digital_kernel_errors)

    @property
    def constant_kernel_error(self) -> float | None:
        """Mean error of the best constant kernel."""
        return _mean(self.constant_kernel_errors)

    def record(self) -> dict[str, Any]:
        """The `accuracy` entry of the result document."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "simulated": self.simulated,
            "digital_fp32": self.digital_fp32,
            "drop_pp": self.drop_pp,
            "draws": len(self.simulated_values),
            "seeds": len(self.simulated_values),
            "n_test": self.n_test,
            "std": self.std,
            "paired_se_pp": self.paired_se_pp,
            "per_draw": [
                {"seed": seed, "simulated": simulated, "digital_fp32": digital}
                for seed, (simulated, digital) in enumerate(
                    zip(self.simulated_values, self.digital_values, strict=True)
                )
            ],
            "simulated_values": list(self.simulated_values),
            "digital_values": list(self.digital_values),
            "kernel_error": self.kernel_error,
            "digital_kernel_error": self.digital_kernel_error,
            "constant_kernel_error": self.constant_kernel_error,
            "kernel_errors": list(self.kernel_errors),
            "digital_kernel_errors": list(self.digital_kernel_errors),
            "read_mode": self.settings.get("read_mode"),
            "effects": self.effects,
            "layers": [layer._asdict() for layer in self.layers],
            "by_time": [dict(point) for point in self.by_time],
            "by_model": [],
            "weights": self.weights,
            "data": self.data,
            "settings": dict(self.settings),
        }


def _mean(values: tuple[float, ...]) -> float | None:
    return float(np.mean(values)) if values else None
