import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar


@pytest.fixture(scope="session")
def spec():
    core = load_arch("hermes_64").core
    return core_crossbar(core)
