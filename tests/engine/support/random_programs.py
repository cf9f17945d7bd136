"""Random dataflow programs of every shape the contract knows; some of them deadlock, on purpose."""

from __future__ import annotations

import numpy as np

from hermes_sim.program.dataflow import DataflowProgram, Need, ProgramBuilder


class RandomProgram:
    """Grows a program from pieces: chains, forks, joins, replicas, barriers, feedback, bounded buffers."""

    def __init__(self, seed: int, *, max_tokens: int = 24, max_pieces: int = 7) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = ProgramBuilder()
        self.n_resources = int(self.rng.integers(1, 7))
        self.capacity = [1 + (r % 3 == 2) * int(self.rng.integers(1, 3)) for r in range(self.n_resources)]
        self.grain_ps = int(self.rng.choice([1, 1, 1, 5, 10]))  # coarse times make ties
        self.longest = int(self.rng.choice([0, 2, 6, 12]))
        self.firings: list[int] = []
        self.shape = {"max_tokens": max_tokens, "max_pieces": max_pieces}

    def duration_ps(self) -> int:
        return int(self.rng.integers(0, self.longest + 1)) * self.grain_ps

    def actor(self, firings: int) -> int:
        r = int(self.rng.integers(self.n_resources))
        resource = self.builder.resource(f"r{r}", capacity=self.capacity[r])
        interval_ps = self.duration_ps()
        latency_ps = interval_ps if self.rng.random() < 0.4 else self.duration_ps()
        self.firings.append(firings)
        return self.builder.actor(
            f"a{len(self.firings) - 1}",
            resource,
            firings=firings,
            interval_ps=interval_ps,
            latency_ps=latency_ps,
        )

    def link(self, source: int, target: int, need: Need) -> None:
        self.builder.depend(source, target, need)

    def buffer(self, source: int, target: int, depth: int) -> None:
        self.builder.depend(target, source, Need.space(depth), is_space=True)

    def element_wise(self, source: int) -> int:
        target = self.actor(self.firings[source])
        self.link(source, target, Need.each())
        if self.rng.random() < 0.5:
            self.buffer(source, target, int(self.rng.integers(1, 5)))
        return target

    def fork_join(self, source: int) -> int:
        branches = [self.element_wise(source) for _ in range(int(self.rng.integers(2, 4)))]
        target = self.actor(self.firings[source])
        for branch in branches:
            self.link(branch, target, Need.each())
            if self.rng.random() < 0.5:
                self.buffer(branch, target, int(self.rng.integers(1, 4)))
        return target

    def replicas(self, source: int) -> int:
        n, n_replicas = self.firings[source], int(self.rng.integers(2, 4))
        target = self.actor(n)
        for r in range(n_replicas):
            replica = self.actor((n - r + n_replicas - 1) // n_replicas)
            self.link(source, replica, Need.split(r, n_replicas))
            self.link(replica, target, Need.merge(r, n_replicas))
        return target

    def barrier(self, source: int) -> int:
        n = self.firings[source]
        divisors = [d for d in range(1, n + 1) if n % d == 0] or [1]
        tokens = int(self.rng.choice(divisors))
        collect = self.actor(n // tokens)
        self.link(source, collect, Need.all_of(tokens))
        spread = self.actor(n)
        self.link(collect, spread, Need.one_before(tokens))
        if self.rng.random() < 0.5:
            self.link(source, spread, Need.each())
        return spread

    def multi_rate(self, source: int) -> int:
        num, den = (int(x) for x in self.rng.integers(1, 5, 2))
        target = self.actor(max(1, self.firings[source] * den // num))
        self.link(source, target, Need(num, int(self.rng.integers(-3, num + 3)), den))
        return target

    def feedback(self, source: int) -> int:
        target = self.element_wise(source)
        self.link(target, target if self.rng.random() < 0.5 else source, Need.previous(int(self.rng.integers(1, 4))))
        return target

    def build(self) -> DataflowProgram:
        rng = self.rng
        ends = [self.actor(int(rng.integers(1, self.shape["max_tokens"] + 1)))]
        pieces = (
            self.element_wise,
            self.fork_join,
            self.replicas,
            self.barrier,
            self.multi_rate,
            self.feedback,
        )
        for _ in range(int(rng.integers(0, self.shape["max_pieces"]))):
            if rng.random() < 0.2:
                ends.append(self.actor(int(rng.integers(0, self.shape["max_tokens"] + 1))))
            piece = pieces[int(rng.integers(len(pieces)))]
            ends.append(piece(ends[int(rng.integers(len(ends)))]))
        if rng.random() < 0.1:  # a wild edge: may deadlock
            source, target = (int(x) for x in rng.integers(0, len(self.firings), 2))
            if source != target:
                self.link(source, target, Need(1, int(rng.integers(-2, 2)), 1))
        if rng.random() < 0.3:
            actor = int(rng.integers(len(self.firings)))
            gaps_ps = rng.integers(0, 3 * self.longest + 2, self.firings[actor]) * self.grain_ps
            if rng.random() < 0.5:
                gaps_ps[:] = gaps_ps[:1]
            self.builder.release(actor, np.cumsum(gaps_ps))
        return self.builder.build()


def random_program(seed: int, *, max_tokens: int = 24, max_pieces: int = 7) -> DataflowProgram:
    """Program of that seed, always the same."""
    return RandomProgram(seed, max_tokens=max_tokens, max_pieces=max_pieces).build()
