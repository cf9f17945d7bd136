"""Digital accelerators on the same operator graph: rooflines, systolic arrays, a user's own measurements."""
