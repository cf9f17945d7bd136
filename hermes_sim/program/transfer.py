"""Transfers between operators as trees of actors: output port, links of the routes, off-chip channel, input ports.

What several places need of one result travels once over the part of the way that they share (multicast).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import zip_longest
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from hermes_sim.chip import costs
from hermes_sim.chip.cost import FREE, Cost
from hermes_sim.chip.places import CONTROL, IO, OFF_CHIP_IN, OFF_CHIP_OUT, Resource, ResourcePart
from hermes_sim.errors import MappingError
from hermes_sim.mapping.traffic import shared_values
from hermes_sim.program.build import Packet, Tree
from hermes_sim.program.dataflow import NO_QUEUE, Need
from hermes_sim.program.lowered import Firings
from hermes_sim.workload.graph import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hermes_sim.chip.places import Place
    from hermes_sim.program.build import Ends, Lowering, Terminal
    from hermes_sim.workload.graph import Edge

_STATES = 2  # a state is double buffered: one in use, one being made


def send(build: Lowering, packet: Packet, source: Terminal, targets: Iterable[Terminal]) -> Tree:
    """Carry a packet from one node to several; shared parts of the routes are travelled once.

    Each stage takes what the one before gives out as it comes, if the chip does so. What is under way on a stage whose
    latency is longer than its interval (the off-chip channel) takes no buffer. With `network.buffering: link` a packet
    leaves the queue behind a link for the next stage, or for its target.
    """
    actors: dict[tuple[int | None, str, Resource], int] = {}
    tree = Tree([], [])
    for target in targets:
        previous: int | None = None
        under_way, queue = 0, NO_QUEUE
        stages = _stages(build, packet.n_bytes, source, target)
        next_costs = [cost for *_, cost in stages[1:]]
        for (name, resource, cost), next_cost in zip_longest(stages, next_costs):
            key = (previous, name, resource)
            before, under_way = under_way, _under_way(build.until(cost, next_cost) if next_cost else cost)
            if key not in actors:
                actors[key] = build.actor(
                    f"{packet.label}/{name} {resource}",
                    resource,
                    cost,
                    firings=packet.firings,
                    operator=packet.operator,
                    stage=name,
                )
                if previous is None:
                    tree.heads.append(actors[key])
                else:
                    depth = build.chip.network.buffers.n + before + under_way
                    build.hand_on(previous, actors[key], depth, queue=queue)
            previous, queue = actors[key], build.queue_behind(resource, target.node, packet.operator)
        if previous is not None and queue != NO_QUEUE:
            previous = _take(build, packet, target, (previous, queue), actors)
        tree.ends.append(previous)
    return tree


def _take(
    build: Lowering,
    packet: Packet,
    target: Terminal,
    last: tuple[int, int],
    actors: dict[tuple[int | None, str, Resource], int],
) -> int:
    """Out of the queue behind the last link, into the buffers of the unit at its end."""
    link, queue = last
    key = (link, "take", Resource(target.place))
    if key not in actors:
        name = f"{packet.label}/take {target.place}"
        actors[key] = build.actor(
            name, CONTROL, FREE, firings=packet.firings, operator=packet.operator, stage="control"
        )
        build.hand_on(link, actors[key], depth=0, queue=queue)
    return actors[key]


def _under_way(cost: Cost) -> int:
    """Firings that have let go of their resource and are not done yet."""
    rest_ps = max(0, cost.latency_ps - cost.interval_ps)
    return -(-rest_ps // cost.interval_ps) if cost.interval_ps else 0


def _stages(build: Lowering, n_bytes: float, source: Terminal, target: Terminal) -> list[tuple[str, Resource, Cost]]:
    """Name, resource and cost of every stage on the way; none if both ends are one place."""
    start, end = source.node, target.node
    if source.place == target.place or start == end == IO:
        return []
    stages: list[tuple[str, Resource, Cost]] = []
    if start.is_core:
        stages.append(("send", Resource(start, ResourcePart.OUT), build.output_cost(n_bytes)))
    if start == IO:
        stages.append(("off-chip", OFF_CHIP_IN, build.off_chip_cost(n_bytes)))
    links = build.links(start, end)
    for i, (link, span) in enumerate(links):
        last = i == len(links) - 1
        stages.append(("last link" if last else "link", link, build.hop_cost(n_bytes, span=span)))
    if end == IO:
        stages.append(("off-chip", OFF_CHIP_OUT, build.off_chip_cost(n_bytes)))
    if end.is_core:
        stages.append(("load", Resource(end, ResourcePart.IN), build.input_cost(n_bytes)))
    return stages


def connect_each(build: Lowering, edges: Sequence[Edge], ends: Mapping[str, Ends]) -> None:
    """All token-by-token edges from one operator, feedback to the next token among them.

    Raises
    ------
    MappingError
        replicas on a feedback edge: every token needs the one before it
    """
    operator = build.graph.operator(edges[0].source)
    for source in ends[operator.name].producers:
        # what is the same for several targets travels together
        groups: defaultdict[tuple[int, int, float, int, int], list[Terminal]] = defaultdict(list)
        for edge in edges:
            delay = int(edge.pattern is Pattern.PREVIOUS)
            for target in ends[edge.target].consumers:
                values = shared_values(source.values, target.values, edge)
                if values:
                    size = costs.bytes_per_value(build.chip, source.place, target.place)
                    key = (*values, size, target.n_replicas, delay)
                    if target not in groups[key]:  # operators that share a read are one target
                        groups[key].append(target)
        for (start, stop, size, n_target, delay), targets in groups.items():
            n_classes = lcm(source.n_replicas, n_target)
            if delay and n_classes > 1:
                raise MappingError(
                    operator.name, got=f"feedback over {n_classes} replicas", allowed="one replica at both ends"
                )
            for c in range(source.replica, n_classes, source.n_replicas):
                here = [target for target in targets if target.replica == c % n_target]
                label = f"{operator.name}[{start}:{stop}]x{size:g}B {source.node}"
                label += " to next" if delay else ""
                if n_classes > 1:
                    label += f" {c} of {n_classes} r{source.replica}"
                firings = Firings(operator.tokens, c, n_classes)
                packet = Packet(label, operator.name, (stop - start) * size, firings, source.part(start, stop))
                _connect_class(build, packet, source, here, _Turn(c, n_classes, delay))


class _Turn(NamedTuple):
    """Tokens c, c + L, c + 2 L, ... of `n_classes` L; `delay` 1 where the target is one token further."""

    c: int
    n_classes: int
    delay: int


def _connect_class(build: Lowering, packet: Packet, source: Terminal, targets: list[Terminal], turn: _Turn) -> None:
    """The tokens of one turn from one source replica to the target replicas that take them.

    From R = 2 replicas to Q = 3 there are L = 6 turns, c = 0 to 5. Turn c = 4 is tokens 4, 10, 16, ...: transfer j
    carries token 4 + 6 j. Source replica r = 4 mod 2 = 0 makes 0, 2, 4, ..., so that this is its firing 2 + 3 j
    (`first` 2, `step` 3): transfer j needs 3 j + 3 of its firings. Target replica 4 mod 3 = 1 takes 1, 4, 7, 10, ...,
    so that this is its firing 1 + 2 j (`first_t` 1, `step_t` 2): its firing k needs (k + 1) // 2 of these transfers;
    the other firings' tokens come by turn c = 1. Space is the reverse: source firing k needs (k + 1 - buffers) // 3
    transfers done, transfer j needs 2 j + 2 - depth firings of the target done. An end that handles tokens in blocks
    of b has one replica, and fires once for b of its vectors.
    """
    tree = send(build, packet, source, targets)
    made, kept = _pace(source, turn), _pace(source, turn, held=source.buffers)

    def attach(head: int) -> None:
        build.stream(source.actors[0], head, made.of_transfers, packet.part)
        build.room(head, source.actors[0], kept.of_firings)

    for head in tree.heads:
        attach(head)
    passed: dict[Place, int] = {}
    for target, end in zip(targets, tree.ends, strict=True):
        depth = target.buffers
        if end is None and turn.n_classes == 1 and source.block == target.block == 1:
            held = source.buffers if source.memory else min(depth, source.buffers)
            for actor in target.actors:
                build.depend(source.actors[0], actor, Need.previous(turn.delay))
                build.room(actor, source.actors[0], Need.space(held - turn.delay))
            continue
        arrived = end
        if arrived is None:  # one for all that sit there
            if target.place not in passed:
                passed[target.place] = build.actor(
                    f"{packet.label}/pass {target.place}",
                    CONTROL,
                    FREE,
                    firings=packet.firings,
                    operator=packet.operator,
                    stage="control",
                )
                attach(passed[target.place])
            arrived = passed[target.place]
        came, taken = _pace(target, turn, held=turn.delay), _pace(target, turn, held=depth - turn.delay)
        for actor in target.actors:
            build.depend(arrived, actor, came.of_firings)
            build.room(actor, arrived, taken.of_transfers)


class _Pace(NamedTuple):
    """Transfers of one turn against the firings of one end: what a transfer needs of these, and the other way round."""

    of_transfers: Need
    of_firings: Need


def _pace(end: Terminal, turn: _Turn, held: int = 0) -> _Pace:
    """Needs between transfers and firings of an end when `held` vectors are there, or free, from the start.

    Transfer j carries the end's vector `first` + `step` j; firing i handles vectors b i to b i + b - 1 of b a block.
    """
    step, first = turn.n_classes // end.n_replicas, (turn.c - end.replica) // end.n_replicas
    return _Pace(
        Need(step, first + end.block - held, end.block),
        Need(end.block, end.block - 1 - first + step - held, step),
    )


def connect_sequence(build: Lowering, edges: Sequence[Edge], ends: Mapping[str, Ends]) -> None:
    """Once per inference: the source's result counts when all its tokens are done, and serves all of the target's.

    All edges are between the same two operators; what a target needs on two of its inputs travels once.
    """
    edge = edges[0]
    made, used = build.graph.operator(edge.source).tokens, build.graph.operator(edge.target).tokens
    for source in ends[edge.source].producers:
        label = f"{edge.source}>{edge.target} {source.node} v{source.values[0]} r{source.replica} once"
        published = fires_after_all(build, f"{label}/publish", source, made)
        packets = [
            (target, values)
            for target in ends[edge.target].consumers
            for values in dict.fromkeys(shared_values(source.values, target.values, each) for each in edges)
            if values
        ]
        for i, (target, (start, stop)) in enumerate(packets):
            n_bytes = (stop - start) * costs.bytes_per_value(build.chip, source.place, target.place)
            packet = Packet(f"{label}/{i}", edge.source, n_bytes, Firings(1))
            _send_state(build, packet, source, target, published, (made, used))


def _send_state(
    build: Lowering, packet: Packet, source: Terminal, target: Terminal, published: int, tokens: tuple[int, int]
) -> None:
    """A published result to one target, which frees its place when all of its tokens have used it."""
    made, used = tokens
    tree = send(build, packet, source, [target])
    first, last = (tree.heads[0], tree.ends[0]) if tree.heads else (published, published)
    if tree.heads:
        build.depend(published, first, Need.each())
    released = fires_after_all(build, f"{packet.label} release", target, used)
    build.room(released, first, Need.space(_STATES))
    for actor in target.actors:
        build.depend(last or published, actor, target.firings_before(used))
    # the state of inference i + 2 takes the place of that of inference i
    space = source.firings_before(made).after(made // source.block * _STATES)
    build.room(last if last and tree.heads else released, source.actors[0], space)


def fires_after_all(build: Lowering, name: str, port: Terminal, tokens: int) -> int:
    """Actor that fires once per inference, after all tokens of one replica."""
    actor = build.actor(name, CONTROL, FREE, firings=Firings(1), operator="", stage="control")
    for waited in port.actors:
        build.depend(waited, actor, port.firings_of(tokens))
    return actor
