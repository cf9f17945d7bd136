"""scikit-learn estimators whose projection runs on simulated crossbars (or, with ``arch=None``, in FP64)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from hermes_sim.chip.load import load_arch
from hermes_sim.config.vocabulary import Kernel, ReadMode, Sampler
from hermes_sim.crossbar.spec import CrossbarSpec, core_crossbar
from hermes_sim.errors import HermesSimError
from hermes_sim.kernels.features import feature_map, n_features, projection_scale
from hermes_sim.kernels.samplers import projections
from hermes_sim.numerics.programmed import CALIBRATION_VECTORS, program_alone
from hermes_sim.numerics.ranges import RangeRule
from hermes_sim.rng import child_key

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_MAX_SEED = 2**31 - 1
_POSITIVE = Interval(Real, 0, None, closed="neither")
_KERNELS = {str(kernel) for kernel in Kernel if kernel is not Kernel.SOFTMAX}
_SAMPLER_CONSTRAINTS: dict[str, list[Any]] = {
    "kernel": [StrOptions(_KERNELS)],
    "gamma": [_POSITIVE],
    "n_projections": [Interval(Integral, 1, None, closed="left")],
    "sampler": [StrOptions({str(sampler) for sampler in Sampler})],
    "arch": [str, CrossbarSpec, None],
    "read_mode": [StrOptions({str(mode) for mode in ReadMode}), None],
    "clip_inputs_std": [_POSITIVE, None],
    "random_state": ["random_state"],
}


class AnalogKernelSampler(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Random features of a kernel, projected on crossbars.

    Noise of a conversion depends on the content of the row, so a row has the same features whatever stands beside it,
    and the same row twice has the same noise. Ranges are what the chip says (`core.analog.range`): one for every row,
    or one that the rows of `fit` gave; never one for several rows together.

    Parameters
    ----------
    kernel : ``rbf``, ``arccos0``, ``arccos1`` or ``arccos2``
    gamma : width of RBF, above 0; the other kernels have none
    n_projections : rows of W
    sampler : how W is drawn: ``rff`` (independent), ``orf`` (orthogonal blocks), ``sorf`` (structured orthogonal
        blocks) or ``orf_published`` (orthogonal blocks as the code published with the measurements draws them)
    arch : shipped chip name, path of a chip file, a `CrossbarSpec`, or None for an exact projection
    read_mode : ``one_phase`` or ``four_phase``; None: what the chip file says (a `CrossbarSpec` says nothing)
    clip_inputs_std : inputs beyond so many standard deviations of the training rows are clipped; None: none are
    random_state : of W and every imperfection

    Attributes
    ----------
    weights_ : (n_features_in_, n_projections) the projection as wanted
    bias_ : (n_projections,) phases of RBF, else zeros
    input_range_ : input that gives a full pulse; None where every row has its own, or the projection is exact
    read_mode_ : how the crossbars are read, None for an exact projection
    matrix_ : `AnalogMatrix` that holds `weights_`, None for an exact projection
    n_features_in_ : columns of the rows seen in `fit`

    Raises
    ------
    ValueError
        from `fit`, for a parameter that cannot be used, by name with what is allowed
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = _SAMPLER_CONSTRAINTS

    def __init__(
        self,
        *,
        kernel: str = "rbf",
        gamma: float = 0.1,
        n_projections: int = 256,
        sampler: str = "orf",
        arch: str | CrossbarSpec | None = "hermes_64",
        read_mode: str | None = None,
        clip_inputs_std: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.n_projections = n_projections
        self.sampler = sampler
        self.arch = arch
        self.read_mode = read_mode
        self.clip_inputs_std = clip_inputs_std
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> AnalogKernelSampler:  # noqa: ARG002
        """Draw W, program it, and set the input range from the rows of X (n, d)."""
        self._validate_params()
        x = validate_data(self, X, dtype=np.float64)
        kernel = Kernel(self.kernel)
        seed = int(check_random_state(self.random_state).randint(_MAX_SEED))
        rng = np.random.default_rng(seed)
        unit = projections(Sampler(self.sampler), self.n_projections, x.shape[1], rng)
        # the code published with the measurements draws its phases so; modulo 2 pi they are uniform to 1e-8
        phases = 2 * np.pi * rng.standard_normal(self.n_projections)
        self.weights_ = projection_scale(kernel, self.gamma) * unit.T
        self.bias_ = phases if kernel is Kernel.RBF else np.zeros(self.n_projections)
        self._clip = None if self.clip_inputs_std is None else (self.clip_inputs_std * float(x.std()) or 1.0)
        self.input_range_: float | None = None
        self.matrix_, self.read_mode_ = None, None
        if self.arch is not None:
            spec, mode = _core(self.arch, self.read_mode)
            self._rule = RangeRule.of(spec)
            if not self._rule.is_searched:
                self.input_range_ = self._rule.known(x, clip_std=self._clip)
            try:
                self.matrix_ = program_alone(
                    spec, self.weights_, mode=mode, bias=self.bias_, seed=child_key(seed, "chip")
                )
            except HermesSimError as error:
                raise ValueError(str(error)) from None
            self._set_converters(x)
            self.read_mode_ = str(mode)
        self._n_features_out = n_features(kernel, self.n_projections)
        return self

    def _set_converters(self, x: NDArray[np.float64]) -> None:
        """Gain of converters that are set by calibration data: the first rows."""
        assert self.matrix_ is not None
        if self.matrix_.spec.adc_calibrated_counts:
            first = x[:CALIBRATION_VECTORS]
            searched = self._rule.searched(first, vectors=1, clip_std=self._clip)
            ranges = self.input_range_ if searched is None else searched
            assert ranges is not None  # searched for, or known
            self.matrix_.calibrate_converters(self.matrix_.most_counts(first, self.weights_, ranges))

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Features (n, m) of rows (n, d)."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float64, reset=False)
        if self.matrix_ is None:
            projected = np.asarray(x @ self.weights_ + self.bias_)
        else:
            ranges = self._rule.searched(x, vectors=1, clip_std=self._clip)
            full = self.input_range_ if ranges is None else ranges
            outputs = self.matrix_.matmul(x, input_range=full, names=_content_names(x))
            projected = outputs.astype(np.float64)
        return np.asarray(feature_map(Kernel(self.kernel), projected))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags


def analog_kernel_ridge(*, alpha: float = 0.5, **sampler: Any) -> Pipeline:
    """Kernel ridge classification on crossbars: the features of `AnalogKernelSampler`, and scikit-learn's ridge.

    Parameters
    ----------
    alpha : ridge penalty
    sampler : parameters of `AnalogKernelSampler`
    """
    return make_pipeline(AnalogKernelSampler(**sampler), RidgeClassifier(alpha=alpha))


def _core(arch: str | CrossbarSpec, read_mode: str | None) -> tuple[CrossbarSpec, ReadMode]:
    """Core and read mode; what is wrong with them as a ValueError."""
    if isinstance(arch, CrossbarSpec):
        if read_mode is None:
            raise ValueError("read_mode=None takes the chip's, and a CrossbarSpec has none: give the mode")
        return arch, ReadMode(read_mode)
    try:
        chip = load_arch(arch)
        return core_crossbar(chip.core), ReadMode(read_mode or str(chip.read_mode))
    except HermesSimError as error:
        raise ValueError(str(error)) from None


def _content_names(x: NDArray[np.float64]) -> NDArray[np.uint64]:
    """64-bit names of rows that depend on their content only: equal rows have equal names."""
    words = np.ascontiguousarray(x + 0.0).view(np.uint64)  # -0.0 becomes 0.0: equal numbers, equal names
    names = np.zeros(len(x), np.uint64)
    with np.errstate(over="ignore"):
        for column in range(words.shape[1]):
            names = (names ^ words[:, column]) * np.uint64(0xBF58476D1CE4E5B9)
            names ^= names >> np.uint64(29)
    return names
