"""What the operators of a network compute: one NumPy function each, on arrays with an axis of samples in front.

Computed tensors are (samples, *shape in the file), constants (1, *shape in the file).
"""

from hermes_sim.numerics.functions.evaluate import evaluate_node, reference
from hermes_sim.numerics.functions.recurrent import (
    GruGates,
    gru_blend,
    gru_gates,
    gru_step,
    lstm_step,
    require_plain,
)

__all__ = [
    "GruGates",
    "evaluate_node",
    "gru_blend",
    "gru_gates",
    "gru_step",
    "lstm_step",
    "reference",
    "require_plain",
]
