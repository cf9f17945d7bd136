"""Workload file -> checked workload -> operator graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermes_sim.arch.load import override
from hermes_sim.arch.validation import validate
from hermes_sim.errors import WorkloadError, nearest
from hermes_sim.files import find_yaml, read_yaml
from hermes_sim.workload.builders import kernel_ridge_graph, matmul_list_graph, performer_attention_graph
from hermes_sim.workload.schema import MODELS, KernelRidge, PerformerAttention, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.workload.graph import OpGraph


def load_workload(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Workload:
    """Load a shipped workload by name, or a workload file by path.

    Raises
    ------
    WorkloadError
        naming file, line, field, what was given and what is allowed
    """
    document = read_yaml(find_yaml(name_or_path, "workloads", error=WorkloadError), error=WorkloadError)
    for path, value in (overrides or {}).items():
        override(document, path, value)
    kind = document.data.get("kind")
    if not isinstance(kind, str) or kind not in MODELS:
        raise WorkloadError(
            document.place("kind"), got=repr(kind), allowed=", ".join(MODELS), hint=nearest(str(kind), MODELS)
        )
    workload = validate(MODELS[kind], document, WorkloadError)
    if isinstance(workload, PerformerAttention) and workload.d_model % workload.heads:
        raise WorkloadError(
            document.place("heads"), got=workload.heads, allowed=f"a divisor of d_model = {workload.d_model}"
        )
    return workload


def build_graph(workload: Workload) -> OpGraph:
    """Operator graph of one inference."""
    if isinstance(workload, KernelRidge):
        return kernel_ridge_graph(workload)
    if isinstance(workload, PerformerAttention):
        return performer_attention_graph(workload)
    return matmul_list_graph(workload)
