"""The first of many bins with room, found without looking at each."""

from __future__ import annotations


class Bins:
    """Bins in a row, each with the room it has left; new ones may be added at the end.

    A tree over the bins holds at every inner node the most room below it (leaves from `_width` on, the root at 1).
    """

    def __init__(self) -> None:
        self._width, self._count = 1, 0
        self._most = [0, 0]

    def __len__(self) -> int:
        return self._count

    def add(self, room: int) -> int:
        """Open a bin and return its number."""
        if self._count == self._width:
            leaves = self._most[self._width :]
            self._width *= 2
            self._most = [0] * self._width + leaves + [0] * len(leaves)
            for node in range(self._width - 1, 0, -1):
                self._most[node] = max(self._most[2 * node], self._most[2 * node + 1])
        self._count += 1
        self._set(self._count - 1, room)
        return self._count - 1

    def first(self, need: int) -> int | None:
        """Number of the first bin with that much room (at least 1), None if no bin has it."""
        if self._most[1] < need:
            return None
        node = 1
        while node < self._width:
            node *= 2
            if self._most[node] < need:
                node += 1
        return node - self._width

    def room(self, number: int) -> int:
        """Room that a bin has left."""
        return self._most[self._width + number]

    def take(self, number: int, used: int) -> None:
        """Use up room of a bin."""
        self._set(number, self.room(number) - used)

    def _set(self, number: int, room: int) -> None:
        node = self._width + number
        self._most[node] = room
        while node > 1:
            node //= 2
            self._most[node] = max(self._most[2 * node], self._most[2 * node + 1])
