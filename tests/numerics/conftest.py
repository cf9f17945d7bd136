import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import crossbar_spec


@pytest.fixture(scope="session")
def spec():
    core = load_arch("hermes_64").core
    return crossbar_spec(core.analog, rows=core.rows.n, columns=core.columns.n)
