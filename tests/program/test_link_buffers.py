"""Two flows over one link of a mesh, with buffers per stream and with one per link, beside a model of its own."""

from __future__ import annotations

import pytest
import simpy

from hermes_sim.chip.cost import Cost, term
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.places import Place, Resource
from hermes_sim.engine.compiled import CompiledEngine
from hermes_sim.engine.reference import ReferenceEngine
from hermes_sim.mapping.mapping import Mapping
from hermes_sim.program.build import Ends, Lowering, Terminal
from hermes_sim.program.lowered import Firings
from hermes_sim.program.transfer import connect_each
from hermes_sim.workload.graph import GraphBuilder, Operator, OpKind

PACKETS, BYTES = 200, 256
READ_PS, SLOW_PS = 133_000, 2_000_000
CHANNELS = {"value": 3, "unit": "count", "kind": "assumed", "source": "test"}


def mesh(buffering, **network):
    """A mesh whose ports wait for whole results, and whose packets have no header: what the model below knows."""
    plain = {
        "switching": "store_and_forward",
        "header": {"value": 0, "unit": "byte", "kind": "assumed", "source": "test"},
    }
    settings = {"topology": "mesh", "buffering": buffering, **plain, **network}
    return load_arch("hermes_64", {f"network.{name}": value for name, value in settings.items()})


def two_flows(chip):
    """P goes from core2 to core0, Q from core1 to gdpu0; both cross router1,0>router0,0. Returns the last of P."""
    graph = GraphBuilder("g")
    for name in "pq":
        graph.add(Operator(name, OpKind.INPUT, PACKETS, 0, BYTES))
        graph.connect(name, graph.add(Operator(f"{name} use", OpKind.OUTPUT, PACKETS, BYTES, 0)))
    build = Lowering(graph.build(), Mapping("test", (), {}, {}), chip, 1)

    def end(name, place, time_ps):
        timed = Cost(time_ps, time_ps, (term(time_ps, "test"),), ())
        actor = build.actor(name, Resource(place), timed, firings=Firings(PACKETS), operator=name[0], stage="test")
        terminal = Terminal((actor,), place, (0, BYTES), buffers=2)
        return Ends((terminal,), (terminal,))

    ends = {
        "p": end("p", Place.core(2), READ_PS),
        "q": end("q", Place.core(1), READ_PS),
        "p use": end("p use", Place.core(0), READ_PS),
        "q use": end("q use", chip.unit_place("gdpu", 0), SLOW_PS),
    }
    for name in "pq":
        connect_each(build, [edge for edge in build.graph.edges if edge.source == name], ends)
    program = build.finish()
    return program, program.actor_names.index("p use")


# The independent model: a process per source, per buffer of one stream and per buffer of a link.


class Hop:
    """A server with a buffer behind it: a packet takes a place in the buffer, then the server."""

    def __init__(self, env, places, times_ps):
        self.env, self.times_ps = env, times_ps
        self.server = simpy.Resource(env)
        self.places = simpy.Container(env, init=places)
        self.buffer = simpy.Store(env)

    def move(self, flow, done=lambda: None):
        interval_ps, latency_ps = self.times_ps[flow]
        yield self.places.get(1)
        with self.server.request() as request:
            yield request
            self.env.process(self.arrive(flow, latency_ps, done))
            yield self.env.timeout(interval_ps)

    def arrive(self, flow, latency_ps, done):
        yield self.env.timeout(latency_ps)
        self.buffer.put(flow)
        done()


def generate(hop, flow):
    for _ in range(PACKETS):
        yield from hop.move(flow)


def forward_stream(hop, following):
    """Packets of one flow; a place is free when the next stage has finished."""
    while True:
        flow = yield hop.buffer.get()
        yield from following.move(flow, done=lambda: hop.places.put(1))


def forward_all(hop, following):
    """Packets of all flows in the order in which they came; a place is free when the packet has left."""
    while True:
        flow = yield hop.buffer.get()
        yield from following[flow].move(flow)
        yield hop.places.put(1)


def independent_model_ps(places):
    """When the last packet of P is used, with one FIFO of so many places per link; times in ps by hand.

    P is 256 bytes, Q 512: 16 and 32 flits of 16 bytes at 1 GHz, 2 cycles per hop, and 8 bytes per ns at the ports.
    """
    env = simpy.Environment()
    done_ps = []

    def hop(places, p, q=None):
        pairs = {"p": p, "q": q}
        return Hop(env, places, {flow: t if isinstance(t, tuple) else (t, t) for flow, t in pairs.items() if t})

    link = ((16_000, 2_000), (32_000, 2_000))
    last = ((16_000, 18_000), (32_000, 34_000))
    make = {"p": hop(2, READ_PS), "q": hop(2, None, READ_PS)}
    send = {"p": hop(2, 32_000), "q": hop(2, None, 64_000)}
    first, second, entry, shared = (hop(places, *link) for _ in range(4))
    out_p, out_q = hop(places, *last), hop(places, *last)
    load, take = hop(2, 32_000), hop(2, None, (0, 0))
    use_p, use_q = hop(PACKETS, READ_PS), hop(PACKETS, None, SLOW_PS)
    for flow in "pq":
        env.process(generate(make[flow], flow))
        env.process(forward_stream(make[flow], send[flow]))
    for hop_, following in ((send["p"], first), (send["q"], entry), (load, use_p), (take, use_q)):
        env.process(forward_stream(hop_, following))
    for hop_, following in (
        (first, {"p": second}), (second, {"p": shared}), (entry, {"q": shared}),
        (shared, {"p": out_p, "q": out_q}), (out_p, {"p": load}), (out_q, {"q": take}),
    ):  # fmt: skip
        env.process(forward_all(hop_, following))

    def watch():
        for _ in range(PACKETS):
            yield use_p.buffer.get()
            done_ps.append(env.now)

    env.process(watch())
    env.run()
    return done_ps


@pytest.fixture(params=[CompiledEngine(), CompiledEngine(fast_forward=False), ReferenceEngine()], ids=str)
def engine(request):
    return request.param


def finishes_ps(chip, engine):
    program, last = two_flows(chip)
    return engine.run(program, watch=[last]).finish_ps[last].tolist()


def test_a_slow_flow_holds_up_another_only_where_they_share_a_buffer(engine):
    assert finishes_ps(mesh("stream"), engine)[-1] == pytest.approx(27e6, rel=0.02)
    assert finishes_ps(mesh("link"), engine)[-1] == pytest.approx(392e6, rel=0.01)


@pytest.mark.parametrize("places", [1, 2, 3, 8])
def test_one_buffer_per_link_is_what_an_independent_model_says(places, engine):
    assert finishes_ps(mesh("link", buffers=places), engine) == independent_model_ps(places)


def test_a_virtual_channel_of_its_own_frees_the_flow(engine):
    assert finishes_ps(mesh("link", virtual_channels=CHANNELS), engine)[-1] == pytest.approx(27e6, rel=0.02)
