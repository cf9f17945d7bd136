"""Analog matrix-vector products: cells, converters and the digital scaling of one core, and matrices over cores."""
