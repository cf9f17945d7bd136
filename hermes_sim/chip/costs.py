"""Time and energy of every stage of the chip, each as a sum of terms that name the config values behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from hermes_sim.chip.floorplan import ONE_PITCH
from hermes_sim.chip.schema import OFF_CHIP_LEVEL
from hermes_sim.chip.streaming import GroupStream, start_after_ps
from hermes_sim.config.quantity import Kind, Quantity, least_certain
from hermes_sim.errors import ArchConfigError, ProgramError
from hermes_sim.workload.operators import OpKind

if TYPE_CHECKING:
    from hermes_sim.chip.floorplan import Span
    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip, DigitalUnit, Port
    from hermes_sim.config.vocabulary import Function
    from hermes_sim.workload.graph import Operator


@dataclass(frozen=True)
class Term:
    """One part of a cost: its value, how often the quantity counts, and the config values it came from.

    `is_product` is False for what is left of a time beside another one: it follows from the values, but is no product.
    """

    value: float
    component: str
    paths: tuple[str, ...]
    kind: Kind
    is_product: bool = True


def term(value: float, component: str, *factors: Quantity) -> Term:
    """Term of a product of config values; its kind is that of the least certain factor."""
    return Term(value, component, tuple(f.path for f in factors), least_certain([f.kind for f in factors]))


@dataclass(frozen=True)
class Cost:
    """What one firing of an actor costs.

    Parameters
    ----------
    interval_ps, latency_ps : how long it holds its resource, and until its result is there
    times : what `latency_ps` is made of, in ps
    energies : energy terms in pJ
    stream : how the result comes out bit by bit; None where it is there all at once

    Raises
    ------
    ProgramError
        times that do not add up to `latency_ps`
    """

    interval_ps: int
    latency_ps: int
    times: tuple[Term, ...] = ()
    energies: tuple[Term, ...] = ()
    stream: GroupStream | None = None

    def __post_init__(self) -> None:
        total_ps = sum(part.value for part in self.times)
        if total_ps != self.latency_ps:
            parts = ", ".join(f"{part.component} {part.value} ps" for part in self.times)
            raise ProgramError(
                "terms of a cost",
                got=f"{parts or 'none'}, {total_ps} ps in all",
                allowed=f"{self.latency_ps} ps in all",
            )

    def passes_on_to(self, next_stage: Cost) -> bool:
        """Whether both hand on flits before these are whole."""
        streams = (self.stream, next_stage.stream)
        return all(stream is not None and stream.passes_on for stream in streams)

    def until(self, next_stage: Cost, part: tuple[float, float] = (0.0, 1.0)) -> Cost:
        """The same stage with the time until the next one, which takes part of its result group by group, may begin."""
        if self.stream is None or next_stage.stream is None:
            return self
        return self._cut(start_after_ps(self.stream, next_stage.stream, part), next_stage)

    def until_free_for(self, writer: Cost) -> Cost:
        """The same stage with the time until another may begin to write where this one reads, and not overtake it."""
        return self if self.stream is None else self._cut(max(0, self.interval_ps - writer.interval_ps), writer)

    def _cut(self, latency_ps: int, other: Cost) -> Cost:
        """The first part of its times; the last of them rests on those of the other stage, too: its pace matters."""
        left_ps = latency_ps = min(self.latency_ps, latency_ps)
        times = []
        for each in self.times:
            value = min(each.value, left_ps)
            left_ps -= int(value)
            if value:
                times.append(replace(each, value=value))
        if times and not self.passes_on_to(other):
            both = (times[-1], *other.times)
            paths = dict.fromkeys(path for each in both for path in each.paths)
            kind = least_certain([each.kind for each in both])
            times[-1] = replace(times[-1], paths=tuple(paths), kind=kind, is_product=False)
        return Cost(self.interval_ps, latency_ps, tuple(times), self.energies, self.stream)


FREE = Cost(0, 0)


def bytes_per_value(chip: Chip, place: Place) -> float:
    """Bytes of one value on its way to a place: cores take 8-bit inputs, everything else the digital format."""
    return chip.numbers.core_input.n_bytes if place.is_core else chip.numbers.digital.n_bytes


def read_cost(chip: Chip, n_rows: int, n_columns: int) -> Cost:
    """One matrix-vector product: the energy of the rows, columns and cells in use, against a core of reference size."""
    read = chip.read_of()
    core, full_pj = chip.core, read.energy.pj
    row_frac = n_rows / core.reference_size.rows.n
    column_frac = n_columns / core.reference_size.columns.n
    drivers, converters = core.energy_split.drivers, core.energy_split.converters
    array_frac = 1 - drivers.ratio - converters.ratio
    energies: tuple[Term, ...] = (
        term(full_pj * array_frac * row_frac * column_frac, "crossbar array", read.energy, drivers, converters),
        term(full_pj * drivers.ratio * row_frac, "crossbar drivers", read.energy, drivers),
        term(full_pj * converters.ratio * column_frac, "crossbar converters", read.energy, converters),
    )
    if row_frac == column_frac == 1:  # a full core is as measured, whatever the split
        energies = tuple(Term(e.value, e.component, e.paths, read.energy.kind) for e in energies)
    latency_ps = read.latency.ps
    return Cost(latency_ps, latency_ps, (term(latency_ps, "crossbar", read.latency),), energies)


def ldpu_cost(chip: Chip, n_columns: int, *, add: bool = False) -> Cost:
    """Affine correction of all columns of a block, or (add) the addition of another core's partial sums."""
    ldpu = chip.core.ldpu
    group_time = ldpu.add_group_time if add else ldpu.group_time
    n_groups = -(-n_columns // ldpu.lanes.n)
    time_ps = n_groups * group_time.ps
    per_column = ldpu.add_energy if add else ldpu.affine_energy
    return Cost(
        time_ps,
        time_ps,
        (term(time_ps, "LDPU", ldpu.lanes, group_time),),
        (term(n_columns * per_column.pj, "LDPU", per_column),),
        GroupStream(n_groups, ldpu.lanes.n / n_columns, time_ps),
    )


def port_cost(chip: Chip, port: Port, name: str, n_bytes: float) -> Cost:
    """Bytes through a core's input or output port."""
    n_cycles = _ceil(n_bytes / port.width.n_bytes)
    time_ps = chip.clock.cycles_ps(n_cycles)
    return Cost(
        time_ps,
        time_ps,
        (term(time_ps, name, chip.clock, port.width),),
        (term(n_bytes * port.energy.pj_per_byte, name, port.energy),),
        GroupStream(n_cycles, port.width.n_bytes / n_bytes, time_ps),
    )


def hop_cost(chip: Chip, n_bytes: float, *, span: Span = ONE_PITCH) -> Cost:
    """One link: busy for all flits of a packet, header first; each is at the other end after the hop.

    Parameters
    ----------
    span : wire of the link beyond one pitch; it counts in whole cycles of the link's clock
    """
    network = chip.network
    n_flits = _ceil(n_bytes / network.flit.n_bytes)
    flits_ps = network.clock.cycles_ps(n_flits)
    n_header = 0 if network.header is None else _ceil(network.header.n_bytes / network.flit.n_bytes)
    header_ps = network.clock.cycles_ps(n_header)
    hop_ps = network.clock.cycles_ps(network.hop_cycles.n)
    times = [term(hop_ps, "network", network.clock, network.hop_cycles)]
    moved: list[tuple[float, tuple[Quantity, ...]]] = [(n_bytes, ())]
    moved += [(extra.n_bytes, (extra,)) for extra in (network.header, network.credit) if extra is not None]
    energies = [term(n * network.energy.pj_per_byte, "network", network.energy, *why) for n, why in moved]
    if network.wire is not None and span.charged_mm:
        wire_ps = network.clock.cycles_ps(
            _ceil(span.travelled_mm * network.wire.delay.ps_per_mm / float(network.clock.period_ps))
        )
        hop_ps += wire_ps
        times.append(term(wire_ps, "network", network.clock, network.wire.delay))
        pj_per_byte = span.charged_mm * network.wire.energy.pj_per_byte_mm
        energies += [term(n * pj_per_byte, "network", network.wire.energy, *why) for n, why in moved]
    if network.header is not None and header_ps:
        times.append(term(header_ps, "network", network.clock, network.flit, network.header))
    times.append(term(flits_ps, "network", network.clock, network.flit))
    flits = GroupStream(n_flits, network.flit.n_bytes / n_bytes, flits_ps, header_ps, hop_ps, passes_on=True)
    return Cost(header_ps + flits_ps, hop_ps + header_ps + flits_ps, tuple(times), tuple(energies), flits)


def off_chip_cost(chip: Chip, n_bytes: float) -> Cost:
    """Bytes over one direction of the off-chip channel."""
    channel = chip.off_chip
    body_ps = _ceil(n_bytes / channel.bandwidth.bytes_per_ps)
    return Cost(
        body_ps,
        body_ps + channel.latency.ps,
        (term(body_ps, "off-chip", channel.bandwidth), term(channel.latency.ps, "off-chip", channel.latency)),
        (term(n_bytes * channel.energy.pj_per_byte, "off-chip", channel.energy),),
    )


class Content(StrEnum):
    """What an operator keeps in the memory of its digital unit."""

    OPERANDS = "operands"
    WEIGHTS = "weights"
    STATE = "state"
    SEQUENCE = "sequence"


Levels = Mapping[Content, str]  # where each lies: a level of the unit's memory, or `OFF_CHIP_LEVEL`


def moved_bytes(chip: Chip, op: Operator, block: int = 1) -> dict[Content, float]:
    """Bytes that a block of tokens of a digital operator moves, by what they are.

    Operands are read and results written token by token; weights are read, and a running state read and written, once
    per block. A sequence is written and read token by token.
    """
    values = {Content.OPERANDS: block * (op.in_values + op.out_values)}
    if op.kind is OpKind.MEMORY:
        values = {Content.SEQUENCE: block * (op.in_values + op.out_values)}
    else:
        values |= {Content.WEIGHTS: op.weight_values, Content.STATE: 2 * op.state_values}
    return {content: n * chip.numbers.digital.n_bytes for content, n in values.items() if n}


def unit_cost(chip: Chip, kind: str, op: Operator, levels: Levels, *, block: int = 1) -> Cost:
    """A block of tokens of an operator on a digital unit.

    Its functions run one after the other, while every level of the memory moves its bytes beside them: the unit is held
    for the longest of these times. The start of the pipeline adds to the latency. What lies off the chip is moved by
    transfers of its own.

    Parameters
    ----------
    levels : where operands, weights and state lie
    block : tokens that share one reading of the weights
    """
    unit = chip.digital_units[kind]
    function_ps, memory_ps = _unit_times(chip, unit, op, levels, block)
    times: list[Term] = []
    energies: list[Term] = []
    for function, count in op.functions.items():
        cost = unit.functions[function]
        times.append(term(function_ps[function], kind, unit.clock, cost.lanes, cost.cycles))
        energies.append(term(block * count * cost.energy.pj, f"{kind} arithmetic", cost.energy))
        if cost.unexplained is not None:
            energies.append(term(block * count * cost.unexplained.pj, "unexplained", cost.unexplained))
    for content, n_bytes in moved_bytes(chip, op, block).items():
        if levels[content] != OFF_CHIP_LEVEL:
            level = unit.memory[levels[content]]
            if level.energy.pj_per_byte:
                energies.append(term(n_bytes * level.energy.pj_per_byte, f"{kind} {content}", level.energy))
    slowest = max(memory_ps, key=memory_ps.__getitem__, default="")
    arithmetic_ps = sum(function_ps.values())
    interval_ps = max(arithmetic_ps, memory_ps.get(slowest, 0))
    if interval_ps > arithmetic_ps:
        width = unit.memory[slowest].width
        beyond = term(interval_ps - arithmetic_ps, f"{kind} memory", unit.clock, width)
        times.append(replace(beyond, is_product=False))
    start_ps = unit.clock.cycles_ps(unit.start_cycles.n) if op.functions else 0
    times.append(term(start_ps, kind, unit.clock, unit.start_cycles))
    return Cost(interval_ps, interval_ps + start_ps, tuple(times), tuple(energies))


def unit_interval_ps(chip: Chip, kind: str, op: Operator, levels: Levels, *, block: int = 1) -> tuple[int, int]:
    """How long a block of tokens holds a digital unit, and how long it would for arithmetic alone, in ps."""
    function_ps, memory_ps = _unit_times(chip, chip.digital_units[kind], op, levels, block)
    arithmetic_ps = sum(function_ps.values())
    return max(arithmetic_ps, *memory_ps.values(), 0), arithmetic_ps


def _unit_times(
    chip: Chip, unit: DigitalUnit, op: Operator, levels: Levels, block: int
) -> tuple[dict[Function, int], dict[str, int]]:
    """Time of every function, one after the other, and of every level of the memory, all beside them."""
    function_ps = {}
    for function, count in op.functions.items():
        cost = unit.functions[function]
        function_ps[function] = unit.clock.cycles_ps(block * -(-count // cost.lanes.n) * cost.cycles.n)
    at_level: defaultdict[str, float] = defaultdict(float)
    for content, n_bytes in moved_bytes(chip, op, block).items():
        if levels[content] != OFF_CHIP_LEVEL:
            at_level[levels[content]] += n_bytes
    memory_ps = {
        name: unit.clock.cycles_ps(_ceil(n_bytes / unit.memory[name].width.n_bytes))
        for name, n_bytes in at_level.items()
    }
    return function_ps, memory_ps


def arithmetic_pj(unit: DigitalUnit, op: Operator) -> float:
    """Energy of one token's functions on a unit, memory left out."""
    costs = ((unit.functions[function], count) for function, count in op.functions.items())
    return sum(n * (cost.energy.pj + (cost.unexplained.pj if cost.unexplained else 0.0)) for cost, n in costs)


def programming_cost(chip: Chip, n_rows: int, n_columns: int) -> Cost:
    """Write a block: per diagonal and device in use, a RESET, then pulses, each with a verify read of the diagonal.

    Raises
    ------
    ArchConfigError
        a chip that does not say how it is programmed
    """
    how, core, read = chip.core.programming, chip.core, chip.core.read.four_phase
    if how is None:
        raise ArchConfigError(f"{chip.name}: core.programming", got="nothing", allowed="how weights are written")
    devices = core.analog.device.devices
    diagonals = min(n_rows + n_columns - 1, max(core.rows.n, core.columns.n))
    slots = diagonals * devices.n * how.polarities.n * how.cycles_per_diagonal.n
    reset_ps = slots * how.reset_time.ps
    pulse_ps = slots * how.iterations.n * how.pulse_time.ps
    verify_ps = diagonals * devices.n * how.iterations.n * how.verify_time.ps
    total_ps = reset_ps + pulse_ps + verify_ps
    cells = n_rows * n_columns
    fj = 1e-3  # uA V ns is fJ
    reset_pj = how.reset_current.u_a * how.voltage.v * how.reset_time.ps / 1e3 * fj
    pulse_pj = how.pulse_current.u_a * how.voltage.v * how.pulse_time.ps / 1e3 * fj
    verify_pj = read.energy.pj * core.energy_split.converters.ratio * n_columns / core.columns.n
    both, n_pulses = how.polarities.n * devices.n, devices.n * how.iterations.n
    common = (devices, how.iterations)
    times = (
        term(reset_ps, "programming", how.reset_time, devices, how.cycles_per_diagonal),
        term(pulse_ps, "programming", how.pulse_time, how.cycles_per_diagonal, *common),
        term(verify_ps, "programming", how.verify_time, *common),
    )
    energies = (
        term(cells * both * reset_pj, "programming pulses", how.reset_current, how.voltage, how.reset_time),
        term(cells * n_pulses * pulse_pj, "programming pulses", how.pulse_current, how.voltage, *common),
        term(
            diagonals * n_pulses * verify_pj,
            "programming verify",
            read.energy,
            core.energy_split.converters,
            *common,
        ),
    )
    return Cost(total_ps, total_ps, times, energies)


def compensation_cost(chip: Chip) -> Cost:
    """Read the known vectors of a core; the LDPU looks at each while the next is read.

    Raises
    ------
    ArchConfigError
        a chip that does not say how drift is compensated
    """
    how = chip.core.compensation
    if how is None:
        raise ArchConfigError(f"{chip.name}: core.compensation", got="nothing", allowed="how drift is compensated")
    read = read_cost(chip, chip.core.rows.n, chip.core.columns.n)
    post = ldpu_cost(chip, chip.core.columns.n)
    n = how.vectors.n
    total_ps = n * max(read.interval_ps, post.interval_ps) + min(read.interval_ps, post.interval_ps)
    energies = tuple(
        Term(n * e.value, f"drift compensation, {e.component}", (*e.paths, how.vectors.path), how.vectors.kind)
        for e in (*read.energies, *post.energies)
    )
    return Cost(total_ps, total_ps, (term(total_ps, "drift compensation", how.vectors),), energies)


def static_powers(chip: Chip) -> list[Term]:
    """Static power by component, in mW."""
    n_cores = chip.n_cores
    terms = [
        term(n_cores * chip.core.static_power.mw, "cores (static)", chip.core.static_power),
        term(chip.network.static_power.mw, "network (static)", chip.network.static_power),
        term(chip.off_chip.static_power.mw, "off-chip (static)", chip.off_chip.static_power),
    ]
    terms += [
        term(unit.count.n * unit.static_power.mw, f"{kind} (static)", unit.static_power, unit.count)
        for kind, unit in chip.digital_units.items()
    ]
    return terms


def _ceil(value: float) -> int:
    """Round up, forgiving the last bits of a division."""
    return -int(-(value - 1e-9) // 1)
