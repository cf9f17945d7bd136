"""Imported once by the server that workers are copied from, so that each of them starts with everything loaded."""

from __future__ import annotations

import hermes_sim.explore.point
import hermes_sim.explore.runs  # noqa: F401
from hermes_sim.quantity import unit_registry

unit_registry()
