"""One boundary on both sides: what lies between a device's operators and whoever waits for their results.

A chip's energy has its off-chip channel and its host in it; so has a baseline's: inputs and results cross the link to
the device, the device idles meanwhile, and its host idles all the time. A response waits for every part in turn:
inputs, kernels, results, and the moment at which the host knows that they are there. Back to back, copies run beside
the kernels of other inferences, so that only a link slower than the device shows; nobody waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Timing
from hermes_sim.workload.graph import OpKind

if TYPE_CHECKING:
    from hermes_sim.baselines.flow import Flow
    from hermes_sim.baselines.schema import Host, HostLink

DEVICE, LINK, HOST, WAIT = "device", "link", "host", "wait"


@dataclass(frozen=True)
class Parts:
    """Time and energy per inference by part; the parts add up."""

    time_ns: dict[str, float]
    energy_pj: dict[str, float]


@dataclass(frozen=True)
class Boundary:
    """What surrounds a device while it runs `batch` inferences.

    Parameters
    ----------
    in_bytes, out_bytes : of one inference, over the link
    idle_mw : of the device while it waits for the link or is waited for
    start_ns : of one copy, as of a kernel
    wait_ns : until the host knows that a response is there
    """

    link: HostLink | None
    host: Host | None
    in_bytes: float
    out_bytes: float
    idle_mw: float
    start_ns: float
    wait_ns: float
    batch: int
    timing: Timing

    def around(self, device_ns: float, device_pj: float) -> Parts:
        """Parts per inference, from time and energy of the device's operators."""
        link_ns = self._link_ns(device_ns)
        wait_ns = self.wait_ns / self.batch if self.timing is Timing.RESPONSE else 0.0
        total_ns = device_ns + link_ns + wait_ns
        link_pj = 0.0
        if self.link is not None:
            link_pj = (self.in_bytes + self.out_bytes) * self.link.energy.pj_per_byte
            link_pj += self.link.static_power.mw * total_ns
        host_mw = self.host.idle_power.mw if self.host is not None else 0.0
        return Parts(
            {DEVICE: device_ns, LINK: link_ns, WAIT: wait_ns},
            {DEVICE: device_pj + self.idle_mw * (link_ns + wait_ns), LINK: link_pj, HOST: host_mw * total_ns},
        )

    def _link_ns(self, device_ns: float) -> float:
        """Time per inference that the link adds to that of the device."""
        if self.link is None:
            return 0.0
        copies = [n_bytes / (1e3 * self.link.bandwidth.bytes_per_ps) for n_bytes in self._copied]
        starts_ns = len(copies) * self.start_ns / self.batch
        if self.timing is Timing.RESPONSE:
            return starts_ns + len(copies) * self.link.latency.ps / 1e3 / self.batch + sum(copies)
        return starts_ns + max(0.0, max(copies, default=0.0) - device_ns)

    @property
    def _copied(self) -> list[float]:
        return [n_bytes for n_bytes in (self.in_bytes, self.out_bytes) if n_bytes]


def values_in_and_out(flow: Flow) -> tuple[int, int]:
    """Values that one inference is given, and those that it gives back."""
    ends = flow.sources.values()
    given = sum(op.tokens * op.out_values for op in ends if op.kind is OpKind.INPUT)
    wanted = (flow.into[op.name] for op in ends if op.kind is OpKind.OUTPUT)
    return given, sum(flow.edge_values(edge) for edges in wanted for edge in edges)
