"""Makes `support` importable, and gives tests every engine in turn."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from engines import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request):
    """Every engine in turn."""
    return ENGINES[request.param]
