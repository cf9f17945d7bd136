"""Event engines: one contract (README.md), a readable engine on SimPy and a fast one in machine code."""

from pathlib import Path

from hermes_sim._jit import forget_stale_caches

forget_stale_caches(Path(__file__).parent)
