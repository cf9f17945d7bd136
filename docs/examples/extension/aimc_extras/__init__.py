"""One of everything that another package can add to hermes_sim; `pyproject.toml` gives each its name."""

from pathlib import Path

EDGE_ARRAY = Path(__file__).with_name("edge_array.yaml")
