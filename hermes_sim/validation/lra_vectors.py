"""Queries, keys and values of the trained IMDb Performer as the vectors of the published attention experiment.

Which vectors that experiment took is not public; one of its sources names a Performer trained on IMDb. Here those of
the shipped one go through the same experiment, as they are and made shorter until FP32 errs as much as published.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hermes_sim._cpus import one_blas_thread
from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.errors import DataError
from hermes_sim.kernels.performer import PUBLISHED, TEXTBOOK, exact_attention
from hermes_sim.kit.plots import DASHED, LegendItem, Panel, Style, axis_of, picture
from hermes_sim.numerics.attention import EncoderVectors, evaluate_encoder_attention
from hermes_sim.numerics.chip_models import as_published, chip_model
from hermes_sim.numerics.network import Evaluation, network_weights
from hermes_sim.numerics.programmed import ExactProducts, weights_of
from hermes_sim.numerics.question import Question
from hermes_sim.numerics.workloads import network_inputs
from hermes_sim.validation.lra import encoder, run_key
from hermes_sim.validation.measurements import CHIP, FP32, KERNEL_ERROR, read_measurements
from hermes_sim.validation.reproduce_base import Outcome, Sources
from hermes_sim.validation.rows import RowKind, ValidationRow
from hermes_sim.validation.store import open_store, stored
from hermes_sim.workload.load import build_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TASK, _TEXTS, _FEWEST_SEEDS = "imdb", 60, 3
_RATIO = 4  # rows of W per value of a vector: 127 for 32, about the 128 of the encoder
_SCALES = (1.0, 0.7, 0.5, 0.4, 0.3, 0.2)
_TOLERANCE = 0.15  # of `reproduce attention_error`
_SOURCE = "BU24, doi 10.1038/s42256-024-00943-2"
_AS_TRAINED = "vectors of the shipped IMDb Performer, texts of 512 bytes, as they are"
_SCALED = "the same vectors, queries and keys shortened until FP32 errs as published at four projections per value"
_LAWS = {"structured orthogonal": None, "textbook": TEXTBOOK, "published encoders": PUBLISHED}


class AttentionErrors(NamedTuple):
    """Relative errors of attention on the chip and in FP32."""

    chip: float
    fp32: float

    @property
    def excess(self) -> float:
        """What the chip adds, as squares; 0 where it adds nothing."""
        return float(np.sqrt(max(self.chip**2 - self.fp32**2, 0.0)))

    @property
    def by_platform(self) -> dict[str, float]:
        """Both by the word that tables and legends have."""
        return {"FP32": self.fp32, "chip": self.chip}


class LayerVectors:
    """Vectors of all heads of one layer, and the errors of the experiment on them.

    Parameters
    ----------
    number : of the layer
    vectors : unscaled, all heads of all texts
    """

    def __init__(self, number: int, vectors: EncoderVectors, sources: Sources) -> None:
        self.number, self.vectors, self._sources = number, vectors, sources
        self._chip = load_arch(as_published(sources.arch))

    @property
    def width(self) -> int:
        """Values of a query."""
        return int(self.vectors.query.shape[-1])

    def errors(self, ratio: float, *, scale: float = 1.0, law: str | None = None) -> AttentionErrors:
        """Of `ratio` projections per value less one, with queries and keys times `scale`; from the store if there."""
        n_rows, seeds, seed = round(ratio * self.width) - 1, max(self._sources.seeds, _FEWEST_SEEDS), self._sources.seed
        batch = int(chip_model().kernel_vectors.value)
        shorter = replace(self.vectors, query=self.vectors.query * scale, key=self.vectors.key * scale)

        def compute() -> tuple[float, ...]:
            found = evaluate_encoder_attention(
                spec=core_crossbar(self._chip.core), read_mode=self._chip.read_mode, vectors=shorter, n_rows=n_rows,
                n_seeds=seeds, seed=seed, batch=batch, law=law, n_threads=self._sources.threads,
            )  # fmt: skip
            return found.simulated, found.digital_fp32

        settings = "vectors", self.number, len(self.vectors.query), n_rows, scale, law, seeds, seed, batch
        return AttentionErrors(*stored(open_store(name="lra"), run_key(self._chip, encoder(_TASK), settings), compute))

    @property
    def lengths(self) -> tuple[float, float]:
        """Root mean square of |q| and |k| as the experiment takes them, times d^-1/4."""
        of = [np.sqrt(np.mean(np.square(x).sum(-1)) / np.sqrt(self.width)) for x in self._query_key]
        return float(of[0]), float(of[1])

    @property
    def median_square(self) -> float:
        """Median of |q + k|^2 over all pairs of a text, which decides how far random features err."""
        found = [_squares(*pair) / np.sqrt(self.width) for pair in zip(*self._query_key, strict=True)]
        return float(np.median(found))

    @property
    def alike(self) -> float:
        """Error where every token counts alike, whatever queries and keys are."""
        errors, factor = [], np.float32(self.width**-0.25)
        for query, key, value in zip(*self._query_key, self.vectors.value, strict=True):
            exact = exact_attention(query * factor, key * factor, value)
            errors.append(np.linalg.norm(exact - value.mean(axis=0)) / np.linalg.norm(exact))
        return float(np.mean(errors))

    @property
    def _query_key(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.vectors.query, self.vectors.key


def _squares(query: NDArray[np.float32], key: NDArray[np.float32]) -> NDArray[np.float32]:
    """|q + k|^2 of every pair, (n, n)."""
    own = np.square(query).sum(-1)[:, None] + np.square(key).sum(-1)[None]
    return np.asarray(own + 2 * query @ key.T)


def spread_of_kernel(square: float, n_rows: int) -> float:
    """Relative standard deviation of exp(q . k) by so many normal w, features exp(+-w . x - |x|^2 / 2).

    square : |q + k|^2
    Source    Choromanski et al., ICLR 2021, lemma 2
    """
    return float(np.sqrt(2 / n_rows) * np.sinh(square / 2))


def square_of_spread(spread: float, n_rows: int) -> float:
    """|q + k|^2 at which `spread_of_kernel` is so much."""
    return float(2 * np.arcsinh(spread * np.sqrt(n_rows / 2)))


def layers_of(sources: Sources) -> list[LayerVectors]:
    """Layers of the shipped encoder with the vectors of texts that are as long as it takes them, none padded.

    Raises    DataError  if its weights or data are not at hand
    """
    work = encoder(_TASK)
    graph = build_graph(work)
    data, weights, name = network_inputs(
        work, graph, Question(samples=_TEXTS), seed=sources.seed, data_dir=sources.data_dir
    )
    held = network_weights(graph, weights, where=name)
    products = ExactProducts(weights_of(graph))
    products.program(held.matrices, held.biases)
    whole = data.inputs["length"].reshape(-1) == work.sequence_length
    inputs = {key: values[whole] for key, values in data.inputs.items()}
    found = Evaluation(graph, held).tensors(products, inputs)

    def every_head(layer: int, role: str) -> NDArray[np.float32]:
        return np.concatenate([found[f"L{layer}.h{head}.{role}"][:, 0] for head in range(work.heads)])

    return [
        LayerVectors(layer, EncoderVectors(*(every_head(layer, role) for role in "qkv")), sources)
        for layer in range(work.layers)
    ]


def lra_vectors(sources: Sources) -> Outcome:
    """Errors of attention on the trained Performer's queries and keys beside the published ones."""
    table = read_measurements(sources.measurements)
    cells = [cell for cell in table.cells() if cell.kernel == "softmax"]
    published = {
        2**cell.log2_ratio: AttentionErrors(
            *(float(np.mean(table.get(cell, platform, KERNEL_ERROR))) for platform in (CHIP, FP32))
        )
        for cell in cells
        if all(len(table.get(cell, platform, KERNEL_ERROR)) for platform in (CHIP, FP32))
    }
    if _RATIO not in published:
        return Outcome(skipped=f"the measurement table has no attention errors of {_RATIO} projections per value")
    try:
        with one_blas_thread():
            found = [_Found(layer, published) for layer in layers_of(sources)]
    except DataError as error:
        return Outcome(skipped=f"{_TASK} left out: {error.where}: {error.got}.")
    theirs = published[_RATIO]
    head = _line("published", "not public", "structured orthogonal", theirs)
    return Outcome(
        tuple(row for one in found for row in one.rows()),
        _plot(found, published),
        words=tuple(word for one in found for word in one.words()),
        lines=(head, *(line for one in found for line in one.lines())),
    )


class _Found:
    """All errors of one layer."""

    def __init__(self, layer: LayerVectors, published: dict[float, AttentionErrors]) -> None:
        self.layer, self.published = layer, published
        self.by_law = {name: layer.errors(_RATIO, law=law) for name, law in _LAWS.items()}
        self.by_scale = {scale: layer.errors(_RATIO, scale=scale) for scale in _SCALES}
        self.scale = scale_of([one.fp32 for one in self.by_scale.values()], published[_RATIO].fp32)
        self.as_trained = {ratio: layer.errors(ratio) for ratio in published}
        self.scaled = {ratio: layer.errors(ratio, scale=self.scale) for ratio in published}

    def rows(self) -> list[ValidationRow]:
        """As trained at one number of projections; shortened at all of them, one of which was fitted in FP32."""
        name = f"attention error, layer {self.layer.number}"
        rows = self._rows(f"{name}, as trained", _RATIO, self.as_trained[_RATIO], _AS_TRAINED)
        for ratio, errors in self.scaled.items():
            fitted = "FP32" if ratio == _RATIO else ""
            rows += self._rows(f"{name}, times {self.scale:.2f}", ratio, errors, _SCALED, fitted)
        return rows

    def _rows(self, name: str, ratio: float, ours: AttentionErrors, note: str, fitted: str = "") -> list[ValidationRow]:
        return [
            ValidationRow(
                f"{name}, {ratio:.0f} projections per value, {word}", expected, ours.by_platform[word], _TOLERANCE,
                RowKind.FITTED if word == fitted else RowKind.PREDICTED, _SOURCE, note,
            )
            for word, expected in self.published[ratio].by_platform.items()
        ]  # fmt: skip

    def lines(self) -> list[dict[str, str]]:
        """Four projections per value, by W, and shortened."""
        name = f"layer {self.layer.number}"
        return [
            *(_line(name, "as trained", law, errors) for law, errors in self.by_law.items()),
            _line(name, f"times {self.scale:.2f}", next(iter(_LAWS)), self.scaled[_RATIO]),
        ]

    def words(self) -> list[str]:
        """Why they err so much, and what is left of it where they are shorter."""
        layer, theirs, ours = self.layer, self.published[_RATIO], self.as_trained[_RATIO]
        n_rows, square, (q, k) = round(_RATIO * layer.width) - 1, layer.median_square, layer.lengths
        near = abs(ours.fp32 / theirs.fp32 - 1) <= _TOLERANCE
        excess, measured = ([one.excess for one in errors.values()] for errors in (self.scaled, self.published))
        as_trained = (
            f"layer {layer.number}: FP32 errs by {ours.fp32:.2f}, published {theirs.fp32:.3f}; these vectors "
            f"{'give' if near else 'do not give'} the published errors. Attention to all tokens alike errs by "
            f"{layer.alike:.2f}. Queries and keys are {q:.1f} and {k:.1f} long; |q + k|^2 has the median {square:.1f}, "
            f"where {n_rows} normal projections give a value of the kernel with a relative standard deviation of "
            f"{spread_of_kernel(square, n_rows):.2g}; one of {theirs.fp32:.3f} would take "
            f"{square_of_spread(theirs.fp32, n_rows):.2f}."
        )
        shortened = (
            f"layer {layer.number}, queries and keys times {self.scale:.2f} (|q + k|^2 {self.scale**2 * square:.1f}): "
            f"over the numbers of projections the chip adds {min(excess):.3f} to {max(excess):.3f} (excess, "
            f"sqrt(chip^2 - FP32^2)), measured {min(measured):.3f} to {max(measured):.3f}; as trained "
            f"{ours.excess:.2f}."
        )
        return [as_trained, shortened]


def scale_of(errors: Sequence[float], wanted: float) -> float:
    """Scale of `_SCALES` at which FP32 errs by so much, between those of the list by power laws."""
    order = np.argsort(errors)
    return float(np.exp(np.interp(np.log(wanted), np.log(errors)[order], np.log(_SCALES)[order])))


def _line(layer: str, vectors: str, law: str, errors: AttentionErrors) -> dict[str, str]:
    return {
        "layer": layer,
        "queries and keys": vectors,
        "W": law,
        "FP32": f"{errors.fp32:.3f}",
        "chip": f"{errors.chip:.3f}",
        "excess": f"{errors.excess:.3f}",
    }


def _plot(found: Sequence[_Found], published: dict[float, AttentionErrors]) -> str:
    """Per layer: errors over the number of projections, and over the length of queries and keys."""
    groups = "as trained", "shortened", "published"
    series = [f"{word}, {group}" for group in groups for word in ("FP32", "chip")]
    styles = {name: Style.number(i) for i, name in enumerate(series)}
    panels = []
    for one in found:
        over_projections = dict(zip(groups, (one.as_trained, one.scaled, published), strict=True))
        every = [x for errors in (*over_projections.values(), one.by_scale) for pair in errors.values() for x in pair]
        y, title = axis_of("relative error of attention", every, log=True), f"layer {one.layer.number}"
        panel = Panel(title, axis_of("projections per value", list(published)), y, width=460, height=320)
        for group, errors in over_projections.items():
            dash = DASHED if group == "published" else ""
            for word in ("FP32", "chip"):
                points = sorted((ratio, pair.by_platform[word]) for ratio, pair in errors.items())
                panel.series(points, styles[f"{word}, {group}"], joined=True, dash=dash)
        panels.append(panel)
        x = axis_of("queries and keys times", _SCALES, log=True)
        panel = Panel(f"{title}, {_RATIO} projections per value", x, y, width=460, height=320)
        for word, level in published[_RATIO].by_platform.items():
            panel.line([(min(_SCALES), level), (max(_SCALES), level)], styles[f"{word}, published"].color, dash=DASHED)
            points = sorted((scale, pair.by_platform[word]) for scale, pair in one.by_scale.items())
            panel.series(points, styles[f"{word}, as trained"], joined=True)
        panels.append(panel)
    return picture(
        "Attention on vectors of the trained IMDb Performer",
        panels,
        [LegendItem(*item) for item in styles.items()],
        per_row=2,
    )
