"""The model of a chip's cells, from the `device` and `temperature` sections of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes_sim.chip.device import CellKind, Statistics
from hermes_sim.device.levels import level_spec
from hermes_sim.device.pcm import pcm_spec
from hermes_sim.device.spec import Warmth
from hermes_sim.device.table import table_spec
from hermes_sim.errors import DeviceModelError
from hermes_sim.extensions import extension

if TYPE_CHECKING:
    from hermes_sim.chip.device import Device, Temperature
    from hermes_sim.config.quantity import Quantity
    from hermes_sim.device.pcm import DeviceSpec
    from hermes_sim.device.spec import CellModel


def device_spec(device: Device) -> CellModel:
    """Cells with the devices in use.

    Raises    DeviceModelError  for values with which the model does not hold
    """
    if device.model not in list(CellKind):
        made: CellModel = extension("devices", device.model)(device)
        return made
    if device.levels is not None and device.model is CellKind.LEVELS:
        return level_spec(device.levels, n_devices=device.devices.n, g_max_uS=device.range_uS)
    measured = device.measured()
    if isinstance(measured, Statistics):
        return pcm_spec(measured, g_max_uS=device.range_uS, t_read_s=device.read_time.s)
    return table_spec(measured, g_max_uS=device.range_uS)


def published_specs(device: Device) -> dict[int, DeviceSpec]:
    """Published PCM statistics by number of devices, each over its full range.

    Raises    DeviceModelError  if a chip has none
    """
    if not device.statistics:
        where = "core.analog.device.statistics"
        raise DeviceModelError(where, got="nothing", allowed="statistics of PCM cells to compare with a table")
    return {
        one.devices.n: pcm_spec(one, g_max_uS=one.g_max.u_s, t_read_s=device.read_time.s)
        for one in device.statistics.values()
    }


def warmth_of(temperature: Temperature) -> tuple[Warmth, Warmth]:
    """Temperature of the inference, and of the drift compensation, against that of programming."""

    def warmer(read: Quantity) -> Warmth:
        return Warmth(
            kelvin=read.k - temperature.programming.k,
            coefficient_per_k=temperature.coefficient.per_k,
            spread_per_k=temperature.coefficient_spread.per_k,
        )

    return warmer(temperature.inference), warmer(temperature.compensation or temperature.inference)
