"""State machine: every reachable simulation equals its model."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from pasralloc._core.batchcalls import OP_DTYPE
from pasralloc._core.generations import REQUESTABLE
from pasralloc._core.records import PAGE_STATES
from pasralloc.errors import InvalidFree, OutOfMemory
from pasralloc.sim.simulation import Simulation
from pasralloc.testing.descriptions import TOP_PAGES, descriptions
from pasralloc.testing.inside import pcplists
from pasralloc.testing.memory import MemoryModel
from pasralloc.testing.memoryplan import TYPES
from pasralloc.testing.migration import MigrationRules

ENOMEM, EINVAL = -12, -22
HISTORY = ("counters", "reclaimed", "moves", "log", "tally", "held_by", "sink")

orders = st.sampled_from([0, 0, 0, 0, 1, 2, 3, 5, 9, 10])
types = st.sampled_from(REQUESTABLE)
zone_names = st.sampled_from([None, None, None, *TYPES])
flags = st.sampled_from([0, 0, 0, 2, 4, 8, 16, 32, 34, 38, 40])
cpus = st.integers(0, 3)
times = st.sampled_from([None, None, None, 0, 30, 60, 250])  # from the present on


class SimulationMachine(MigrationRules):
    """Every reachable simulation equals its model: pfns, lists, states, counters."""

    @initialize(description=descriptions())
    def boot(self, description: dict[str, Any]) -> None:
        self.sim = Simulation(**description)
        self.model = MemoryModel(**description)
        self.numbers = {name: self.sim.zones[0].migratetypes.index(name) for name in REQUESTABLE}
        self.nids = [node.nid for node in description["machine"].nodes]
        self.nr_cpus = description["machine"].nr_cpus
        self.saved: tuple[Any, MemoryModel] | None = None
        self.known: tuple[list[int], tuple[int, int, int], int] | None = None

    def where(self, cpu: int, nid: int) -> dict[str, Any]:
        return {"cpu": cpu % self.nr_cpus, "nid": self.nids[nid % len(self.nids)]}

    @rule(order=orders, wanted=types, zone=zone_names, cpu=cpus, nid=cpus, flags=flags, later=times)
    def alloc(
        self,
        order: int,
        wanted: str,
        zone: str | None,
        cpu: int,
        nid: int,
        flags: int,
        later: int | None,
    ) -> None:
        where = self.where(cpu, nid)
        when = self.passing(later)
        try:
            expected = self.model.alloc(order, wanted, zone=zone, flags=flags, **where)
        except OutOfMemory:
            expected = ENOMEM
        try:
            pfn = self.sim.alloc(order, wanted, zone=zone, flags=flags, **where, **when)
        except OutOfMemory:
            pfn = ENOMEM
        assert pfn == expected

    @rule(order=orders, nr=st.integers(1, 400), wanted=types, cpu=cpus, nid=cpus, later=times)
    def alloc_many(
        self, order: int, nr: int, wanted: str, cpu: int, nid: int, later: int | None
    ) -> None:
        """Until watermarks matter."""
        where = self.where(cpu, nid)
        when = self.passing(later)
        nr = min(nr, 4096 >> order)
        expected = []
        for _ in range(nr):
            try:
                expected.append(self.model.alloc(order, wanted, **where))
            except OutOfMemory:
                expected.append(ENOMEM)
        pfns = self.sim.alloc_batch(np.full(nr, order, np.uint8), wanted, **where, **when)
        assert pfns.tolist() == expected

    @rule(
        wanted=st.lists(st.tuples(orders, types, flags), min_size=1, max_size=30),
        cpu=cpus,
        nid=cpus,
        keep=st.integers(0, 30),
        later=times,
    )
    def run_a_stream(
        self,
        wanted: list[tuple[int, str, int]],
        cpu: int,
        nid: int,
        keep: int,
        later: int | None,
    ) -> None:
        """Allocations, then frees of the first of them, and one that is refused."""
        where = self.where(cpu, nid)
        when = self.passing(later)
        ops = np.zeros(len(wanted) + min(keep, len(wanted)) + 1, OP_DTYPE)
        slots = np.full(len(wanted), -1, np.int64)
        expected, nr_failed = [], 1
        for i, (order, name, flag) in enumerate(wanted):
            flag &= ~32
            ops[i] = (0, order, self.numbers[name], flag, i)
            try:
                expected.append(self.model.alloc(order, name, flags=flag, **where))
            except OutOfMemory:
                expected.append(ENOMEM)
                nr_failed += 1
        for i in range(min(keep, len(wanted))):
            ops[len(wanted) + i] = (1, wanted[i][0], 0, i % 2, i)
            if expected[i] == ENOMEM:
                nr_failed += 1
            else:
                self.model.free(expected[i], cpu=where["cpu"])
        ops[-1] = (1, 0, 0, 1, len(wanted) - 1)
        if expected[-1] in self.allocated() and self.allocated()[expected[-1]][0] == 0:
            nr_failed -= 1
            self.model.free(expected[-1], cpu=where["cpu"])
        assert self.sim.run(ops, slots, **where, **when) == nr_failed
        assert slots.tolist() == expected

    @precondition(lambda self: self.allocated())
    @rule(data=st.data(), with_order=st.booleans(), cpu=cpus, later=times)
    def free(self, data: st.DataObject, with_order: bool, cpu: int, later: int | None) -> None:
        pfn, cpu = self.live(data), cpu % self.nr_cpus
        order = self.allocated()[pfn][0] if with_order else None
        since = len(self.model.log)
        when = self.passing(later)
        place = self.model.follow(pfn, since)
        if place is not None:
            self.sim.free(pfn, order, cpu=cpu, **when)
            self.model.free(place, order, cpu)
            return
        with pytest.raises(InvalidFree, match="reclaimed as time passed"):
            self.sim.free(pfn, order, cpu=cpu, **when)

    @precondition(lambda self: self.allocated())
    @rule(share=st.floats(0, 1), cpu=cpus, later=times)
    def free_many(self, share: float, cpu: int, later: int | None) -> None:
        pfns = list(self.allocated())
        pfns = pfns[:: max(round(1 / max(share, 0.01)), 1)]
        since = len(self.model.log)
        when = self.passing(later)
        self.sim.free_batch(pfns, cpu=cpu % self.nr_cpus, **when)
        for pfn in pfns:
            place = self.model.follow(pfn, since)
            if place is not None:
                self.model.free(place, cpu=cpu % self.nr_cpus)

    @precondition(lambda self: self.allocated())
    @rule(share=st.floats(0, 1), cpu=cpus, later=times)
    def free_by_a_stream(self, share: float, cpu: int, later: int | None) -> None:
        """Slots follow blocks that are moved as time passes."""
        pfns = list(self.allocated())[:: max(round(1 / max(share, 0.01)), 1)]
        slots = np.array(pfns, np.int64)
        ops = np.zeros(len(pfns), OP_DTYPE)
        ops["op"], ops["slot"] = 1, np.arange(len(pfns))
        since = len(self.model.log)
        when = self.passing(later)
        places = [self.model.follow(pfn, since) for pfn in pfns]
        nr_failed = self.sim.run(ops, slots, **self.where(cpu, 0), **when)
        assert nr_failed == places.count(None)
        assert slots.tolist() == [EINVAL if place is None else place for place in places]
        for place in places:
            if place is not None:
                self.model.free(place, cpu=cpu % self.nr_cpus)

    @rule(data=st.data(), nr=st.integers(1, 1500), wanted=types)
    def take_range(self, data: st.DataObject, nr: int, wanted: str) -> None:
        mz = data.draw(st.sampled_from(self.model.zones), label="zone")
        pfn = data.draw(st.integers(mz.zone.start_pfn, mz.zone.end_pfn - 1), label="pfn")
        try:
            expected = mz.zone.take_range(pfn, nr, wanted)
        except ValueError:
            with pytest.raises(ValueError, match=r"pfn|page"):
                self.sim.take_range(pfn, nr, wanted)
            return
        assert self.sim.take_range(pfn, nr, wanted) == expected

    @rule(data=st.data(), nr_blocks=st.integers(1, 4), number=st.integers(0, 5))
    def set_pageblocks(self, data: st.DataObject, nr_blocks: int, number: int) -> None:
        """Re-type blocks of 1024 pages: also to CMA and ISOLATE, which watermarks treat differently."""
        mz = data.draw(st.sampled_from(self.model.zones), label="zone")
        last = mz.zone.end_pfn // TOP_PAGES - 1
        block = data.draw(st.integers(mz.zone.start_pfn // TOP_PAGES, last), label="block")
        nr = min(nr_blocks, last + 1 - block) * TOP_PAGES
        name = self.sim.zones[0].migratetypes[number]
        mz.zone.set_pageblocks(block * TOP_PAGES, nr, name)
        self.sim.set_pageblocks(block * TOP_PAGES, nr, number)

    @rule(data=st.data())
    def free_of_what_heads_no_block_is_refused(self, data: st.DataObject) -> None:
        highest = max(mz.zone.end_pfn for mz in self.model.zones)
        pfn = data.draw(st.integers(-3, highest + 2000), label="pfn")
        if pfn in self.allocated():
            return
        digest = self.sim.digest()
        with pytest.raises(InvalidFree):
            self.sim.free(pfn)
        with pytest.raises(InvalidFree):
            self.sim.free_batch([*list(self.allocated())[:3], pfn])
        assert self.sim.digest() == digest

    @precondition(lambda self: self.allocated())
    @rule(data=st.data(), nr=st.integers(1, 40), state=st.sampled_from(PAGE_STATES))
    def set_states(self, data: st.DataObject, nr: int, state: str) -> None:
        pfn = self.live(data)
        order = self.allocated()[pfn][0]
        self.sim.set_page_state(pfn, 1 << order, state)
        self.model.set_page_state(pfn, 1 << order, state)
        others = list(self.allocated())[-nr:]
        self.sim.set_page_states(others, state)
        for other in others:
            mz = self.model.zone_at(other)
            assert mz is not None
            mz.set_state(other, state)

    @rule(later=st.integers(1, 300))
    def advance(self, later: int) -> None:
        self.sim.advance(self.sim.now_ns + later)
        self.model.advance(self.model.now_ns + later)

    @rule()
    def drain(self) -> None:
        assert self.sim.drain() == self.model.drain()

    @rule(nr=st.integers(0, 10))
    def free_swap(self, nr: int) -> None:
        nr = min(nr, self.model.swap_size - self.model.swap_free)
        self.sim.free_swap(nr)
        self.model.swap_free += nr

    @rule(by_bytes=st.booleans())
    def save(self, by_bytes: bool) -> None:
        snapshot = self.sim.snapshot()
        assert snapshot.digest == self.sim.digest()
        if by_bytes:
            snapshot = pickle.loads(pickle.dumps(snapshot))
        self.saved = snapshot, self.model.copy()

    @precondition(lambda self: self.saved)
    @rule()
    def go_back(self) -> None:
        assert self.saved is not None
        snapshot, model = self.saved
        self.sim.restore(snapshot)
        assert self.sim.digest() == snapshot.digest
        history = {name: getattr(self.model, name) for name in HISTORY}
        self.model = model.copy()
        for name, value in history.items():
            setattr(self.model, name, value)
        self.known = None

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "sim"):
            return
        self.sim.check()
        assert self.sim.now_ns == self.model.now_ns
        assert self.sim.swap_free == self.model.swap_free
        for zone, mz in zip(self.sim.zones, self.model.zones, strict=True):
            blocks = zone.blocks()
            free = blocks[blocks["is_free"]]
            names = [*zone.migratetypes, "parked"]
            assert {
                int(b["pfn"]): (int(b["order"]), names[b["migratetype"]]) for b in free
            } == mz.zone.free_blocks()
            assert zone.region_nr_free.tolist() == mz.zone.region_nr_free()
            used = blocks[~blocks["is_free"]]
            assert {
                int(b["pfn"]): (int(b["order"]), names[b["migratetype"]])
                for b in used[used["migratetype"] != 7]
            } == mz.zone.allocated
            for pfn in [*list(mz.zone.allocated)[-20:], *list(mz.states)[:20]]:
                assert self.sim.page_state(pfn) == mz.states.get(pfn, "unknown")
            for cpu, expected in enumerate(mz.zone.pagesets):
                lists = list(expected.lists.values())
                assert pcplists(zone, cpu)[: len(lists)] == lists
                assert zone.pageset(cpu).high == expected.high
        counters = self.sim.counters()
        assert counters.pop("reclaimed_blocks") == len(self.model.reclaimed)
        assert counters == self.model.counters
        assert self.sim.reclaimed().tolist() == self.model.reclaimed
        self.agrees_about_migration()
