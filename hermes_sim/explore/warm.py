"""Imported once by the server that workers are copied from, so that each of them starts with everything loaded."""

from __future__ import annotations

from hermes_sim.explore.point import DesignPoint, evaluate

evaluate(DesignPoint("hermes_64", "peak_mvm", inferences=1), key="warm")  # machine code, units, the shipped chip file
