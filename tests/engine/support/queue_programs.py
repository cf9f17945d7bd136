"""Random programs whose packets share first-in first-out queues; some of them deadlock, on purpose."""

from __future__ import annotations

import numpy as np

from hermes_sim.program.dataflow import DataflowProgram, Need, ProgramBuilder


def queue_program(seed: int, *, max_tokens: int = 24) -> DataflowProgram:
    """Streams over the links of a line, a FIFO behind each link; one firing of a `bus` enters several.

    Streams join and leave the line anywhere, split in two (multicast) and have consumers of any speed; a consumer may
    take packets of two streams, or hold its next one back.
    """
    rng = np.random.default_rng(seed)
    b = ProgramBuilder()
    grain_ps, longest = int(rng.choice([1, 1, 5])), int(rng.choice([2, 6, 12]))
    n_links, n_streams = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    is_bus = rng.random() < 0.3
    links = [b.resource(f"link{i}", capacity=1 + (rng.random() < 0.1)) for i in range(n_links)]
    places = [[int(rng.integers(1, 5)) for _ in range(2)] for _ in links]

    def times_ps(least: int = 0) -> dict[str, int]:
        interval_ps = int(rng.integers(least, longest + 1)) * grain_ps
        latency_ps = interval_ps if rng.random() < 0.4 else int(rng.integers(least, longest + 1)) * grain_ps
        return {"interval_ps": interval_ps, "latency_ps": latency_ps}

    def queue_behind(i: int, branch: int) -> int:
        port = branch if is_bus else 0
        return b.queue(f"link{i}.{port}", capacity=places[i][port])

    same = int(rng.integers(1, max_tokens + 1))
    ends: list[tuple[int, int]] = []
    for s in range(n_streams):
        firings = same if rng.random() < 0.7 else int(rng.integers(1, max_tokens + 1))
        place = int(rng.integers(n_links))
        make = b.actor(f"make{s}", b.resource(f"maker{rng.integers(3)}"), firings=firings, **times_ps())
        if rng.random() < 0.2:
            b.release(make, np.cumsum(rng.integers(0, 2 * longest, firings)) * grain_ps)
        heads = [(make, -1)]  # actors that hold the packet, and the queue it is in
        for i in range(place, int(rng.integers(place, n_links)) + 1):
            link = b.actor(f"s{s}link{i}", links[i], firings=firings, **times_ps(int(rng.random() < 0.8)))
            source, queue = heads[0]
            b.depend(source, link, Need.each(), queue=queue)
            if queue < 0:
                b.depend(link, source, Need.space(int(rng.integers(1, 4))), is_space=True)
            heads = [(link, queue_behind(i, 0))]
            if rng.random() < 0.3 or is_bus:
                heads.append((link, queue_behind(i, 1)))
        for j, (source, queue) in enumerate(heads):
            take = b.actor(f"take{s}.{j}", b.resource(f"taker{rng.integers(4)}"), firings=firings, **times_ps())
            b.depend(source, take, Need.each(), queue=queue)
            ends.append((take, firings))
            if rng.random() < 0.5:
                use = b.actor(f"use{s}.{j}", b.resource(f"user{rng.integers(2)}"), firings=firings, **times_ps())
                b.depend(take, use, Need.each())
                b.depend(use, take, Need.space(int(rng.integers(1, 4))), is_space=True)
                ends.append((use, firings))
        if rng.random() < 0.2:  # one at a time
            b.depend(ends[-1][0], make, Need.previous(int(rng.integers(1, 3))))
    (one, n), (other, m) = (ends[int(i)] for i in rng.integers(0, len(ends), 2))
    if rng.random() < 0.4 and one != other and n == m:  # a join: may deadlock
        both = b.actor("join", b.resource("join"), firings=n, **times_ps())
        for end in (one, other):
            b.depend(end, both, Need.each())
            b.depend(both, end, Need.space(int(rng.integers(1, 4))), is_space=True)
    return b.build()
