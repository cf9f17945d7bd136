"""Traces as pandas tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64, DataflowProgram
    from hermes_sim.trace.schema import Trace


def to_frame(trace: Trace) -> pd.DataFrame:
    """One row per firing, in order of actor and firing.

    Columns
    -------
    actor, resource : names, categorical
    firing : number of the firing
    ready_ps, start_ps : ps      when its needs were met, when it was given a server
    end_ps : ps                  when it gave the server back
    finish_ps : ps               when dependents saw its result
    """
    n = len(trace.firings)
    return rows_to_frame(
        trace.program,
        actor=np.repeat(np.arange(n), trace.firings),
        firing=np.concatenate([np.zeros(0, np.int64), *(np.arange(count) for count in trace.firings)]),
        ready_ps=np.concatenate([np.zeros(0, np.int64), *(trace.readies(a) for a in range(n))]),
        start_ps=np.concatenate([np.zeros(0, np.int64), *(trace.starts(a) for a in range(n))]),
    )


def rows_to_frame(program: DataflowProgram, *, actor: I64, firing: I64, ready_ps: I64, start_ps: I64) -> pd.DataFrame:
    """Table of some firings, columns as in `to_frame`."""
    resource = program.resource[actor]
    return pd.DataFrame(
        {
            "actor": pd.Categorical.from_codes(actor, categories=pd.Index(program.actor_names)),
            "resource": pd.Categorical.from_codes(resource, categories=pd.Index(program.resource_names)),
            "firing": firing,
            "ready_ps": ready_ps,
            "start_ps": start_ps,
            "end_ps": start_ps + program.interval_ps[actor],
            "finish_ps": start_ps + program.latency_ps[actor],
        }
    )
