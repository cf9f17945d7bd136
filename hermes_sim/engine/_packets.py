"""Queues of the reference engine."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import simpy


class PacketQueue:
    """Packets in the order in which they came; a packet is (actor, firing)."""

    def __init__(self, places: int) -> None:
        self.takers: Counter[int] = Counter()  # actor -> how many take its packets
        self.packets: deque[tuple[int, int]] = deque()
        self.full_until_ps = -1  # when it last had a free place again
        self._places = places
        self._taken = 0  # how many have taken the first packet
        self._waiting: list[simpy.Event] = []

    @property
    def is_full(self) -> bool:
        return len(self.packets) == self._places

    @property
    def head(self) -> tuple[int, int] | None:
        return self.packets[0] if self.packets else None

    def put(self, actor: int, firing: int) -> None:
        self.packets.append((actor, firing))

    def next_head(self, env: simpy.Environment) -> simpy.Event:
        """Event that comes with another packet at the head."""
        self._waiting.append(env.event())
        return self._waiting[-1]

    def take(self, now_ps: int) -> bool:
        """Count that one has taken the first packet; whether it was the last one to do so."""
        self._taken += 1
        if self._taken < self.takers[self.packets[0][0]]:
            return False
        if self.is_full:
            self.full_until_ps = now_ps
        self.packets.popleft()
        self._taken = 0
        for event in self._waiting:
            event.succeed()
        self._waiting.clear()
        return True
