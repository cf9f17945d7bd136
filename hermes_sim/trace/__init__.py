"""Records of runs: schema, frames, exports for Perfetto and Chrome, and the critical path."""
