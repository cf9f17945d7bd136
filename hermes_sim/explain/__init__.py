"""How a number came about: sums and products down to values of config files with unit, kind, source and line."""
