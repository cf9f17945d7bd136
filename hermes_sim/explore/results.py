"""Stored records as a data frame with one column per parameter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hermes_sim.explore.columns import SCHEMA
from hermes_sim.explore.expressions import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from hermes_sim.explore.schema import StudyFile


def frame_of(table: pa.Table, *, points: Sequence[tuple[str, Mapping[str, Any]]] | None = None) -> pd.DataFrame:
    """Data frame of a store's table; parameters stand first and keep the names of the study.

    Parameters
    ----------
    points : keys and parameters of the rows to give, in this order; default all, named as they were stored
    """
    frame: pd.DataFrame = table.to_pandas()
    if points is None:
        parameters = [json.loads(text) if text else {} for text in frame["parameters"]]
    else:
        row_of = {key: i for i, key in enumerate(frame["key"])}
        present = [(row_of[key], names) for key, names in points if key in row_of]
        frame = frame.iloc[[row for row, _ in present]].reset_index(drop=True)
        parameters = [dict(names) for _, names in present]
    names = list(dict.fromkeys(name for row in parameters for name in row))
    columns = {name: [_plain(row.get(name)) for row in parameters] for name in names}
    rest = [name for name in SCHEMA.names if name not in columns and name != "parameters"]
    return pd.concat([pd.DataFrame(columns, index=frame.index), frame[rest]], axis=1)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def parameter_names(study: StudyFile, frame: pd.DataFrame) -> list[str]:
    """Parameters of a study that take more than one value in its results."""
    return [name for name in study.parameters if name in frame and len(set(frame[name])) > 1]


def select(frame: pd.DataFrame, *rules: str | None) -> pd.DataFrame:
    """Finished rows that fulfil every rule.

    Raises
    ------
    StudyError
        a rule that is no formula, or names no column
    """
    frame = frame[frame["status"] == "done"]
    for text in rules:
        if not text:
            continue
        rule = parse(text, "condition")
        keep = [bool(rule.value(row, where="condition")) for row in rows_of(frame)]
        frame = frame[np.array(keep, dtype=np.bool_)]  # an empty list would select no columns
    return frame
