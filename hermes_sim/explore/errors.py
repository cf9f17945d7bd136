"""What can be wrong with a study or its store."""

from __future__ import annotations

from hermes_sim.errors import HermesSimError, OutputError


class StudyError(HermesSimError):
    """A study description that cannot be used."""

    code = "bad_study"


class StoreError(OutputError):
    """A store of results that cannot be read or written."""

    code = "bad_store"
