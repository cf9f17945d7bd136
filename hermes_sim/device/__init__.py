"""Phase-change memory cells: programming error, drift, read noise, stuck cells."""
