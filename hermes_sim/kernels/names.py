"""Kernels by name, for the places where users type them."""

from __future__ import annotations

from hermes_sim.config.vocabulary import Kernel
from hermes_sim.errors import WorkloadError, nearest


def kernel_by_name(name: str) -> Kernel:
    """Kernel of a name that kernel ridge knows.

    Raises    WorkloadError  naming the nearest one
    """
    allowed = [str(kernel) for kernel in Kernel if kernel is not Kernel.SOFTMAX]
    if name not in allowed:
        raise WorkloadError("kernel", got=repr(name), allowed=", ".join(allowed), hint=nearest(str(name), allowed))
    return Kernel(name)
