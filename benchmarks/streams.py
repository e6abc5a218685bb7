"""Operation streams of the allocator benchmarks: the same for every allocator that runs them.

Each scenario prepares a zone and returns the stream to time. Slots are chosen
here, pfns by the allocator, so a stream does not depend on placement.

bulk   allocate every page at order 0; free them in that order
pair   half the zone filled at order 0, then {free a random block, allocate one}
coin   zone filled at order 0, a random half freed, then allocations and frees by coin flip
mixed  70 % filled with orders 85/5/4/3 % for 0 to 3, 2 % order 9, 1 % others; then
       {free a random block, allocate one of a random order}
order9 half the zone filled at order 9, then {free a random block, allocate one}
kernbench  processes that come and go, a page cache that grows to a limit, and slab
       pages, as while a kernel is compiled (see `compiles`)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from pasralloc import OP_DTYPE, Zone

MOVABLE = 1  # in the numbering of 6.12
ORDER_SHARES = np.array([85, 5, 4, 3, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 2, 1 / 6]) / 100


@dataclass
class Scenario:
    """A zone at the start of a measurement, and what to do with it."""

    zone: Zone
    ops: np.ndarray
    slots: np.ndarray

    def __post_init__(self) -> None:
        self.snapshot = self.zone.snapshot()
        self.start_slots = self.slots.copy()

    def reset(self) -> None:
        self.zone.restore(self.snapshot)
        self.slots[:] = self.start_slots

    def run(self) -> int:
        return self.zone.run(self.ops, self.slots)


def pairs(
    rng: np.random.Generator, nr_slots: int, nr_pairs: int, orders: np.ndarray | int
) -> np.ndarray:
    """Free a random slot, allocate into it again."""
    ops = np.zeros((nr_pairs, 2), OP_DTYPE)
    ops["slot"] = rng.integers(0, nr_slots, nr_pairs, dtype=np.uint32)[:, None]
    ops["migratetype"] = MOVABLE
    ops["op"] = [1, 0]
    ops["order"][:, 1] = orders
    return ops.ravel()


def random_orders(rng: np.random.Generator, nr: int) -> np.ndarray:
    return rng.choice(11, nr, p=ORDER_SHARES).astype(np.uint8)


def coin_flips(rng: np.random.Generator, is_live: np.ndarray, nr_ops: int) -> np.ndarray:
    """Order-0 allocations and frees in random order, of random slots."""
    live, dead = (list(rng.permutation(np.flatnonzero(is_live == flag))) for flag in (True, False))
    frees = rng.random(nr_ops) < 0.5
    picks = rng.random(nr_ops)
    ops = np.zeros(nr_ops, OP_DTYPE)
    ops["migratetype"] = MOVABLE
    slots = ops["slot"]
    for i, (free, pick) in enumerate(zip(frees.tolist(), picks.tolist(), strict=True)):
        source, target = (live, dead) if free else (dead, live)
        at = int(pick * len(source))
        slots[i] = source[at]
        source[at] = source[-1]
        source.pop()
        target.append(slots[i])
    ops["op"] = frees
    return ops


def compiles(
    rng: np.random.Generator, nr_ops: int, nr_cached: int, nr_processes: int = 4
) -> np.ndarray:
    """Allocations and frees as while a kernel is compiled.

    Of *nr_processes* at a time each allocates 500 to 5000 single movable pages, with
    every twentieth request a page table or slab page (unmovable, order 0 to 3)
    and every tenth a page of the cache. A process frees all of its own when it
    ends, slab pages half of the time; the cache keeps *nr_cached* pages and gives
    up its oldest.
    """
    ops = np.zeros(nr_ops, OP_DTYPE)
    slots, freed = iter(range(nr_ops)), []
    processes: list[list[int]] = [[] for _ in range(nr_processes)]
    wanted = rng.integers(500, 5000, nr_processes).tolist()
    cache: deque[int] = deque()
    kinds = rng.random(nr_ops).tolist()
    small = rng.choice(4, nr_ops, p=[0.6, 0.2, 0.1, 0.1]).tolist()
    turns = rng.integers(0, nr_processes, nr_ops).tolist()
    at = 0

    def put(op: int, slot: int, order: int = 0, migratetype: int = MOVABLE) -> None:
        nonlocal at
        if at < nr_ops:
            ops[at] = (op, order, migratetype, 0, slot)
        at += 1

    while at < nr_ops:
        i = turns[at]
        slot = freed.pop() if freed else next(slots)
        if kinds[at] < 0.1:
            put(0, slot)
            cache.append(slot)
            if len(cache) > nr_cached:
                put(1, cache[0])
                freed.append(cache.popleft())
        elif kinds[at] < 0.15:
            keep = kinds[at] < 0.125
            put(0, slot, small[at], 0)
            if not keep:
                processes[i].append(slot)
        else:
            put(0, slot)
            processes[i].append(slot)
        if len(processes[i]) >= wanted[i]:
            for slot in processes[i]:
                put(1, slot)
            freed += processes[i]
            processes[i] = []
            wanted[i] = 500 + int(kinds[min(at, nr_ops - 1)] * 4500)
    return ops


def prepare(name: str, zone: Zone, nr_ops: int, seed: int = 0) -> Scenario:
    """Bring a fresh *zone* into the starting state of scenario *name*."""
    rng = np.random.default_rng(seed)
    nr_pages = zone.nr_pages
    if name == "bulk":
        slots = np.full(nr_pages, -1, np.int64)
        ops = np.zeros((2, nr_pages), OP_DTYPE)
        ops["slot"] = np.arange(nr_pages)
        ops["op"] = [[0], [1]]
        ops["migratetype"] = MOVABLE
        return Scenario(zone, ops.ravel(), slots)
    if name == "pair":
        slots = zone.alloc_batch(np.zeros(nr_pages // 2, np.uint8))
        return Scenario(zone, pairs(rng, len(slots), nr_ops // 2, 0), slots)
    if name == "coin":
        slots = zone.alloc_batch(np.zeros(nr_pages, np.uint8))
        is_live = np.ones(nr_pages, bool)
        is_live[rng.permutation(nr_pages)[: nr_pages // 2]] = False
        zone.free_batch(slots[rng.permutation(np.flatnonzero(~is_live))])
        return Scenario(zone, coin_flips(rng, is_live, nr_ops), slots)
    if name == "mixed":
        orders = random_orders(rng, nr_pages // 10)
        orders = orders[: np.searchsorted(np.cumsum(1 << orders.astype(np.int64)), 0.7 * nr_pages)]
        slots = zone.alloc_batch(orders)
        return Scenario(
            zone, pairs(rng, len(slots), nr_ops // 2, random_orders(rng, nr_ops // 2)), slots
        )
    if name == "order9":
        slots = zone.alloc_batch(np.full(nr_pages // 1024, 9, np.uint8))
        return Scenario(zone, pairs(rng, len(slots), nr_ops // 2, 9), slots)
    if name == "kernbench":
        ops = compiles(rng, nr_ops, nr_ops // 40)
        return Scenario(zone, ops, np.full(int(ops["slot"].max()) + 1, -1, np.int64))
    raise ValueError(f"unknown scenario {name!r}")
