"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest

from hermes_sim.chip.load import load_arch

SHARED = Path(__file__).parents[1].parent / "shared"


def pytest_addoption(parser):
    parser.addoption("--golden-update", action="store_true", help="store the results of tests/golden as they are now")


def pytest_configure(config):
    if numba.config.DISABLE_JIT:  # hashes wrap; machine code says nothing about it
        config.addinivalue_line("filterwarnings", "ignore:overflow encountered in scalar:RuntimeWarning")


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_the_user(tmp_path_factory):
    """Data sets that somebody fetched to this machine are not seen by tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data_home")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference data beside the repository; it is on CI, a user does not have it."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data beside the repository ({SHARED.name}/)")
    return SHARED


@pytest.fixture(scope="session")
def hermes():
    return load_arch("hermes_64")


@pytest.fixture(scope="session")
def hetero():
    return load_arch("hermes_64_hetero")
