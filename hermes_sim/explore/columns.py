"""The one schema of stored results: the keys of the run document, flattened with ``_``, and what a study adds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hermes_sim.metrics.busiest import RESOURCE_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA_VERSION = 2
VERSION_KEY = b"hermes_sim_schema_version"


_TEXT = (
    "key",
    "study",
    "status",
    "error",
    "hermes_sim_version",
    "code",
    "created_utc",
    "parameters",
    "inputs",
    "arch",
    "workload",
    "mapping",
    "mapping_note",
    "bottleneck_resource",
    "energy_pj_by_component",
    "accuracy_metric",
)
_WHOLE = ("inferences", "ops", "firings", "cores_used", "pieces", "accuracy_seeds", "accuracy_n_test")
_REAL = (
    "duration_s",
    "latency_ns",
    "makespan_ns",
    "throughput_inferences_per_s",
    "energy_pj_total",
    "energy_pj_per_inference",
    "energy_pj_on_chip_per_inference",
    "energy_pj_static",
    "energy_pj_dynamic",
    "power_w",
    "tops",
    "tops_per_w",
    "lower_bound_ns",
    "bottleneck_utilization",
    *RESOURCE_KINDS.values(),
    "bytes_hops",
    "area_mm2",
    "accuracy_simulated",
    "accuracy_digital_fp32",
    "accuracy_drop_pp",
    "accuracy_std",
    "accuracy_kernel_error",
    "accuracy_digital_kernel_error",
    "accuracy_constant_kernel_error",
)
RESULTS = (*_WHOLE, *(name for name in _REAL if name != "duration_s"))
_JSON = ("parameters", "inputs")

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT),
        *((name, pa.int64()) for name in _WHOLE),
        *((name, pa.float64()) for name in _REAL),
    ],
    metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()},
)


def encode(record: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps({name: record.get(name) for name in SCHEMA.names}, separators=(",", ":"), default=str)


def decode(line: str | bytes) -> dict[str, Any] | None:
    """Record of one line, or None for a line cut short by a kill or a full disk."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("key"), str) else None


def to_table(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Arrow table of records, nested inputs as JSON text."""
    columns = {}
    for column in SCHEMA:
        values = [record.get(column.name) for record in records]
        if column.name in _JSON:
            values = [value if value is None else json.dumps(value, default=str) for value in values]
        columns[column.name] = pa.array(values, type=column.type, from_pandas=True)
    return pa.table(columns, schema=SCHEMA)
