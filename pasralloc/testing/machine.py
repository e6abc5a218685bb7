"""A hypothesis state machine that drives a zone and its model side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pasralloc._core.batchcalls import OP_DTYPE
from pasralloc._core.generations import GENERATIONS, REQUESTABLE
from pasralloc._core.zoneobject import Zone
from pasralloc.errors import InvalidFree, OutOfMemory
from pasralloc.sizing import Pagesets
from pasralloc.testing import pagesets as pageset_rules
from pasralloc.testing import reserves
from pasralloc.testing.inside import freelist, pcplists
from pasralloc.testing.model import ZoneModel

__all__ = ["ZoneMachine"]

ENOMEM = -12

# Small orders, and the three around which rules change.
orders = st.one_of(st.integers(0, 3), st.sampled_from([8, 9, 10]), st.integers(0, 10))
types = st.sampled_from(REQUESTABLE)
cpus = st.integers(0, 2)
flags = st.sampled_from([0, 0, 2, 4, 6, 8, 16])
requests = st.lists(st.tuples(orders, types), max_size=40)


@st.composite
def pagesets(draw: st.DrawFn, in_regions: bool, tunes: bool) -> Pagesets:
    """Pagesets of one to three CPUs: the kernel's own sizes, or small ones that spill often."""
    nr_cpus = draw(st.integers(1, 3))
    by_region = draw(st.booleans()) if in_regions else False
    if draw(st.booleans()):
        return Pagesets(nr_cpus=nr_cpus, by_region=by_region)
    batch = draw(st.integers(1, 8))
    if not tunes:
        high = batch * draw(st.integers(1, 6))
        return Pagesets(nr_cpus=nr_cpus, by_region=by_region, batch=batch, high=high)
    high = draw(st.sampled_from([0, batch - 1, 2 * batch, 5 * batch]))
    high_max = draw(st.sampled_from([None, high, high if high < batch else high + 6 * batch]))
    return Pagesets(nr_cpus=nr_cpus, by_region=by_region, batch=batch, high=high, high_max=high_max)


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    """Keyword arguments of a small zone: one to four regions, holes, any policy."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    are_equal = draw(st.booleans())
    sizes = sizes[:1] * len(sizes) if are_equal else sizes
    quirks = draw(st.sampled_from(["fixed", "posted"]))
    start = draw(st.sampled_from([0, 1024, 1 << 20]))
    if quirks == "posted":
        start += draw(st.sampled_from([0, 1, 16, 1023]))
    cut = draw(st.integers(0, 1023))
    nr_pages = sum(sizes) * 1024 - cut
    holes = draw(
        st.lists(st.tuples(st.integers(0, nr_pages - 1), st.integers(1, 1500)), max_size=2)
    )
    absent: list[tuple[int, int]] = []
    at = start
    for offset, nr in sorted(holes):
        pfn = max(at, start + offset)
        nr = min(nr, start + nr_pages - pfn)
        if nr > 0:
            absent.append((pfn, nr))
            at = pfn + nr
    placement = draw(st.sampled_from(["sorted", "linux", "biased"]))
    kernel = draw(st.sampled_from(sorted(GENERATIONS)))
    region_allocators = [None] if placement == "linux" else [None, "when-dry", "lowest-first"]
    return {
        "nr_pages": nr_pages,
        "region_pages": sizes[0] * 1024 if are_equal else [size * 1024 for size in sizes],
        "start_pfn": start,
        "absent": absent,
        "placement": placement,
        "region_allocator": draw(st.sampled_from(region_allocators)),
        "grouping": None if placement == "linux" else draw(st.sampled_from([None, "by-region"])),
        "pagesets": draw(st.none() | pagesets(placement != "linux", kernel == "6.12")),
        "kernel": kernel,
        "quirks": quirks,
        "pageblock_order": draw(st.sampled_from([9, 10, 5])),
    }


class ZoneMachine(RuleBasedStateMachine):
    """Every reachable zone equals its model, block for block and list for list."""

    zone: Zone
    model: ZoneModel

    @initialize(description=descriptions())
    def boot(self, description: dict[str, Any]) -> None:
        self.description = dict(description)
        self.zone = Zone(**description)
        self.model = ZoneModel(**description)
        self.saved: tuple[Any, ZoneModel] | None = None
        self.empty = self.empty_regions()
        self.nr_forgotten = 0  # fallback events compared already
        self.numbers = {name: self.zone.migratetypes.index(name) for name in REQUESTABLE}
        assert self.zone.quirks == description["quirks"]

    def agrees_about_pagesets(self) -> None:
        """Compare lists and tuning of every CPU."""
        assert self.zone.nr_cached == sum(pageset.count for pageset in self.model.pagesets)
        for cpu, expected in enumerate(self.model.pagesets):
            found = self.zone.pageset(cpu)
            assert pcplists(self.zone, cpu)[: len(expected.lists)] == list(expected.lists.values())
            assert found.count == expected.count
            assert found.high == expected.high
            if self.model.generation.claims:
                assert found.alloc_factor == expected.alloc_factor
                assert found.free_count == expected.free_count

    def empty_regions(self) -> set[int]:
        """Regions that are completely free according to the model."""
        nr_free = self.model.region_nr_free()
        return {r for r, nr in enumerate(self.model.region_managed()) if nr and nr_free[r] == nr}

    def live(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.allocated)), label="live pfn")

    @rule(order=orders, migratetype=types, cpu=cpus, flags=flags)
    def alloc(self, order: int, migratetype: str, cpu: int, flags: int) -> None:
        cpu = self.cpu(cpu)
        try:
            expected = self.model.alloc(order, migratetype, cpu, flags)
        except OutOfMemory:
            self.refused(OutOfMemory, self.zone.alloc, order, migratetype, cpu=cpu, flags=flags)
            return
        assert self.zone.alloc(order, migratetype, cpu=cpu, flags=flags) == expected

    def cpu(self, number: int) -> int:
        """One of the CPUs that there are."""
        return number % max(len(self.model.pagesets), 1)

    @rule(cpu=st.none() | cpus, decay=st.booleans())
    def drain_or_decay(self, cpu: int | None, decay: bool) -> None:
        numbers = range(len(self.model.pagesets)) if cpu is None else [self.cpu(cpu)]
        if not self.model.pagesets:
            numbers = []
        rule = pageset_rules.decay if decay else pageset_rules.drain
        call = self.zone.decay if decay else self.zone.drain
        expected = sum(rule(self.model, number) for number in numbers)
        assert call(None if cpu is None else self.cpu(cpu)) == expected

    @precondition(lambda self: self.model.allocated)
    @rule(data=st.data(), with_order=st.booleans(), cpu=cpus)
    def free(self, data: st.DataObject, with_order: bool, cpu: int) -> None:
        pfn, cpu = self.live(data), self.cpu(cpu)
        order = self.model.allocated[pfn][0] if with_order else None
        self.zone.free(pfn, order, cpu=cpu)
        self.model.free(pfn, order, cpu)

    @rule(data=st.data(), order=st.none() | orders)
    def free_of_what_heads_no_such_block_is_refused(
        self, data: st.DataObject, order: int | None
    ) -> None:
        span = st.integers(self.model.start_pfn - 3, self.model.end_pfn + 3)
        pfn = data.draw(span, label="pfn")
        if pfn not in self.model.allocated or order not in (None, self.model.allocated[pfn][0]):
            self.refused(InvalidFree, self.zone.free, pfn, order)
            self.refused(
                InvalidFree,
                self.zone.free_batch,
                [*list(self.model.allocated)[:3], pfn],
                None if order is None else [*self.first_orders(3), order],
            )

    def first_orders(self, nr: int) -> list[int]:
        return [order for order, _ in list(self.model.allocated.values())[:nr]]

    @rule(wanted=requests, cpu=cpus)
    def alloc_batch(self, wanted: list[tuple[int, str]], cpu: int) -> None:
        expected, cpu = [], self.cpu(cpu)
        for order, migratetype in wanted:
            try:
                expected.append(self.model.alloc(order, migratetype, cpu))
            except OutOfMemory:
                expected.append(ENOMEM)
        pfns = self.zone.alloc_batch(
            [order for order, _ in wanted], [self.numbers[name] for _, name in wanted], cpu=cpu
        )
        assert pfns.tolist() == expected

    @precondition(lambda self: self.model.allocated)
    @rule(data=st.data(), cpu=cpus)
    def free_batch(self, data: st.DataObject, cpu: int) -> None:
        choice = st.lists(st.sampled_from(sorted(self.model.allocated)), unique=True, max_size=40)
        pfns = data.draw(choice, label="pfns")
        if pfns:
            self.refused(InvalidFree, self.zone.free_batch, [*pfns, pfns[0]])
        self.zone.free_batch(
            np.array(pfns, np.int64),
            [self.model.allocated[p][0] for p in pfns],
            cpu=self.cpu(cpu),
        )
        for pfn in pfns:
            self.model.free(pfn, cpu=self.cpu(cpu))

    @rule(data=st.data(), wanted=requests, cpu=cpus, flags=flags)
    def run(self, data: st.DataObject, wanted: list[tuple[int, str]], cpu: int, flags: int) -> None:
        """Allocations into fresh slots, interleaved with frees of any slot."""
        cpu = self.cpu(cpu)
        slots = np.array([*sorted(self.model.allocated)[:30], *[-1] * len(wanted)], np.int64)
        first = len(slots) - len(wanted)
        ops, expected, nr_failed = [], slots.copy(), 0
        for i, (order, migratetype) in enumerate(wanted):
            ops.append((0, order, self.numbers[migratetype], flags, first + i))
            try:
                expected[first + i] = self.model.alloc(order, migratetype, cpu, flags)
            except OutOfMemory:
                expected[first + i] = ENOMEM
                nr_failed += 1
            slot = data.draw(st.integers(0, first + i), label="slot to free")
            checked = data.draw(st.booleans(), label="check the order")
            free_order = data.draw(orders, label="order of the free") if checked else 7
            ops.append((1, free_order, 0, int(checked), slot))
            try:
                self.model.free(int(expected[slot]), free_order if checked else None, cpu)
            except InvalidFree:
                nr_failed += 1
        assert self.zone.run(np.array(ops, OP_DTYPE), slots, cpu=cpu) == nr_failed
        assert slots.tolist() == expected.tolist()

    @rule(data=st.data(), nr=st.integers(1, 1200), migratetype=types)
    def take_range(self, data: st.DataObject, nr: int, migratetype: str) -> None:
        pfn = data.draw(st.integers(self.model.start_pfn, self.model.end_pfn - 1), label="pfn")
        try:
            expected = self.model.take_range(pfn, nr, migratetype)
        except ValueError:
            self.refused(ValueError, self.zone.take_range, pfn, nr, migratetype)
            return
        assert self.zone.take_range(pfn, nr, migratetype) == expected

    @precondition(lambda self: self.model.allocated)
    @rule(data=st.data(), order=orders)
    def split_allocated(self, data: st.DataObject, order: int) -> None:
        pfn = self.live(data)
        try:
            self.model.split_allocated(pfn, order)
        except InvalidFree:
            self.refused(InvalidFree, self.zone.split_allocated, pfn, order)
            return
        self.zone.split_allocated(pfn, order)

    @rule(data=st.data(), nr=st.integers(1, 1200))
    def add_pages(self, data: st.DataObject, nr: int) -> None:
        pfn = data.draw(st.integers(self.model.start_pfn, self.model.end_pfn - 1), label="pfn")
        pages = set(range(pfn, pfn + nr))
        if pfn + nr > self.model.end_pfn or pages & self.model.managed:
            self.refused(ValueError, self.zone.add_pages, pfn, nr)
            return
        self.zone.add_pages(pfn, nr)
        self.model.add_pages(pfn, nr)

    @rule(
        data=st.data(), nr_blocks=st.integers(1, 3), number=st.integers(0, 5), in_tops=st.booleans()
    )
    def set_pageblocks(
        self, data: st.DataObject, nr_blocks: int, number: int, in_tops: bool
    ) -> None:
        """Re-type blocks of 1024 pages, or single pageblocks, which free blocks may not cross."""
        size = 1024 if in_tops else self.model.pageblock_pages
        first, last = self.model.start_pfn // size, (self.model.end_pfn - 1) // size
        block = data.draw(st.integers(first, last), label="block")
        pfn = max(block * size, self.model.start_pfn)
        nr = min((block + nr_blocks) * size, self.model.end_pfn) - pfn
        name = self.zone.migratetypes[number]
        self.refused(ValueError, self.zone.set_pageblocks, pfn, nr + 1024 * 12, name)
        try:
            self.model.set_pageblocks(pfn, nr, name)
        except ValueError:
            self.refused(ValueError, self.zone.set_pageblocks, pfn, nr, name)
            return
        self.zone.set_pageblocks(pfn, nr, number)

    @precondition(lambda self: not self.model.generation.claims)
    @rule(min_wmark=st.integers(0, 3000))
    def setup_reserve(self, min_wmark: int) -> None:
        assert self.zone.setup_reserve(min_wmark) == reserves.setup(self.model, min_wmark)

    @precondition(lambda self: self.model.generation.claims)
    @rule(migratetype=types, force=st.booleans())
    def unreserve_highatomic(self, migratetype: str, force: bool) -> None:
        expected = reserves.unreserve_highatomic(self.model, migratetype, force)
        assert self.zone.unreserve_highatomic(migratetype, force=force) == expected

    @rule()
    def save(self) -> None:
        self.saved = self.zone.snapshot(), self.model.copy()

    @precondition(lambda self: self.saved)
    @rule()
    def restore(self) -> None:
        assert self.saved is not None
        snapshot, model = self.saved
        self.zone.restore(snapshot)
        self.model = model.copy()
        self.empty = self.empty_regions()
        assert self.zone.digest() == snapshot.digest

    @rule(order=orders)
    def a_digest_tells_states_not_histories(self, order: int) -> None:
        """Build the same state in a fresh zone: what the lists went through does not show."""
        twin = Zone(**self.description)
        twin.restore(self.zone.snapshot())
        try:
            pfn = self.model.copy().alloc(order)
        except OutOfMemory:
            return
        before = self.zone.snapshot()
        nr_extfrag = self.zone.nr_extfrag
        assert twin.alloc(order) == self.zone.alloc(order) == pfn
        assert twin.digest() == self.zone.digest()
        self.zone.restore(before)
        self.nr_forgotten += self.zone.nr_extfrag - nr_extfrag
        self.empty = self.empty_regions()

    @rule(data=st.data())
    def block_of(self, data: st.DataObject) -> None:
        """Ask what any page is."""
        pfn = data.draw(st.integers(self.model.start_pfn, self.model.end_pfn - 1), label="pfn")
        block = self.zone.block_of(pfn)
        assert block.pfn <= pfn < block.pfn + (1 << block.order)
        if pfn not in self.model.managed:
            assert block.state == "absent"
            return
        if block.state == "pcp":
            assert self.model.cached[block.pfn] == block.order
            return
        blocks = self.model.allocated if block.state == "allocated" else self.model.free_blocks()
        assert blocks[block.pfn] == (block.order, block.migratetype or "parked")

    def refused(self, error: type[Exception], call: Any, *args: Any, **options: Any) -> None:
        """See the call raise, and leave no trace."""
        before = self.zone.digest()
        try:
            call(*args, **options)
        except error:
            assert self.zone.digest() == before, "a failed call changed the zone"
        else:
            raise AssertionError(f"{call.__name__}{args} was not refused")

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "zone"):
            return
        self.zone.check()
        assert self.zone.nr_highatomic == self.model.nr_highatomic
        assert self.zone.nr_extfrag == self.nr_forgotten + len(self.model.extfrag)
        names = self.zone.migratetypes
        assert len(self.model.extfrag) <= 1024, "the log would have lost some"
        log = self.zone.extfrag_events()
        assert [
            (int(pfn), int(order), names[number], int(high), names[other])
            for pfn, order, high, _, number, other, *_ in log[len(log) - len(self.model.extfrag) :]
        ] == self.model.extfrag
        self.nr_forgotten += len(self.model.extfrag)
        self.model.extfrag.clear()
        for (order, name), pfns in self.model.lists.items():
            assert freelist(self.zone, order, name) == pfns
        parked = [pfn for _, pfns in sorted(self.model.parked.items()) for pfn in pfns]
        assert freelist(self.zone, 10, "parked") == parked
        assert self.zone.parked_regions() == sorted(self.model.parked)
        self.agrees_about_pagesets()
        used = [block for block in self.zone.blocks() if not block["is_free"]]
        assert {
            int(pfn): (int(order), names[number]) for pfn, order, number, _ in used if number != 7
        } == self.model.allocated
        assert {
            int(pfn): int(order) for pfn, order, number, _ in used if number == 7
        } == self.model.cached
        nr_free, managed = self.model.region_nr_free(), self.model.region_managed()
        assert self.zone.region_nr_free.tolist() == nr_free
        assert self.zone.region_managed.tolist() == managed
        assert self.zone.nr_free == sum(nr_free)
        assert self.zone.managed == sum(managed)
        for order, nr in enumerate(self.zone.buddyinfo().tolist()):
            listed = sum(len(self.model.lists[order, name]) for name in self.zone.migratetypes)
            assert nr == listed + (len(parked) if order == 10 else 0)
        empty = self.empty_regions()
        assert empty ^ self.empty <= set(self.zone.changed_regions()), "a change was not published"
        self.empty = empty
