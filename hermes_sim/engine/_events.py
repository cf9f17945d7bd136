"""Pending events of the compiled engine: a wheel with one slot per instant, and a heap for what is further away.

All times are multiples of one tick, so that a slot never holds two instants and the order inside it is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hermes_sim._jit import njit_inline, njit_kernel
from hermes_sim.engine import _layout as c

if TYPE_CHECKING:
    from hermes_sim.program.dataflow import I64

_LOWEST_BIT = np.array(
    [
        0,
        1,
        28,
        2,
        29,
        14,
        24,
        3,
        30,
        22,
        20,
        15,
        25,
        17,
        4,
        8,
        31,
        27,
        13,
        23,
        21,
        19,
        16,
        7,
        26,
        12,
        18,
        6,
        11,
        5,
        10,
        9,
    ],
    dtype=np.int64,
)  # de Bruijn sequence 0x077CB531


@njit_inline
def lowest_bit(word: int) -> int:
    """Number of the lowest bit set in a 32-bit word that is not 0."""
    return int(_LOWEST_BIT[(((word & -word) * 0x077CB531) & 0xFFFFFFFF) >> 27])


@njit_inline
def next_slot_from(slots: I64, n_slots: int, first: int) -> int:
    """First used slot from `first` on, or -1; first < n_slots."""
    n_words = n_slots >> 5
    n_groups = n_words >> 5
    at = first >> 5
    word = slots[n_slots + at] & ((0xFFFFFFFF << (first & 31)) & 0xFFFFFFFF)
    if word != 0:
        return (at << 5) + lowest_bit(word)
    at += 1
    if at == n_words:
        return -1
    group = at >> 5
    groups = n_slots + n_words
    word = slots[groups + group] & ((0xFFFFFFFF << (at & 31)) & 0xFFFFFFFF)
    while word == 0:
        group += 1
        if group == n_groups:
            return -1
        word = slots[groups + group]
    at = (group << 5) + lowest_bit(word)
    return (at << 5) + lowest_bit(slots[n_slots + at])


@njit_inline
def next_instant(slots: I64, heap: I64, scalars: I64) -> int:
    """Time of the earliest event, or -1 if there is none."""
    time_ps = -1
    if scalars[c.N_WHEEL] > 0:
        n_slots = scalars[c.N_SLOTS]
        position = scalars[c.POSITION]
        slot = next_slot_from(slots, n_slots, position)
        if slot < 0:
            slot = next_slot_from(slots, n_slots, 0)
        time_ps = scalars[c.NOW] + ((slot - position) & (n_slots - 1)) * scalars[c.TICK]
    if scalars[c.N_HEAP] > 0 and (time_ps < 0 or heap[0, 0] < time_ps):
        time_ps = heap[0, 0]
    return time_ps


@njit_kernel
def push_heap(heap: I64, scalars: I64, time_ps: int, code: int) -> None:
    """Insert an event into the binary heap."""
    i = scalars[c.N_HEAP]
    scalars[c.N_HEAP] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent, 0] <= time_ps:
            break
        heap[i, 0] = heap[parent, 0]
        heap[i, 1] = heap[parent, 1]
        i = parent
    heap[i, 0] = time_ps
    heap[i, 1] = code


@njit_kernel
def pop_heap(heap: I64, scalars: I64) -> int:
    """Remove the earliest event of the binary heap and return its code."""
    code = heap[0, 1]
    n = scalars[c.N_HEAP] - 1
    scalars[c.N_HEAP] = n
    time_ps = heap[n, 0]
    last_code = heap[n, 1]
    i = 0
    child = 1
    while child < n:
        if child + 1 < n and heap[child + 1, 0] < heap[child, 0]:
            child += 1
        if heap[child, 0] >= time_ps:
            break
        heap[i, 0] = heap[child, 0]
        heap[i, 1] = heap[child, 1]
        i = child
        child = 2 * i + 1
    heap[i, 0] = time_ps
    heap[i, 1] = last_code
    return int(code)


@njit_inline
def push_wheel(slots: I64, nodes: I64, scalars: I64, ticks: int, code: int) -> None:
    """Schedule an event within the range of the wheel."""
    n_slots = scalars[c.N_SLOTS]
    slot = (scalars[c.POSITION] + ticks) & (n_slots - 1)
    node = scalars[c.SPARE_NODE]
    scalars[c.SPARE_NODE] = nodes[node, 1]
    scalars[c.N_WHEEL] += 1
    head = slots[slot]
    nodes[node, 0] = code
    nodes[node, 1] = head
    slots[slot] = node
    if head < 0:
        word = slot >> 5
        slots[n_slots + word] |= 1 << (slot & 31)
        slots[n_slots + (n_slots >> 5) + (word >> 5)] |= 1 << (word & 31)


@njit_inline
def push_event(slots: I64, nodes: I64, heap: I64, scalars: I64, delay_ps: int, ticks: int, code: int) -> None:
    """Schedule an event after a delay >= 0; the caller has made sure of the room."""
    if ticks < scalars[c.N_SLOTS]:
        push_wheel(slots, nodes, scalars, ticks, code)
    else:
        push_heap(heap, scalars, scalars[c.NOW] + delay_ps, code)


@njit_kernel
def advance_clock(slots: I64, nodes: I64, heap: I64, scalars: I64, time_ps: int) -> None:
    """Go to an instant, and bring what the heap has for it into its slot."""
    ticks = (time_ps - scalars[c.NOW]) // scalars[c.TICK]
    scalars[c.POSITION] = (scalars[c.POSITION] + ticks) & (scalars[c.N_SLOTS] - 1)
    scalars[c.NOW] = time_ps
    while scalars[c.N_HEAP] > 0 and heap[0, 0] == time_ps:
        push_wheel(slots, nodes, scalars, 0, pop_heap(heap, scalars))


@njit_inline
def clear_slot(slots: I64, n_slots: int, slot: int) -> None:
    """Mark a slot as unused; its nodes are the caller's."""
    slots[slot] = -1
    word = slot >> 5
    at = n_slots + word
    slots[at] &= ~(1 << (slot & 31))
    if slots[at] == 0:
        slots[n_slots + (n_slots >> 5) + (word >> 5)] &= ~(1 << (word & 31))


@njit_inline
def empty_slot(slots: I64, scalars: I64) -> int:
    """Take the list of events due now out of the wheel and return its first node; the nodes stay the caller's."""
    n_slots = scalars[c.N_SLOTS]
    slot = scalars[c.POSITION]
    head = slots[slot]
    if head >= 0:
        clear_slot(slots, n_slots, slot)
    return int(head)


@njit_kernel
def list_events(slots: I64, nodes: I64, heap: I64, scalars: I64, events: I64) -> int:
    """Write (time, code) of all pending events into `events`; returns how many."""
    n = scalars[c.N_HEAP]
    for i in range(n):
        events[i, 0] = heap[i, 0]
        events[i, 1] = heap[i, 1]
    n_slots = scalars[c.N_SLOTS]
    position = scalars[c.POSITION]
    n_left = scalars[c.N_WHEEL]
    slot = position
    while n_left > 0:
        found = next_slot_from(slots, n_slots, slot)
        if found < 0:
            found = next_slot_from(slots, n_slots, 0)
        node = slots[found]
        while node >= 0:
            events[n, 0] = scalars[c.NOW] + ((found - position) & (n_slots - 1)) * scalars[c.TICK]
            events[n, 1] = nodes[node, 0]
            n += 1
            n_left -= 1
            node = nodes[node, 1]
        slot = (found + 1) & (n_slots - 1)
    return int(n)


@njit_kernel
def sort_events(events: I64, n: int) -> None:
    """Sort the first n events by (code, time); Shell's method."""
    gap = n // 2
    while gap > 0:
        for i in range(gap, n):
            time_ps = events[i, 0]
            code = events[i, 1]
            j = i
            while j >= gap and (
                events[j - gap, 1] > code or (events[j - gap, 1] == code and events[j - gap, 0] > time_ps)
            ):
                events[j, 0] = events[j - gap, 0]
                events[j, 1] = events[j - gap, 1]
                j -= gap
            events[j, 0] = time_ps
            events[j, 1] = code
        gap = gap // 2


@njit_kernel
def clear_events(slots: I64, nodes: I64, scalars: I64) -> None:
    """Take out all pending events; looks at used slots only."""
    n_slots = scalars[c.N_SLOTS]
    n_left = scalars[c.N_WHEEL]
    slot = 0
    while n_left > 0:
        slot = next_slot_from(slots, n_slots, slot)
        node = slots[slot]
        while node >= 0:
            following = nodes[node, 1]
            nodes[node, 1] = scalars[c.SPARE_NODE]
            scalars[c.SPARE_NODE] = node
            n_left -= 1
            node = following
        clear_slot(slots, n_slots, slot)
    scalars[c.N_WHEEL] = 0
    scalars[c.N_HEAP] = 0


@njit_kernel
def replace_events(slots: I64, nodes: I64, heap: I64, scalars: I64, events: I64, n: int) -> None:
    """Make `events` the pending ones; NOW and POSITION are already set."""
    clear_events(slots, nodes, scalars)
    for i in range(n):
        delay_ps = events[i, 0] - scalars[c.NOW]
        push_event(slots, nodes, heap, scalars, delay_ps, delay_ps // scalars[c.TICK], events[i, 1])


@njit_kernel
def link_spare_nodes(nodes: I64, scalars: I64, first: int) -> None:
    """Chain all nodes from `first` on in front of the unused ones."""
    n = nodes.shape[0]
    for node in range(first, n - 1):
        nodes[node, 1] = node + 1
    nodes[n - 1, 1] = scalars[c.SPARE_NODE] if first > 0 else -1
    scalars[c.SPARE_NODE] = first
