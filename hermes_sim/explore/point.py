"""One design point: a pure function from its inputs to a flat record of results."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes_sim._version import __version__
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.schema import Chip
from hermes_sim.config.parameters import resolved
from hermes_sim.errors import HermesSimError
from hermes_sim.fingerprint import code_fingerprint
from hermes_sim.mapping.mapping import DEFAULT_MAPPING, uses_seed
from hermes_sim.mapping.traffic import bytes_hops
from hermes_sim.metrics.busiest import RESOURCE_KINDS
from hermes_sim.numerics.question import Question
from hermes_sim.workload.load import identity, load_workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hermes_sim.flow import Mapped
    from hermes_sim.workload.schema import Workload

_LABELS = frozenset({"name", "description", "source", "note", "kind", "unit", "range", "schema_version"})


@dataclass(frozen=True)
class DesignPoint:
    """All inputs of one point.

    Parameters
    ----------
    arch, workload : shipped name, or path of a file
    arch_fields, workload_fields : dotted path -> value, laid over the files
    mapping, inferences, seed : as for `hermes_sim.simulate`
    in_flight : inferences started and not yet done, at most; default as many as the buffers hold
    accuracy : whether the crossbars are simulated on real data
    data_dir : folder of data sets for that
    names : what the study calls its parameters -> their values here, for tables
    """

    arch: str
    workload: str
    arch_fields: Mapping[str, Any] = field(default_factory=dict)
    workload_fields: Mapping[str, Any] = field(default_factory=dict)
    mapping: str = DEFAULT_MAPPING
    inferences: int | None = None
    in_flight: int | None = None
    seed: int = 0
    accuracy: bool = False
    data_dir: str | None = None
    names: Mapping[str, Any] = field(default_factory=dict)

    def chip(self) -> Chip:
        """Chip of this point."""
        return load_arch(self.arch, self.arch_fields)

    def work(self) -> Workload:
        """Workload of this point."""
        return load_workload(self.workload, self.workload_fields)

    def record(self) -> dict[str, Any]:
        """Plain, JSON-ready inputs."""
        return {name: value for name, value in asdict(self).items() if name != "names"}


def point_key(point: DesignPoint, chip_values: Mapping[str, Any], workload_values: Mapping[str, Any]) -> str:
    """Hash of resolved inputs, version and code: the same for the same design, however a study spells it.

    The seed counts where accuracy is asked for or the mapping uses it; of a mapping file its content counts.

    Parameters
    ----------
    chip_values, workload_values : what `plain_values` gives for the resolved chip and workload
    """
    content: dict[str, Any] = {
        "version": __version__,
        "code": code_fingerprint(),
        "arch": chip_values,
        "workload": workload_values,
        "mapping": point.mapping,
        "inferences": point.inferences or workload_values.get("inferences"),
    }
    if point.in_flight is not None:
        content["in_flight"] = point.in_flight
    if uses_seed(point.mapping):
        content["seed"] = point.seed
    if Path(point.mapping).is_file():
        content["mapping"] = hashlib.sha256(Path(point.mapping).read_bytes()).hexdigest()
    if point.accuracy:
        content |= {"accuracy": True, "seed": point.seed, "data_dir": point.data_dir}
    return _sha256(content)


def rejected_key(point: DesignPoint, files: str) -> str:
    """Key of a point whose chip or workload cannot even be loaded: the hash of its inputs as written.

    Parameters
    ----------
    files : hash of the files that a study starts from; once one is mended the point is run again
    """
    return _sha256({"version": __version__, "code": code_fingerprint(), "files": files, "rejected": point.record()})


def _sha256(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_values(section: Chip | Workload) -> dict[str, Any]:
    """Dotted path -> value in internal units, without what no result depends on (names, sources, kinds)."""
    flat: dict[str, Any] = {}
    if isinstance(section, Chip):
        _flatten(resolved(section), "", flat)
    else:
        _flatten(identity(section), "", flat)
        flat["kind"] = section.kind  # of a workload it is a choice, of a quantity a label
    return flat


def _flatten(node: Any, prefix: str, flat: dict[str, Any]) -> None:
    if isinstance(node, dict):
        if "value" in node and "unit" in node:
            flat[prefix] = float(node["value"])
            return
        for key, value in node.items():
            if key not in _LABELS:
                _flatten(value, f"{prefix}.{key}" if prefix else str(key), flat)
    elif isinstance(node, list) and node and isinstance(node[0], (dict, list)):
        for i, value in enumerate(node):
            _flatten(value, f"{prefix}.{i}", flat)
    else:
        flat[prefix] = node


def evaluate(point: DesignPoint, *, key: str, study: str = "") -> dict[str, Any]:
    """Run one design point; an error becomes a record of status ``failed``, never an exception.

    Returns
    -------
    flat record, see `hermes_sim.explore.columns`
    """
    started_s = time.perf_counter()
    record = new_record(point, key=key, study=study, status="done")
    from hermes_sim.flow import map_workload  # noqa: PLC0415 - the main process need not wait for Numba

    try:
        chip, work = point.chip(), point.work()
        mapped = map_workload(chip, work, point.mapping, seed=point.seed)
        record |= {"arch": chip.name, "workload": work.name, "mapping": point.mapping}
        count = work.inferences if point.inferences is None else point.inferences
        record |= timing_of(mapped, count, in_flight=point.in_flight)
        if point.accuracy:
            record |= _accuracy(point, mapped, work)
    except HermesSimError as error:
        record |= {"status": "failed", "error": str(error)}
    except MemoryError:
        record |= {"status": "failed", "error": "MemoryError: the point needs more memory than there is"}
    except Exception as error:  # noqa: BLE001 - one bad point must not end a study of thousands; it is reported
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"unexpected {type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        record |= {"status": "failed", "error": text}
    record["duration_s"] = time.perf_counter() - started_s
    return record


def new_record(point: DesignPoint, *, key: str, study: str, status: str, error: str | None = None) -> dict[str, Any]:
    """What a record holds whatever the results: the point, what became of it, when, and by which code."""
    return {
        "key": key,
        "study": study,
        "status": status,
        "error": error,
        "hermes_sim_version": __version__,
        "code": code_fingerprint(),
        "created_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "parameters": dict(point.names),
        "inputs": point.record(),
    }


def timing_of(mapped: Mapped, inferences: int, *, in_flight: int | None = None) -> dict[str, Any]:
    """Flat timing, energy and area of one design; the numbers are those of `hermes_sim.simulate`."""
    figures = mapped.figures(inferences, in_flight=in_flight, bound=True)
    assert figures.lower_bound_ps is not None
    return {
        "inferences": inferences,
        "latency_ns": figures.latency_ns,
        "makespan_ns": figures.makespan_ns,
        "throughput_inferences_per_s": figures.throughput_inferences_per_s,
        "energy_pj_total": figures.total_pj,
        "energy_pj_per_inference": figures.energy_pj,
        "energy_pj_on_chip_per_inference": figures.energy_on_chip_pj,
        "energy_pj_static": figures.static_pj,
        "energy_pj_dynamic": figures.total_pj - figures.static_pj,
        "energy_pj_by_component": json.dumps(figures.by("component")),
        "power_w": figures.power_w,
        "ops": figures.lowered.ops,
        "tops": figures.tops,
        "tops_per_w": figures.tops_per_w,
        "lower_bound_ns": figures.lower_bound_ps / 1e3,
        "bottleneck_resource": figures.bottleneck.resource,
        "bottleneck_utilization": figures.bottleneck.utilization,
        "firings": figures.record.n_firings,
        "area_mm2": mapped.chip.area_mm2,
        "cores_used": mapped.mapping.cores_used,
        "pieces": len(mapped.mapping.blocks),
        "bytes_hops": bytes_hops(mapped.graph, mapped.mapping, mapped.chip),
        "mapping_note": mapped.mapping.note,
        **{RESOURCE_KINDS[kind]: share for kind, share in figures.busiest.items()},
    }


def _accuracy(point: DesignPoint, mapped: Mapped, work: Workload) -> dict[str, Any]:
    from hermes_sim.numerics.workloads import workload_accuracy  # noqa: PLC0415 - scikit-learn takes a second

    found = workload_accuracy(
        work,
        mapped.chip,
        mapped.graph,
        mapped.mapping,
        seed=point.seed,
        wanted=True,
        data_dir=point.data_dir,
        question=Question(by_layer=False),
    )
    return {f"accuracy_{name}": value for name, value in (found.accuracy or {}).items()}
