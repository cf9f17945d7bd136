"""Questions that need many simulations."""
