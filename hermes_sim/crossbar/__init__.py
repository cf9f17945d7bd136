"""Analog matrix-vector products: cells, converters and the digital scaling of one core, and matrices over cores."""

from pathlib import Path

from hermes_sim._jit import forget_stale_caches

forget_stale_caches(Path(__file__).parent)
