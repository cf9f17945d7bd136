"""Energy by component of two shipped workloads, worked out here from sizes of the networks and values of the chip.

What comes from the mapping is where things are: units and cores of operators, levels of what they keep and tokens in a
block (tests/mapping works those out). How much is computed and moved, over how many links, is plain arithmetic here.
"""

from __future__ import annotations

from itertools import pairwise
from math import lcm
from typing import NamedTuple

import pytest

from hermes_sim.api import simulate
from hermes_sim.chip.costs import Content
from hermes_sim.chip.load import load_arch
from hermes_sim.explain.quantities import explain
from hermes_sim.mapping.memory import UnitMemories

FP16, FP32 = 2, 4  # bytes


class Work(NamedTuple):
    """An operator on a digital unit, per token: functions, values in and out, weights read, state read and written."""

    tokens: int
    functions: dict[str, int]
    values: int
    weights: int = 0
    state: int = 0


class Sent(NamedTuple):
    """A result on its way, token by token, to operators which all take the same values: they share what they can."""

    source: str
    targets: tuple[str, ...]
    n_bytes: float
    tokens: int


class Ledger:
    """Components of the energy, in pJ, of one inference, and places of a run."""

    def __init__(self, result):
        self.result, self.chip, self.pj = result, result.chip, {}
        self.units = result.mapping.units
        self.memories = UnitMemories(result.graph, result.chip, result.mapping.units)

    def add(self, component, pj):
        self.pj[component] = self.pj.get(component, 0.0) + pj

    def places(self, name):
        """Places of the replicas of an operator, in the order of their turns, with the cluster of each (None: host)."""
        if name in self.units:
            place = self.units[name]
            return [(str(place), place.number[0] if place.kind in {"gdpu", "dpu"} else None)]
        matrix = self.result.graph.operator(name).matrix
        core = {block.replica: block.core for block in self.result.mapping.blocks if block.matrix == matrix}
        return [(f"core{core[r]}", core[r] // 8) for r in self.result.mapping.replicas[name]]

    def compute(self, name, work):
        """Arithmetic and operands with every token, weights and state once per block, each at its level."""
        operator = self.result.graph.operator(name)
        kind = self.units[name].kind
        unit, levels = self.chip.digital_units[kind], self.memories.levels(operator)
        n_blocks = work.tokens / self.memories.token_block(operator)
        for function, count in work.functions.items():
            self.add(f"{kind} arithmetic", work.tokens * count * unit.functions[function].energy.pj)
        moved = {
            Content.OPERANDS: work.tokens * work.values,
            Content.WEIGHTS: n_blocks * work.weights,
            Content.STATE: n_blocks * 2 * work.state,
        }
        for content, n in moved.items():
            if n:
                size = FP32 if content is Content.STATE else FP16  # sums over tokens are wider
                self.add(f"{kind} {content}", n * size * unit.memory[levels[content]].energy.pj_per_byte)

    def hold(self, name, tokens, values):
        """A sequence, written and read."""
        kind = self.units[name].kind
        level = self.memories.levels(self.result.graph.operator(name))[Content.SEQUENCE]
        pj_per_byte = self.chip.digital_units[kind].memory[level].energy.pj_per_byte
        self.add(f"{kind} sequence", tokens * 2 * values * FP16 * pj_per_byte)

    def read(self, tokens, rows, columns):
        """Reads of a block, correction of its columns."""
        core, phases, phase = self.chip.core, 4, self.chip.core.read.phase_energy.pj
        # 0.2 V x 20.7 uS, half a pulse of 127 ns and 0.266 of the conductance on average, from 0.8 V
        array = 0.2 * 20.7 * 0.5 * 0.266 * 127 * 0.8 * 1e-3 * 256 * 256
        drivers, rest = phase * core.read.drivers.ratio, phase * (1 - core.read.drivers.ratio) - array
        counting = core.analog.adc.counting.ratio
        self.add("crossbar control", tokens * core.read.energy.pj)
        self.add("crossbar array", tokens * phases * array * rows / 256 * columns / 256)
        self.add("crossbar drivers", tokens * phases * drivers * rows / 256)
        share = counting * rows / 256 + 1 - counting
        self.add("crossbar converters", tokens * phases * rest * columns / 256 * share)
        self.add("range search", tokens * rows * core.analog.range.search_energy.pj)
        self.add("LDPU", tokens * columns * core.ldpu.affine_energy.pj)

    def send(self, sent):
        """Ports, distinct links of the ways of a token to all targets, and the channel off the chip."""
        ends = [self.places(name) for name in sent.targets]
        sources = self.places(sent.source)
        turns = lcm(len(sources), *(len(end) for end in ends))
        for turn in range(turns):
            packets = len(range(turn, sent.tokens, turns))
            n_bytes = packets * sent.n_bytes
            source, targets = sources[turn % len(sources)], {end[turn % len(end)] for end in ends}
            ways = [way(source, target) for target in targets if way(source, target)]
            if not ways:
                continue
            self.hop(packets * len(set().union(*ways)), sent.n_bytes)
            if source[0].startswith("core"):
                self.add("output port", n_bytes * self.chip.core.output_port.energy.pj_per_byte)
            for target in targets:
                if target[0].startswith("core"):
                    self.add("input port", n_bytes * self.chip.core.input_port.energy.pj_per_byte)
            off_chip = (source[1] is None) + any(cluster is None for _, cluster in targets)
            if off_chip:
                self.add("off-chip", n_bytes * off_chip * self.chip.off_chip.energy.pj_per_byte)

    def hop(self, packets, n_bytes):
        """Packets over one link each: a header goes ahead, a credit comes back."""
        network = self.chip.network
        n_bytes += network.header.n_bytes + network.credit.n_bytes
        self.add("network", packets * n_bytes * network.energy.pj_per_byte)

    def stand(self, makespan_ns):
        """Static power for as long as the run takes."""
        chip = self.chip
        self.add("cores (static)", 64 * chip.core.static_power.mw * makespan_ns)
        self.add("network (static)", chip.network.static_power.mw * makespan_ns)
        self.add("off-chip (static)", chip.off_chip.static_power.mw * makespan_ns)
        for kind, unit in chip.digital_units.items():
            self.add(f"{kind} (static)", (1 if kind == "host" else 8) * unit.static_power.mw * makespan_ns)

    def check(self, inferences):
        """All of the document's components, and nothing else."""
        document = self.result.document
        self.pj = {name: pj * inferences for name, pj in self.pj.items() if pj}  # some cost nothing
        self.stand(document["makespan_ns"])
        found = document["energy_pj"]["by_component"]
        assert set(found) == set(self.pj)
        for name, pj in self.pj.items():
            assert found[name] == pytest.approx(pj, rel=1e-9), name
        assert document["energy_pj"]["total"] == pytest.approx(sum(self.pj.values()), rel=1e-9)


def way(source, target):
    """Links from one place to another: every place at its cluster's switch, all switches and the port to each other."""
    (start, from_cluster), (end, to_cluster) = source, target
    if start == end or from_cluster == to_cluster is None:
        return []
    nodes = [start, f"switch{from_cluster}"] if from_cluster is not None else ["io"]
    ends = [f"switch{to_cluster}", end] if to_cluster is not None else ["io"]
    nodes += ends[nodes[-1] == ends[0] :]
    return list(pairwise(nodes))


def test_ways_have_two_links_within_a_cluster_and_three_between_two():
    assert len(way(("core0", 0), ("core7", 0))) == len(way(("core9", 1), ("dpu1", 1))) == 2
    assert len(way(("core0", 0), ("core8", 1))) == len(way(("dpu0", 0), ("dpu7", 7))) == 3
    assert len(way(("host memory", None), ("core8", 1))) == len(way(("dpu7", 7), ("host0", None))) == 2
    assert way(("host memory", None), ("host0", None)) == way(("dpu1", 1), ("dpu1", 1)) == []


def test_kernel_ridge_on_the_published_chip():
    """Projection of 64 pixels on 1,020 vectors in four blocks; cosine, sine and readout of ten classes on the host."""
    result = simulate("hermes_64", "kernel_ridge_digits", accuracy=False, baselines=())
    d, s, classes = 64, 1020, 10
    blocks = [(block.columns[1] - block.columns[0], block.core) for block in result.mapping.blocks]
    assert sorted(core // 8 for _, core in blocks) == [0, 1, 2, 3]  # in four clusters
    assert [columns for columns, _ in blocks] == 4 * [s // 4]
    hand = Ledger(result)
    for columns, _ in blocks:
        hand.read(1, d, columns)
    # the sample over the channel once, to every cluster's switch and core; results back, FP16
    hand.add("off-chip", (d + s * FP16) * hand.chip.off_chip.energy.pj_per_byte)
    hand.hop(4 * 2, d)
    hand.hop(4 * 2, s // 4 * FP16)
    hand.add("input port", 4 * d * hand.chip.core.input_port.energy.pj_per_byte)
    hand.add("output port", s * FP16 * hand.chip.core.output_port.energy.pj_per_byte)
    hand.compute("features", Work(1, {"add": s, "cos": s, "sin": s}, values=s + 2 * s))
    hand.compute("readout", Work(1, {"mac": 2 * s * classes}, values=2 * s + classes, weights=2 * s * classes))
    hand.check(inferences=1000)


def test_what_the_published_lstm_step_leaves_unexplained_is_a_component_of_that_name():
    """Three sigmoids and two tanhs of 504 hidden units in 100 steps; on DPUs, which are cheaper, there is none."""
    published = simulate("hermes_64", "lstm_ptb", inferences=2, accuracy=False, baselines=())
    functions = published.chip.digital_units["gdpu"].functions
    per_unit = 3 * functions["sigmoid"].unexplained.pj + 2 * functions["tanh"].unexplained.pj
    found = published.document["energy_pj"]["by_component"]
    assert found["unexplained"] == pytest.approx(2 * 100 * 504 * per_unit, rel=1e-9)
    node = explain(published, "energy.unexplained")
    assert node.value == pytest.approx(100 * 504 * per_unit, rel=1e-9)
    leaves = {leaf.name for leaf in node.walk() if leaf.name.endswith("unexplained") and "." in leaf.name}
    assert leaves == {f"digital_units.gdpu.functions.{name}.unexplained" for name in ("sigmoid", "tanh")}
    arithmetic = 3 * functions["sigmoid"].energy.pj + 2 * functions["tanh"].energy.pj
    arithmetic += 3 * functions["mul"].energy.pj + functions["add"].energy.pj
    assert found["gdpu arithmetic"] == pytest.approx(2 * 100 * 504 * arithmetic, rel=1e-9)
    assert {str(unit)[:-1] for op, unit in published.mapping.units.items() if op.startswith("cell")} == {"gdpu"}
    hetero = simulate("hermes_64_hetero", "lstm_ptb", inferences=2, accuracy=False, baselines=())
    assert {str(unit)[:-1] for op, unit in hetero.mapping.units.items() if op.startswith("cell")} == {"dpu"}
    assert "unexplained" not in hetero.document["energy_pj"]["by_component"]


def test_a_channel_that_all_weights_cross_is_what_limits():
    """40,800 bytes of the readout and nothing else of it, for every sample, over a channel that takes no more."""
    small = {f"digital_units.dpu.memory.{name}.capacity": "16 Kibyte" for name in ("sram", "shared")}
    chip = load_arch("hermes_64_hetero", small)
    result = simulate(chip, "kernel_ridge_digits", inferences=100, accuracy=False, baselines=())
    n_weights, d, classes = 2 * 1020 * 10, 64, 10
    found = result.document["energy_pj"]["by_component"]
    n_bytes = FP16 * n_weights + d + FP16 * classes
    assert found["off-chip"] == pytest.approx(100 * n_bytes * chip.off_chip.energy.pj_per_byte, rel=1e-9)
    assert "dpu weights" not in found
    bottleneck = result.document["bottleneck"]
    assert bottleneck["resource"] == "off-chip in"
    assert bottleneck["utilization"] > 0.95
    inward_ps = (FP16 * n_weights + d) / chip.off_chip.bandwidth.bytes_per_ps
    assert result.document["throughput_inferences_per_s"] == pytest.approx(1e12 / inward_ps, rel=1e-3)


N, D, HEADS, ROWS, FF, HIDDEN, CLASSES = 4000, 64, 2, 128, 128, 128, 2
WIDTH, FEATURES = D // HEADS, 2 * ROWS
NORM = {"add": D, "mac": 2 * D, "rsqrt": 1}


def layer(hand, p, stream):
    """One encoder layer of the Performer; returns the operator that makes its result."""

    def send(source, *targets, values=D, size=FP16, tokens=N):
        hand.send(Sent(p + source if source else stream, tuple(p + name for name in targets), values * size, tokens))

    def dense(name, rows, columns):
        hand.compute(p + name, Work(N, {"mac": rows * columns}, rows + columns, weights=rows * columns))

    for name in ("norm1", "norm2"):
        hand.compute(p + name, Work(N, NORM, 2 * D, weights=2 * D))
    for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
        dense(name, D, D)
    dense("fc1", D, FF)
    dense("fc2", FF, D)
    hand.compute(p + "silu", Work(N, {"sigmoid": FF, "mul": FF}, 2 * FF))
    for name in ("residual1", "residual2"):
        hand.compute(p + name, Work(N, {"add": D}, 3 * D))
    hand.hold(p + "sequence", N, D)
    send("", "sequence", "k_proj", "v_proj")
    send("sequence", "q_proj")
    send("sequence", "residual1")
    for head in range(HEADS):
        h = f"h{head}."
        for role in "kq":
            hand.read(N, WIDTH, ROWS)
            work = {"compare": ROWS, "add": FEATURES, "exp": FEATURES}
            norm = WIDTH if role == "k" else 0  # |x|^2, which cancels for queries
            functions = work | ({"mac": norm} if norm else {})
            hand.compute(f"{p}{h}features_{role}", Work(N, functions, ROWS + norm + FEATURES))
            send(f"{role}_proj", f"{h}project_{role}", values=WIDTH, size=1)
            if norm:
                send(f"{role}_proj", f"{h}features_{role}", values=WIDTH)
            send(f"{h}project_{role}", f"{h}features_{role}", values=ROWS)
        state = {"mac": FEATURES * WIDTH, "add": FEATURES}
        hand.compute(f"{p}{h}state", Work(N, state, FEATURES + WIDTH, state=FEATURES * (WIDTH + 1)))
        numerator = FEATURES * WIDTH
        hand.compute(f"{p}{h}numerator", Work(N, {"mac": numerator}, FEATURES + WIDTH, weights=numerator))
        hand.compute(f"{p}{h}normaliser", Work(N, {"mac": FEATURES}, FEATURES + 1, weights=FEATURES))
        hand.compute(f"{p}{h}divide", Work(N, {"div": 1, "mul": WIDTH}, 2 * WIDTH + 1))
        send(f"{h}features_k", f"{h}state", values=FEATURES)
        send("v_proj", f"{h}state", values=WIDTH)
        send(f"{h}state", f"{h}numerator", values=numerator, tokens=1)  # once, after all keys
        send(f"{h}state", f"{h}normaliser", values=FEATURES, tokens=1)
        send(f"{h}features_q", f"{h}numerator", f"{h}normaliser", values=FEATURES)
        send(f"{h}numerator", f"{h}divide", values=WIDTH)
        send(f"{h}normaliser", f"{h}divide", values=1)
        send(f"{h}divide", "out_proj", values=WIDTH)
    send("out_proj", "residual1")
    send("residual1", "norm1")
    send("norm1", "fc1", "residual2")
    send("fc1", "silu", values=FF)
    send("silu", "fc2", values=FF)
    send("fc2", "residual2")
    send("residual2", "norm2")
    return p + "norm2"


def test_performer_attention_on_the_chip_with_dpus():
    """Two layers of FAVOR+ on 4,000 tokens: projections on crossbars, all else on DPUs, nothing is fetched."""
    result = simulate("hermes_64_hetero", "performer_imdb_attention", accuracy=False, baselines=())
    hand = Ledger(result)
    hand.compute("embedding", Work(N, {"add": D}, 1 + D, weights=2 * D))
    hand.compute("embedding_norm", Work(N, NORM, 2 * D, weights=2 * D))
    stream = layer(hand, "L1.", layer(hand, "L0.", "embedding_norm"))
    hand.compute("pool", Work(N, {"add": D}, D, state=D))
    hand.compute("classifier", Work(1, {"mac": D * HIDDEN}, D + HIDDEN, weights=D * HIDDEN))
    gelu = {"mul": 3 * HIDDEN, "mac": 2 * HIDDEN, "tanh": HIDDEN}
    hand.compute("classifier_activation", Work(1, gelu, 2 * HIDDEN))
    last = HIDDEN * CLASSES
    hand.compute("sentence_projection", Work(1, {"mac": last}, HIDDEN + CLASSES, weights=last))
    for source, target, values, tokens in (
        ("tokens", "embedding", 1, N), ("embedding", "embedding_norm", D, N), (stream, "pool", D, N),
        ("pool", "classifier", D, 1), ("classifier", "classifier_activation", HIDDEN, 1),
        ("classifier_activation", "sentence_projection", HIDDEN, 1),
        ("sentence_projection", "logits", CLASSES, 1),
    ):  # fmt: skip
        hand.send(Sent(source, (target,), values * FP16, tokens))
    assert not any(held.level == "off_chip" for held in hand.memories.held)
    hand.check(inferences=4)
