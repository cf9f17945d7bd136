"""When the next stage may begin, against a search group by group."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_sim.chip.cost import FREE
from hermes_sim.chip.costs import hop_cost, ldpu_cost, port_cost
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.read_cost import read_cost
from hermes_sim.chip.streaming import GroupStream, start_after_ps

EXACT = {
    "clock": 1, "network.clock": 1, "network.flit": 16, "network.hop_cycles": 2,
    "network.header": 0, "network.credit": 0,
    "core.input_port.width": 8, "core.output_port.width": 8, "core.ldpu.lanes": 8, "core.ldpu.group_time": 11,
}  # fmt: skip


def starves(source, target, start, *, values, group_s, group_t, first):
    """Whether a stage that starts then would find, on its way, a group that is not there yet (all in values)."""
    n_s, n_t = ceil(Fraction(source["n"], group_s)), ceil(Fraction(values, group_t))
    for j in range(n_t):
        last_value = first + min((j + 1) * group_t, values) - 1
        out = source["before"] + source["delay"] + Fraction(source["body"] * (last_value // group_s + 1), n_s)
        if start + target["before"] + Fraction(target["body"] * j, n_t) < out:
            return True
    return False


@given(
    n=st.integers(1, 60),
    window=st.tuples(st.integers(0, 59), st.integers(1, 60)),
    groups=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bodies=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    before=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    delay=st.integers(0, 9),
)
def test_the_next_stage_begins_as_early_as_it_can_without_a_gap(n, window, groups, bodies, before, delay):
    first = window[0] % n
    values = 1 + window[1] % (n - first)
    source = {"n": n, "body": bodies[0], "before": before[0], "delay": delay}
    target = {"body": bodies[1], "before": before[1]}
    ours = start_after_ps(
        GroupStream(ceil(Fraction(n, groups[0])), groups[0] / n, bodies[0], before[0], delay),
        GroupStream(ceil(Fraction(values, groups[1])), groups[1] / values, bodies[1], before[1]),
        (first / n, (first + values) / n),
    )
    fits = {"values": values, "group_s": groups[0], "group_t": groups[1], "first": first}
    earliest = next(start for start in count() if not starves(source, target, start, **fits))
    assert earliest <= ours <= earliest + 1  # two times rounded to whole picoseconds


def test_the_chain_of_256_columns_by_hand():
    """512 bytes of FP16: 32 groups of 16 bytes in the LDPU, 64 cycles in a port, 32 flits on a link.

    The LDPU's last group is out at 352 ns; the port needs two of its 64 cycles for it, so it begins at 352 - 62 = 290.
    The link's last flit is there when the port is done (at 64), so the link begins 64 - 31 = 33 ns after the port.
    The in port begins with the link's first flit, 2 + 1 ns after it, and is never ahead of the link from then on.
    290 + 33 + 3 + 64 = 390 ns, where all stages one after the other take 352 + 64 + 34 + 64 = 514 ns.
    """
    chip = load_arch("hermes_64", EXACT)
    ldpu, hop = ldpu_cost(chip, 256), hop_cost(chip, 512)
    out, into = (port_cost(chip, p, "port", 512) for p in (chip.core.output_port, chip.core.input_port))
    assert [each.latency_ps for each in (ldpu, out, hop, into)] == [352_000, 64_000, 34_000, 64_000]
    early = [ldpu.until(out), out.until(hop), hop.until(into), into]
    assert [each.latency_ps for each in early] == [290_000, 33_000, 3_000, 64_000]
    assert [each.interval_ps for each in early] == [352_000, 64_000, 32_000, 64_000]
    assert [part.value for part in early[2].times] == [2_000, 1_000]
    assert early[0].times[0].paths == ("core.ldpu.lanes", "core.ldpu.group_time", "clock", "core.output_port.width")
    assert early[0].energies == ldpu.energies


def test_links_hand_on_flits_among_themselves_after_the_hop_alone():
    hop = hop_cost(load_arch("hermes_64", EXACT), 512)
    early = hop.until(hop)
    assert (early.latency_ps, early.interval_ps) == (2_000, 32_000)
    assert early.times[0].paths == ("network.clock", "network.hop_cycles")


@pytest.mark.parametrize(("part", "begins_ns"), [((0.0, 0.5), 352 / 2 - 30), ((0.5, 1.0), 352 - 30)])
def test_the_second_half_of_the_columns_comes_later(part, begins_ns):
    """256 bytes are 32 cycles of the port, two for each group of the LDPU, of which 16 or 32 must be out."""
    chip = load_arch("hermes_64", EXACT)
    half = port_cost(chip, chip.core.output_port, "port", 256)
    assert ldpu_cost(chip, 256).until(half, part).latency_ps == begins_ns * 1000


def test_what_comes_all_at_once_is_awaited_whole():
    chip = load_arch("hermes_64", EXACT)
    read, ldpu = read_cost(chip, 256, 256), ldpu_cost(chip, 256)
    assert read.until(ldpu) is read
    assert ldpu.until(read) is ldpu
    assert ldpu.until(FREE) is ldpu


def test_a_writer_must_not_overtake_the_reader():
    chip = load_arch("hermes_64", EXACT)
    ldpu, port = ldpu_cost(chip, 256), port_cost(chip, chip.core.output_port, "port", 512)
    assert ldpu.until_free_for(port).latency_ps == (352 - 64) * 1000
    assert port.until_free_for(ldpu).latency_ps == 0
