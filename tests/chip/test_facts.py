"""Values of the shipped files with their kinds and sources, as the page of facts about the chip gives them.

A value that is mended has to be mended here, too. Kinds: measured on this chip and published; rtl, the authors'
simulation; spec, a vendor's data sheet; derived by arithmetic on these; literature, of another chip or model; fitted
to a published figure; assumed, no public figure.
"""

from __future__ import annotations

import pytest

from hermes_sim.baselines.load import load_baseline
from hermes_sim.chip.load import load_arch
from hermes_sim.config.parameters import quantities
from hermes_sim.config.quantity import Kind, convert

# path, value, unit, kind, key that the source begins with
CHIP = [
    ("clock", 1, "GHz", "measured", "LG23"),
    ("cores.clusters", 8, "count", "derived", "BU24"),
    ("cores.per_cluster", 8, "count", "derived", "BU24"),
    ("core.rows", 256, "count", "measured", "LG23"),
    ("core.columns", 256, "count", "measured", "LG23"),
    ("core.reference_size.rows", 256, "count", "measured", "LG23"),
    ("core.reference_size.columns", 256, "count", "measured", "LG23"),
    ("core.area", 0.635, "mm**2", "derived", "LG23"),
    ("core.read.time", 133 - (127 + (520 - 133) / 3 - 127), "ns", "derived", "LG23"),
    ("core.read.phase_time", (520 - 133) / 3 - 127, "ns", "derived", "LG23"),
    ("core.read.energy", 0.86 / 64 - (3.38 - 0.86) / 64 / 3, "uJ", "derived", "LG23"),
    ("core.read.phase_energy", (3.38 - 0.86) / 64 / 3, "uJ", "derived", "LG23"),
    ("core.read.point.pulse", 127, "ns", "measured", "LG23"),
    ("core.read.point.supply_voltage", 0.8, "V", "measured", "LG23"),
    ("core.read.point.read_voltage", 0.2, "V", "measured", "LG23"),
    ("core.reference_size.cell_devices", 2, "count", "measured", "LG23"),
    ("core.analog.adc.columns", 1, "count", "measured", "LG23"),
    ("core.analog.supply_voltage", 0.8, "V", "measured", "LG23"),
    ("core.analog.adc.bits", 12, "count", "measured", "KA22"),
    ("core.analog.adc.gain_spread", 0.0709, "count", "measured", "KA22"),
    ("core.analog.input_bits", 8, "count", "measured", "LG23"),
    ("core.analog.input_step", 1, "ns", "measured", "LG23"),
    ("core.analog.read_voltage", 0.2, "V", "measured", "LG23"),
    ("core.analog.device.devices", 2, "count", "measured", "LG23"),
    ("core.analog.device.g_max", 20.7, "uS", "fitted", "NA19"),
    ("core.analog.device.cell_devices", 2, "count", "measured", "LG23"),
    ("core.analog.device.read_time", 512e-9, "s", "measured", "LG23"),
    ("core.analog.device.statistics.two_devices.devices", 2, "count", "measured", "LG23"),
    ("core.analog.device.statistics.two_devices.g_max", 20.7, "uS", "literature", "NA19"),
    ("core.analog.device.statistics.two_devices.reference_time", 300, "s", "literature", "NA19"),
    ("core.analog.device.statistics.one_device.devices", 1, "count", "measured", "LG23"),
    ("core.analog.device.statistics.one_device.g_max", 10.35, "uS", "literature", "NA19"),
    ("core.analog.device.statistics.one_device.reference_time", 200, "s", "literature", "NA19"),
    ("core.analog.adc.saturation_current", 100, "uA", "measured", "LG23"),
    ("core.programming.cycles_per_diagonal", 8, "count", "measured", "LG23"),
    ("core.programming.polarities", 2, "count", "measured", "LG23"),
    ("core.programming.reset_time", 125, "ns", "measured", "LG23"),
    ("core.programming.reset_current", 700, "uA", "measured", "LG23"),
    ("core.programming.pulse_time", 125, "ns", "measured", "LG23"),
    ("core.programming.verify_time", 512 + 256, "ns", "derived", "LG23"),
    ("numbers.core_input", 1, "byte", "measured", "LG23"),
    ("digital_units.gdpu.count", 8, "count", "measured", "LG23"),
]

# What the page gives no figure for, and that a reader could take for one: path, kind, key of the source.
NOT_MEASURED = [
    ("core.reference_size.ldpu_lanes", "assumed", "no public figure"),
    ("core.analog.stuck_cells", "assumed", "LG23"),
    ("core.analog.device.statistics.one_device.reset_error", "assumed", "NA19"),
    ("core.analog.device.statistics.two_devices.reset_error", "assumed", "NA19"),
    ("core.analog.temperature.inference", "assumed", "not published"),
    ("core.analog.temperature.coefficient", "assumed", "no public figure"),
    ("core.programming.pulse_current", "assumed", "LG23"),
    ("core.programming.iterations", "assumed", "LG23"),
    ("core.static_power", "assumed", "no public figure"),
    ("core.read.drivers", "assumed", "no public figure"),
    ("core.read.pulse_energy", "assumed", "NeuRRAM"),
    ("core.read.point.inputs", "assumed", "uniform inputs"),
    ("core.analog.polarity_error", "assumed", "npj"),
    ("core.analog.wire_resistance", "assumed", "no public figure"),
    ("core.analog.adc.four_phase_noise", "assumed", "no public figure"),
    ("core.analog.adc.counting", "assumed", "no public figure"),
    ("network.static_power", "assumed", "no public figure"),
    ("network.clock", "assumed", "no public figure"),
    ("numbers.digital", "assumed", "LG23"),
    ("digital_units.gdpu.clock", "assumed", "core clock"),
    ("core.ldpu.group_time", "fitted", "LG23"),
    ("digital_units.gdpu.functions.sigmoid.energy", "assumed", "RM22"),
    ("digital_units.gdpu.functions.sigmoid.unexplained", "fitted", "LG23"),
    ("digital_units.gdpu.memory.registers.energy", "assumed", "CH16"),
    ("digital_units.gdpu.memory.sram.energy", "literature", "HO14"),
    ("digital_units.gdpu.memory.sram.width", "assumed", "no public figure"),
    ("digital_units.gdpu.token_block", "assumed", "no public figure"),
    ("core.ldpu.affine_energy", "assumed", "RM22"),
    ("digital_units.host.functions.mac.energy", "assumed", "baselines/server_cpu.yaml"),
    ("digital_units.host.functions.exp.energy", "assumed", "baselines/server_cpu.yaml"),
    ("digital_units.host.static_power", "assumed", "baselines/server_cpu.yaml"),
    ("digital_units.host.clock", "spec", "ARK"),
    ("digital_units.host.memory.dram.energy", "assumed", "baselines/server_cpu.yaml"),
]

# model of two devices and of one: c0 ... of programming; split, slope, offset, low, high, polynomial of the others
TWO = {
    "programming_error": [0.16603222, 4.71806468, -8.48101252, 4.68961419],
    "drift_mean": (0.0945, -0.0387, -0.0182, 0.0720, 0.13, [0.0736, -0.0126, -0.0436]),
    "drift_sd": (0.3055, -0.0117, -0.0057, 0.0091, 0.04, [0.0073, 0.0093, -0.0118]),
    "read_noise": (0.16, -0.0117, -0.0069, 0.015, 0.04, [0.0123, 0.0211, -0.0280, 0.0069]),
}
ONE = {
    "programming_error": [0.15781817, 2.32443916, -2.16310839, 0.68841818],
    "drift_mean": TWO["drift_mean"],
    "drift_sd": (0.3039, -0.0120, -0.0023, 0.0124, 0.04, [0.0104, 0.0116, -0.0165]),
    "read_noise": (0.1591, -0.0078, 0.0038, 0.0179, 0.04, [0.0088, 0.0768, -0.1352, 0.0664]),
}

# INT8 TOPS, FP16 (bf16 of a TPU), FP32, GB/s, W
BASELINES = [
    ("a100", 624, 312, 19.5, 2039, 400),
    ("h100", 1979, 989, 67, 3350, 700),
    ("t4", 130, 65, 8.1, 320, 70),
    ("jetson_agx_orin", 138, None, 5.3, 204.8, 60),  # of FP16 there is no data sheet figure
    ("tpu_v4", 275, 275, None, 1200, 192),
]


def found(section):
    return {quantity.path: quantity for quantity in quantities(section)}


@pytest.mark.parametrize("arch", ["hermes_64", "hermes_64_hetero"])
@pytest.mark.parametrize(("path", "value", "unit", "kind", "source"), CHIP)
def test_values_of_the_chip_are_those_of_the_page(arch, path, value, unit, kind, source):
    quantity = found(load_arch(arch))[path]
    assert quantity.value == pytest.approx(convert(value, unit, quantity.dimension, where=path), rel=1e-12)
    assert (quantity.kind, quantity.source.split()[0]) == (Kind(kind), source)


@pytest.mark.parametrize(("path", "kind", "source"), NOT_MEASURED)
def test_what_is_not_published_is_not_called_so(path, kind, source, hermes):
    quantity = found(hermes)[path]
    assert quantity.kind == Kind(kind)
    assert quantity.source.startswith(source)
    assert quantity.low is not None


def test_nothing_is_called_published_that_the_page_does_not_give(hermes, hetero):
    from_page = {path for path, *_ in CHIP}
    for chip in (hermes, hetero):
        for path, quantity in found(chip).items():
            if quantity.kind in {Kind.MEASURED, Kind.RTL}:
                assert path in from_page, path


@pytest.mark.parametrize(("name", "model"), [("two_devices", TWO), ("one_device", ONE)])
def test_device_models_are_the_published_fits(name, model, hermes):
    device = hermes.core.analog.device.statistics[name]
    assert device.reset_error.u_s == model["programming_error"][0]
    for field, published in model.items():
        curve = getattr(device, field)
        assert (curve.kind, curve.source) == (Kind.FITTED, "NA19 fitted to HERMES")
        if field == "programming_error":
            assert list(curve.coefficients) == published
            continue
        given = (curve.split, curve.log_slope, curve.log_offset, curve.low, curve.high, list(curve.coefficients))
        assert given == published


@pytest.mark.parametrize(("name", "int8", "fp16", "fp32", "gb_per_s", "watts"), BASELINES)
def test_peaks_of_accelerators_are_those_of_their_data_sheets(name, int8, fp16, fp32, gb_per_s, watts):
    device = load_baseline(name)
    values = [("memory.bandwidth", gb_per_s, "GB/s"), ("board_power", watts, "W")]
    half = "bf16" if name == "tpu_v4" else "fp16"
    peaks = (
        (f"matrix_peak.{precision}", tops, "TOPS") for precision, tops in (("int8", int8), (half, fp16), ("fp32", fp32))
    )
    for path, value, unit in [*values, *(peak for peak in peaks if peak[1] is not None)]:
        quantity = found(device)[path]
        assert quantity.value == pytest.approx(convert(value, unit, quantity.dimension, where=path), rel=1e-12)
        assert quantity.kind is Kind.SPEC
        assert quantity.source
