"""One layer on a core of ours beside aihwkit's tile, with the same cells, input ranges and converters.

aihwkit is no dependency. Its compiled tile works only with the PyTorch that it was built against; where it fails, its
tile in PyTorch takes its place, and the result says which one it was.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import aihwkit
import numpy as np
import torch
from aihwkit.inference.compensation.drift import GlobalDriftCompensation
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.hermes import HermesNoiseModel
from aihwkit.inference.noise.pcm import PCMLikeNoiseModel
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import InferenceRPUConfig, TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.phases import phases_of
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.errors import DeviceModelError, chosen
from hermes_sim.numerics.programmed import PROJECT, ProgrammedChip, W, one_product
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from hermes_sim.config.files import Source
    from hermes_sim.config.vocabulary import ReadMode
    from hermes_sim.crossbar.block import ProgrammedBlock
    from hermes_sim.crossbar.spec import CrossbarSpec

    F64 = NDArray[np.float64]

# Effects that both have: of the cells, and with converters.
CELLS = "weight_clipping,programming,drift,drift_compensation,cell_read_noise"
SHARED = f"{CELLS},input_quantisation,input_clipping,adc_noise,adc_saturation,adc_quantisation"
MODELS = {"hermes": HermesNoiseModel, "pcm": PCMLikeNoiseModel}
_NO_LIMIT_COUNTS = 1e6


class LayerDeviation(NamedTuple):
    """How far a layer is from the exact one, over draws.

    Parameters
    ----------
    output_mean, output_sd : of the norm of the outputs' error over the norm of the exact outputs
    weight_sd : of what cells hold in excess of their targets at the time of the read, of the weight that g_max means
    """

    output_mean: float
    output_sd: float
    weight_sd: float


class LayerComparison(NamedTuple):
    """A layer on a core of ours, and on aihwkit's tile: ``compiled``, or the one in ``PyTorch``."""

    ours: LayerDeviation
    aihwkit: LayerDeviation
    tile: str
    version: str


def compare_layer(
    weights: ArrayLike,
    arch: Source = "hermes_64",
    *,
    inputs: ArrayLike,
    draws: int = 10,
    time_s: float = 3600.0,
    seed: int = 0,
    effects: str = SHARED,
    noise_model: str = "hermes",
) -> LayerComparison:
    """Hold a core against aihwkit's inference tile on one layer.

    aihwkit gets the targets, the input ranges and the converters of the core: steps, noise and largest count. Of
    `effects` it has those in `SHARED`; it rounds to the nearest count. Drift is compensated at `time_s`.

    Parameters
    ----------
    weights : (rows, columns), at most as large as a core
    inputs : (n, rows), of which all calibrate the converters
    draws : chips, each with devices of its own
    time_s : seconds after programming
    effects : ``all``, ``none``, or a comma list, `CELLS` and `SHARED` among them
    noise_model : of aihwkit's cells: ``hermes``, published for this chip, or ``pcm``, its standard one

    Raises
    ------
    DeviceModelError
        weights that are no matrix or do not fit one core, inputs that do not fit them, too few draws, unknown names
    """
    chip = load_arch(arch)
    spec = core_crossbar(chip.core, effects=Effects.of(effects))
    layer = _OneCore.checked(replace(spec, inference_s=time_s, compensation_s=time_s), chip.read_mode, weights, inputs)
    if chosen("noise_model", noise_model, MODELS, error=DeviceModelError) == "hermes" and spec.device.n_devices > 2:
        allowed = "1 or 2 with noise_model hermes"
        raise DeviceModelError("core.analog.device.devices", got=spec.device.n_devices, allowed=allowed)
    if draws < 2:
        raise DeviceModelError("draws", got=draws, allowed="at least 2")
    ours, blocks = zip(*[layer.on_core(child_key(seed, "layer", draw)) for draw in range(draws)], strict=True)
    kind, tile = working_tile()
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # aihwkit's indexing is deprecated
        torch.manual_seed(seed)
        theirs = [layer.on_tile(kind, noise_model, block) for block in blocks]
    return LayerComparison(_summary(ours), _summary(theirs), tile, aihwkit.__version__)


def working_tile() -> tuple[Any, str]:
    """Configuration class of aihwkit's compiled inference tile and ``compiled``, or where it fails ``PyTorch``'s."""
    try:
        with torch.random.fork_rng(devices=[]):
            AnalogLinear(1, 1, bias=False, rpu_config=InferenceRPUConfig())(torch.ones(1, 1))
    except (RuntimeError, TypeError):
        return TorchInferenceRPUConfig, "PyTorch"
    return InferenceRPUConfig, "compiled"


class _ToConductance(SinglePairConductanceConverter):
    """A weight of 1, not the largest one, is g_max."""

    def convert_to_conductances(self, weights: Any) -> Any:
        scaled, params = weights * self.g_max, {"scale_ratio": self.g_max}
        return [scaled.clamp(0, self.g_max), (-scaled).clamp(0, self.g_max)], params


@dataclass(frozen=True)
class _OneCore:
    """weights (rows, columns), inputs (n, rows) and the range of each of them (n, 1)."""

    spec: CrossbarSpec
    mode: ReadMode
    weights: F64
    inputs: F64
    ranges: F64

    @classmethod
    def checked(cls, spec: CrossbarSpec, mode: ReadMode, weights: ArrayLike, inputs: ArrayLike) -> _OneCore:
        matrix, x = np.asarray(weights, np.float64), np.asarray(inputs, np.float64)
        largest = spec.rows, spec.weight_columns
        if matrix.ndim != 2 or not all(0 < n <= most for n, most in zip(matrix.shape, largest, strict=True)):
            raise DeviceModelError("weights", got=f"shape {matrix.shape}", allowed=f"a matrix of at most {largest}")
        if x.ndim != 2 or not len(x) or x.shape[1] != len(matrix) or not np.isfinite(x).all():
            raise DeviceModelError("inputs", got=f"shape {x.shape}", allowed=f"finite numbers (n, {len(matrix)})")
        if not (x @ matrix).any():
            raise DeviceModelError("inputs", got="outputs that are all 0", allowed="outputs to compare with")
        rule = RangeRule.of(spec)
        found = rule.searched(x, vectors=spec.range_batch)
        return cls(spec, mode, matrix, x, np.full((len(x), 1), rule.known(x)) if found is None else found[:, None])

    def on_core(self, seed: int) -> tuple[tuple[float, float], ProgrammedBlock]:
        """Error of outputs, deviation of weights, and the block as it was calibrated."""
        chip = self._programmed(self.spec, seed)
        chip.calibrate(PROJECT, self.inputs)
        outputs = chip.project(PROJECT, self.inputs, input_range=self.ranges[:, 0])
        block = chip.replica(PROJECT).pieces[0].block
        cells = set(CELLS.split(",")) | {"stuck_cells", "temperature", "weight_quantisation"}
        bare = Effects.of(",".join(cells & set(self.spec.effects.names)) or "none")
        held = self._programmed(self.spec.with_effects(bare), seed).project(PROJECT, np.eye(len(self.weights)))
        return (self._error(outputs), float(np.std(held / block.weight_scale - self._targets(block)))), block

    def _programmed(self, spec: CrossbarSpec, seed: int) -> ProgrammedChip:
        graph, mapping = one_product(*self.weights.shape, rows=spec.rows, columns=spec.weight_columns)
        chip = ProgrammedChip(graph, mapping, spec=spec, mode=self.mode, seed=seed)
        chip.program({W: self.weights})
        return chip

    def on_tile(self, kind: Any, noise_model: str, block: ProgrammedBlock) -> tuple[float, float]:
        """Error of outputs and deviation of weights of a new tile of aihwkit."""
        layer = AnalogLinear(*self.weights.shape, bias=False, rpu_config=self._configured(kind(), noise_model, block))
        targets = self._targets(block)
        layer.set_weights(torch.from_numpy(targets.T.astype(np.float32)))
        layer.eval()
        layer.drift_analog_weights(self.spec.inference_s)
        outputs = layer(torch.from_numpy((self.inputs / self.ranges).astype(np.float32))).numpy()
        (tile,) = layer.analog_tiles()
        held = layer.get_weights()[0].numpy().T * float(tile.alpha)
        return self._error(outputs * self.ranges * block.weight_scale), float(np.std(held - targets))

    def _configured(self, config: Any, noise_model: str, block: ProgrammedBlock) -> Any:
        """Core's converters, in units of a weight of g_max and an input of a full pulse."""
        spec, effects, forward = self.spec, self.spec.effects, config.forward
        unit = 1 / (spec.counts_per_cell * block.count_factor * spec.plane_worth)
        noise_counts = spec.noise_counts(self.mode) * float(np.linalg.norm(phases_of(spec, self.mode).factors))
        limit = min(spec.adc_saturation_counts * block.count_factor, spec.adc_count_limit, _NO_LIMIT_COUNTS)
        limit = limit if effects.adc_saturation else _NO_LIMIT_COUNTS
        forward.noise_management, forward.bound_management = NoiseManagementType.NONE, BoundManagementType.NONE
        forward.inp_bound = 1.0 if effects.input_clipping else 0.0
        forward.inp_res = 1 / (2 * spec.largest_input) if effects.input_quantisation else -1.0
        forward.out_bound = limit * unit
        forward.out_res = 1 / (2 * limit) if effects.adc_quantisation and spec.adc_counts else -1.0
        forward.out_noise = noise_counts * unit if effects.adc_noise else 0.0
        config.noise_model = MODELS[noise_model](
            g_converter=_ToConductance(g_max=spec.device.g_max_uS),
            prog_noise_scale=float(effects.programming),
            read_noise_scale=float(effects.cell_read_noise),
            drift_scale=float(effects.drift),
            **({"num_devices": spec.device.n_devices} if noise_model == "hermes" else {}),
        )
        config.drift_compensation = GlobalDriftCompensation() if effects.drift_compensation else None
        return config

    def _targets(self, block: ProgrammedBlock) -> F64:
        return np.clip(self.weights / block.weight_scale, -1, 1)

    def _error(self, outputs: NDArray[Any]) -> float:
        exact = self.inputs @ self.weights
        return float(np.linalg.norm(outputs - exact) / np.linalg.norm(exact))


def _summary(found: Any) -> LayerDeviation:
    outputs, weights = np.array(found).T
    return LayerDeviation(float(outputs.mean()), float(outputs.std(ddof=1)), float(weights.mean()))
