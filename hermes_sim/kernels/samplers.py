"""Random projections: independent, orthogonal, structured orthogonal. Rows of W are projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim.config.vocabulary import Sampler
from hermes_sim.errors import WorkloadError

if TYPE_CHECKING:
    from hermes_sim.device.spec import F64

# Normal numbers are cut at three standard deviations, as in the published runs.
TRUNCATION_SD = 3.0


def projections(sampler: Sampler, n_projections: int, n_inputs: int, rng: np.random.Generator) -> F64:
    """Projection matrix of unit variance.

    Returns
    -------
    (n_projections, n_inputs)

    Source    RFF: Rahimi and Recht, NIPS 2007; ORF: Yu et al., NIPS 2016, section 3; SORF: the same, section 4;
              truncation and ORF_PUBLISHED: the code published with [BU24]
    """
    if n_projections < 1 or n_inputs < 1:
        raise WorkloadError(
            "projections",
            got=f"{n_projections} x {n_inputs}",
            allowed="at least one projection and one input",
        )
    if sampler is Sampler.RFF:
        return truncated_normal((n_projections, n_inputs), rng)
    n_blocks = -(-n_projections // n_inputs)
    if sampler in {Sampler.ORF, Sampler.ORF_PUBLISHED}:
        blocks = [_orthogonal(n_inputs, rng, uniform=sampler is Sampler.ORF) for _ in range(n_blocks)]
        lengths = np.sqrt(rng.chisquare(n_inputs, n_projections))
        return np.asarray(np.vstack(blocks)[:n_projections] * lengths[:, None])
    blocks = [structured_block(n_inputs, rng) for _ in range(n_blocks)]
    return np.ascontiguousarray(np.vstack(blocks)[:n_projections, :n_inputs])


def truncated_normal(shape: tuple[int, ...], rng: np.random.Generator) -> F64:
    """Standard normal numbers, redrawn beyond three standard deviations."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > TRUNCATION_SD).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values


def _orthogonal(size: int, rng: np.random.Generator, *, uniform: bool) -> F64:
    q, r = np.linalg.qr(truncated_normal((size, size), rng))
    # with these signs the draw is uniform over rotations
    return np.asarray((q * np.sign(np.diagonal(r)) if uniform else q).T)


def structured_block(size: int, rng: np.random.Generator) -> F64:
    """sqrt(p) D1 H D2 H D3 H, H the orthonormal Walsh-Hadamard matrix of the next power of two p, D random signs."""
    p = 1 << max(size - 1, 0).bit_length()
    block = np.eye(p)
    for _ in range(3):
        block = hadamard(block) * rng.choice([-1.0, 1.0], p)[:, None]
    return np.asarray(np.sqrt(p) * block)


def hadamard(x: F64) -> F64:
    """Orthonormal Walsh-Hadamard transform of the columns, by butterflies: n log n.

    x : (p, n), p a power of two
    """
    result = np.array(x, np.float64)
    p, half = result.shape[0], 1
    while half < p:
        pairs = result.reshape(p // (2 * half), 2, half, -1)
        low, high = pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]
        pairs[:, 0], pairs[:, 1] = low, high
        half *= 2
    return np.asarray(result / np.sqrt(p))
