"""What commands print with `--json`, as typed, frozen records; `hermes-sim schema COMMAND` prints their JSON schemas.

`run` prints the result document, `hermes_sim.result.Metrics`. Units stand in the names.
"""

from __future__ import annotations

from typing import Any


def documents() -> dict[str, Any]:
    """Command -> the document that it prints; a union where an option decides which."""
    from hermes_sim.cli.documents import accuracies, comparisons, lists, runs, studies, validations
    from hermes_sim.result import Metrics

    return {
        "run": Metrics,
        "list": lists.NamesDocument,
        "show": lists.ShowDocument,
        "map": runs.MapDocument,
        "trace": runs.TraceDocument,
        "load": runs.LoadDocument,
        "explain": runs.ExplainDocument | runs.QuantitiesDocument,
        "compare": comparisons.CompareDocument,
        "reproduce": validations.ReproduceDocument,
        "accuracy": accuracies.AccuracyDocument,
        "drift": accuracies.DriftDocument,
        "fit": validations.FitDocument | validations.ProfilesDocument,
        "new": lists.NewDocument,
        "partition": studies.PartitionDocument,
        "train": accuracies.TrainDocument,
        "baseline list": comparisons.BaselineListDocument,
        "baseline run": comparisons.BaselineRunDocument,
        "baseline systolic": comparisons.SystolicDocument,
        "data list": lists.DataListDocument,
        "data get": lists.DataGetDocument,
        "sweep run": studies.SweepDocument,
        "sweep resume": studies.SweepDocument,
        "sweep show": studies.StudyDocument,
        "sweep best": studies.BestDocument,
        "sweep compare": studies.StoresDocument,
        "validate chip": validations.ValidationDocument,
        "validate engines": validations.ValidationDocument,
        "validate baselines": validations.ValidationDocument,
        "validate device": validations.DeviceDocument,
        "validate accuracy": validations.MeasuredDocument,
    }
