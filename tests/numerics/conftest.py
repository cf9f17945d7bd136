import pytest

from hermes_sim.chip.load import load_arch
from hermes_sim.crossbar.spec import core_crossbar
from hermes_sim.numerics.chip_models import with_model


@pytest.fixture(scope="session")
def spec():
    core = load_arch(with_model("hermes_64", "fixed_counts")).core  # counts that do not depend on calibration
    return core_crossbar(core)
