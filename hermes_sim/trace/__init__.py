"""Records of runs: schema, frames, exports for Perfetto and Chrome, and the critical path."""

from pathlib import Path

from hermes_sim._jit import forget_stale_caches

forget_stale_caches(Path(__file__).parent)
