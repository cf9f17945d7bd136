"""Time and energy of every stage of the chip, each as a sum of terms that name the config values behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from hermes_sim.chip.core import OutputFormat, PartialSums
from hermes_sim.chip.cost import REST, Cost, Term, term
from hermes_sim.chip.floorplan import ONE_PITCH
from hermes_sim.chip.read_cost import read_cost, verify_pj
from hermes_sim.chip.schema import OFF_CHIP_LEVEL
from hermes_sim.chip.streaming import GroupStream
from hermes_sim.errors import ArchConfigError
from hermes_sim.workload.operators import OpKind

if TYPE_CHECKING:
    from hermes_sim.chip.core import KnownVectors, Port
    from hermes_sim.chip.floorplan import Span
    from hermes_sim.chip.places import Place
    from hermes_sim.chip.schema import Chip, DigitalUnit
    from hermes_sim.config.quantity import Quantity
    from hermes_sim.config.vocabulary import Function
    from hermes_sim.workload.graph import Operator


_INT8_BYTES = 1.0


def bytes_per_value(chip: Chip, source: Place, target: Place) -> float:
    """Bytes of one value on its way: cores take their inputs as pulses are made, and send their output format."""
    if target.is_core:
        return chip.numbers.core_input.n_bytes
    return output_bytes(chip) if source.is_core else chip.numbers.digital.n_bytes


def output_bytes(chip: Chip) -> float:
    """Bytes of a value in the output format of a core."""
    return _INT8_BYTES if chip.core.output.format is OutputFormat.INT8 else chip.numbers.digital.n_bytes


def partial_sum_bytes(chip: Chip) -> float:
    """Bytes of a partial sum on its way to the core that adds it."""
    after = chip.core.output.partial_sums is PartialSums.AFTER
    return output_bytes(chip) if after else chip.numbers.digital.n_bytes


def ldpu_cost(chip: Chip, n_columns: int, *, add: bool = False) -> Cost:
    """Affine correction of all columns of a block, or (add) the addition of another core's partial sums.

    n_columns : of weights; each column of a slice is corrected by itself
    """
    ldpu = chip.core.ldpu
    group_time = ldpu.add_group_time if add else ldpu.group_time
    if not add:
        n_columns *= chip.reading().column_slices
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


def number_bytes(chip: Chip, content: Content) -> float:
    """Bytes of a number that a digital unit keeps: of running sums another format than of what travels."""
    return (chip.numbers.state if content is Content.STATE else chip.numbers.digital).n_bytes


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
    return {content: n * number_bytes(chip, content) for content, n in values.items() if n}


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
        times.append(replace(beyond, formula=REST))
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
    how, core = chip.core.programming, chip.core
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
        replace(
            term(
                diagonals * n_pulses * verify_pj(chip, n_columns), "programming verify", core.read.phase_energy, *common
            ),
            formula="diagonals x devices x iterations x converters of its columns in a read",
        ),
    )
    return Cost(total_ps, total_ps, times, energies)


def compensation_cost(chip: Chip) -> Cost:
    """Read the known vectors of a core for its drift; the LDPU looks at each while the next is read.

    Raises
    ------
    ArchConfigError
        a chip that does not say how drift is compensated
    """
    return _known_vectors(chip, chip.core.compensation, "compensation", "drift compensation")


def calibration_cost(chip: Chip) -> Cost:
    """Read the known vectors of a core for the gains and offsets of its converters.

    Raises
    ------
    ArchConfigError
        a chip that does not say how converters are calibrated
    """
    return _known_vectors(chip, chip.core.calibration, "calibration", "converter calibration")


def _known_vectors(chip: Chip, how: KnownVectors | None, field: str, name: str) -> Cost:
    if how is None:
        raise ArchConfigError(f"{chip.name}: core.{field}", got="nothing", allowed=f"how many vectors a {name} reads")
    n_columns = chip.core.weight_columns
    read = read_cost(chip, chip.core.rows.n, n_columns, range_known=True)
    post = ldpu_cost(chip, n_columns)
    n = how.vectors.n
    total_ps = n * max(read.interval_ps, post.interval_ps) + min(read.interval_ps, post.interval_ps)
    energies = tuple(
        Term(n * e.value, f"{name}, {e.component}", (*e.paths, how.vectors.path), how.vectors.kind, e.formula)
        for e in (*read.energies, *post.energies)
    )
    return Cost(total_ps, total_ps, (term(total_ps, name, how.vectors),), energies)


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
